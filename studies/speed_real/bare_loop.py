"""`Student.train_window` compared with a bare torch loop: the same step on tensors prepared beforehand.

The loop has no framework: one forward pass, logits of the replies' positions, forward KL written out,
backward pass, clipping, fused AdamW. Reading records, stacking them and moving their distributions to
tensors is ours alone.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from readsim_hf.objectives.table import make_objective
from readsim_hf.teachers.record import SoftKind, TeacherRecord
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from studies.speed_real.sizes import LARGE, NANO, Size, examples, records
from studies.speed_real.timing import Pair, Row, in_turn, seconds

RATE = 1e-4
KINDS: tuple[SoftKind, ...] = ("full", "topk")


class BareLoop:
    """A student with its optimiser, and windows as tensors."""

    def __init__(self, size: Size, windows: list[list[TeacherRecord]]) -> None:
        self.half = size.half
        self.model = size.student()
        self.parameters = list(self.model.parameters())
        self.adam = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0, fused=True)
        self.windows = [_tensors(window) for window in windows]

    def step(self, window: int) -> float:
        """One optimiser step; the mean loss."""
        ids, soft_ids, logp = self.windows[window]
        logits = self.model(input_ids=ids, logits_to_keep=self.half, use_cache=False).logits
        logits = logits.flatten(0, 1)
        loss = _full(logits, logp) if soft_ids is None else _topk(logits, soft_ids, logp)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return float(loss.detach())


def _tensors(window: list[TeacherRecord]) -> tuple[Tensor, Tensor | None, Tensor]:
    """Ids (B, T - 1), and entries (N, k) of the distributions, None for all of them, with logs."""
    ids = np.stack([np.concatenate([r.prompt_ids, r.completion_ids])[:-1] for r in window])
    softs = [r.soft for r in window if r.soft is not None]
    kept = torch.from_numpy(np.concatenate([s.ids for s in softs])).long()
    logp = torch.from_numpy(np.concatenate([s.logp for s in softs]))
    return torch.from_numpy(ids).long(), kept if kept.shape[1] else None, logp


def _full(logits: Tensor, logp: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(-1), logp, log_target=True, reduction="batchmean")


def _topk(logits: Tensor, ids: Tensor, logp: Tensor) -> Tensor:
    """Over the k entries and a bucket with the rest."""
    inside = (logits.gather(-1, ids) - logits.logsumexp(-1, keepdim=True)).double()
    student = torch.cat([inside, torch.log1p(-inside.exp().sum(-1, keepdim=True))], -1)
    known = logp.double()
    teacher = torch.cat([known, torch.log1p(-known.exp().sum(-1, keepdim=True))], -1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean").float()


def our_student(size: Size) -> Student:
    """The same student under `Student`, forward KL, whole windows as micro-batches."""
    recipe = Recipe(
        learning_rate=RATE,
        warmup=0.0,
        schedule="constant",
        batch=size.batch,
        micro_batch=size.batch,
    )
    return Student(size.student(), recipe, make_objective("fkl"))


def sides(
    size: Size, kind: SoftKind, steps: int
) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Ours and the bare one: step on a window, its loss."""
    windows = [records(size, kind, seed) for seed in range(steps)]
    student, bare = our_student(size), BareLoop(size, windows)
    ready = [examples(window) for window in windows]
    return lambda n: student.train_window(ready[n], 0.5).loss, bare.step


def measure(size: Size, kind: SoftKind, steps: int, rounds: int) -> Pair:
    """Seconds of `steps` steps."""
    ours, bare = sides(size, kind, steps)
    return in_turn(
        lambda: seconds(lambda: [ours(n) for n in range(steps)]),
        lambda: seconds(lambda: [bare(n) for n in range(steps)]),
        rounds,
    )


def rows() -> list[Row]:
    """Both sizes, full and top-k distributions."""
    out = []
    for size, steps, rounds in ((NANO, 4, 25), (LARGE, 1, 11)):
        tokens = size.batch * (size.length - 1) * steps
        for kind in KINDS:
            pair = measure(size, kind, steps, rounds)
            targets = "full" if kind == "full" else f"top-{size.k}"
            out.append(
                Row(
                    f"training step, {size.name}, {targets} targets, beside a bare torch loop",
                    f"{tokens / pair.ours:.0f} tokens/s",
                    f"{pair.ratio:.2f} of its speed",
                    ">= 0.95",
                )
            )
    return out

"""`Student.train_window` compared with a bare torch loop: the same step on tensors prepared beforehand.

The loop has no framework: one forward pass, logits of the replies' positions, the loss written out, backward
pass, clipping, fused AdamW. Reading records, stacking them and moving their numbers to tensors is ours alone.
Losses are forward KL, and the clipped policy gradient of `mopd` on replies of the student.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from readsim_hf.models.loading import moved
from readsim_hf.objectives.table import make_objective
from readsim_hf.teachers.record import SoftKind, TeacherRecord
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from studies.speed_real.sizes import LARGE, NANO, Size, examples, records
from studies.speed_real.timing import Pair, Row, in_turn, seconds

RATE = 1e-4
CASES: tuple[tuple[SoftKind, str], ...] = (("full", "fkl"), ("topk", "fkl"), ("topk", "mopd"))


class BareLoop:
    """A student with its optimiser, and windows as tensors, on one device."""

    def __init__(
        self,
        size: Size,
        windows: list[list[TeacherRecord]],
        objective: str = "fkl",
        device: torch.device | None = None,
    ) -> None:
        self.half = size.half
        self.model = moved(size.student(), device or torch.device("cpu"))
        self.parameters = list(self.model.parameters())
        self.adam = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0, fused=True)
        own = self.model.device
        self.windows = [(_ids(window).to(own), _loss(window, objective, own)) for window in windows]

    def step(self, window: int) -> float:
        """One optimiser step; the mean loss."""
        ids, loss_of = self.windows[window]
        logits = self.model(input_ids=ids, logits_to_keep=self.half, use_cache=False).logits
        loss = loss_of(logits.flatten(0, 1))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return float(loss.detach())


def _ids(window: list[TeacherRecord]) -> Tensor:
    """(B, T - 1)."""
    ids = [np.concatenate([r.prompt_ids, r.completion_ids])[:-1] for r in window]
    return torch.from_numpy(np.stack(ids)).long()


def _loss(
    window: list[TeacherRecord], objective: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Of the logits (N, V) of all replies."""

    def tensor(parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts)).to(device)

    if objective == "mopd":
        tokens = tensor([r.completion_ids for r in window]).long()
        old = tensor([r.constants["old"] for r in window])
        said = tensor([r.constants["teacher"] for r in window])
        return lambda logits: _policy_gradient(logits, tokens, old, said)
    softs = [r.soft for r in window if r.soft is not None]
    kept, logp = tensor([s.ids for s in softs]).long(), tensor([s.logp for s in softs])
    if not kept.shape[1]:
        return lambda logits: _full(logits, logp)
    return lambda logits: _topk(logits, kept, logp)


def _full(logits: Tensor, logp: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(-1), logp, log_target=True, reduction="batchmean")


def _topk(logits: Tensor, ids: Tensor, logp: Tensor) -> Tensor:
    """Over the k entries and a bucket with the rest."""
    inside = (logits.gather(-1, ids) - logits.logsumexp(-1, keepdim=True)).double()
    student = torch.cat([inside, torch.log1p(-inside.exp().sum(-1, keepdim=True))], -1)
    known = logp.double()
    teacher = torch.cat([known, torch.log1p(-known.exp().sum(-1, keepdim=True))], -1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean").float()


def _policy_gradient(logits: Tensor, tokens: Tensor, old: Tensor, said: Tensor) -> Tensor:
    """PPO's on the log-ratio of teacher and student, the importance weight within .2 of 1."""
    now = -F.cross_entropy(logits, tokens, reduction="none")
    ratio, advantage = (now - old).exp(), (said - now).detach()
    return -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def our_student(size: Size, objective: str = "fkl") -> Student:
    """The same student under `Student`, whole windows as micro-batches."""
    recipe = Recipe(
        learning_rate=RATE,
        warmup=0.0,
        schedule="constant",
        batch=size.batch,
        micro_batch=size.batch,
    )
    return Student(size.student(), recipe, make_objective(objective))


def written(window: list[TeacherRecord], seed: int) -> list[TeacherRecord]:
    """The replies as the student's, with made-up log-probabilities of its own and of the teacher."""
    draws = np.random.default_rng(seed)
    out = []
    for one in window:
        numbers = -draws.exponential(3.0, (2, len(one.completion_ids))).astype(np.float32)
        beside = dict(zip(("old", "teacher"), numbers, strict=True))
        out.append(replace(one, own=True, constants=beside))
    return out


def sides(
    size: Size, kind: SoftKind, steps: int, objective: str = "fkl"
) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Ours and the bare one: step on a window, its loss."""
    windows = [records(size, kind, seed) for seed in range(steps)]
    if objective == "mopd":
        windows = [written(window, seed) for seed, window in enumerate(windows)]
    student, bare = our_student(size, objective), BareLoop(size, windows, objective)
    ready = [examples(window) for window in windows]
    return lambda n: student.train_window(ready[n], 0.5).loss, bare.step


def measure(size: Size, kind: SoftKind, steps: int, rounds: int, objective: str = "fkl") -> Pair:
    """Seconds of `steps` steps."""
    ours, bare = sides(size, kind, steps, objective)
    return in_turn(
        lambda: seconds(lambda: [ours(n) for n in range(steps)]),
        lambda: seconds(lambda: [bare(n) for n in range(steps)]),
        rounds,
    )


def rows() -> list[Row]:
    """Both sizes: forward KL to full and top-k distributions, and `mopd` with top-k ones."""
    out = []
    for size, steps, rounds in ((NANO, 4, 25), (LARGE, 1, 11)):
        tokens = size.batch * (size.length - 1) * steps
        for kind, objective in CASES:
            pair = measure(size, kind, steps, rounds, objective)
            targets = "full" if kind == "full" else f"top-{size.k}"
            out.append(
                Row(
                    f"training step of {objective}, {size.name}, {targets} targets, beside a bare torch loop",
                    f"{tokens / pair.ours:.0f} tokens/s",
                    f"{pair.ratio:.2f} of its speed",
                    ">= 0.95",
                )
            )
    return out

"""Replies of any length: tokens a second beside a bare torch loop that pads, and what the share ledger costs.

Reply lengths are drawn from a half to three halves of their mean, prompts have eight tokens, and sources
take turns. The bare loop trains on the same windows: one padded batch each, cross entropy of the replies,
backward, clipping, fused AdamW; stacking is outside its time. Ours reads records, groups them by length and
keeps the ledger.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from readsim_hf.models.tiny import tiny_model
from readsim_hf.objectives.table import make_objective
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.batch import Example, collate
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.source_weights import EVERY
from readsim_hf.training.student import Student
from studies.speed_real.timing import Pair, Row, in_turn, seconds

LENGTHS = (8, 128, 1024)
WINDOW = 8192  # supervised tokens of a window, about
PROMPT, VOCABULARY, WIDTH, LAYERS = 8, 512, 64, 2
SOURCES = ("math", "code", "general", "tools")
RATE = 1e-4


def window(mean: int, seed: int, tokens: int = WINDOW) -> list[Example]:
    """Replies of about `tokens` tokens in all; at least four."""
    rng = np.random.default_rng((mean, seed))
    made: list[Example] = []
    for n in range(max(4, tokens // mean)):
        length = int(rng.integers(-(-mean // 2), mean + mean // 2 + 1))
        ids = rng.integers(2, VOCABULARY, PROMPT + length).astype(np.int32)
        source = SOURCES[n % len(SOURCES)]
        record = TeacherRecord(source, ids[:PROMPT], ids[PROMPT:], (0, length), None)
        made.append(Example(record, length))
    return made


def model() -> nn.Module:
    """A random Llama, the same at each call."""
    made: nn.Module = tiny_model(
        "llama", VOCABULARY, LAYERS, WIDTH, 0, context=2 * LENGTHS[-1], eos_token_id=1
    )
    return made


def our_student(batch: int) -> Student:
    """Under `Student`, cross entropy, micro-batches as by default."""
    recipe = Recipe(learning_rate=RATE, warmup=0.0, schedule="constant", batch=batch)
    return Student(model(), recipe, make_objective("sft"))


class PaddedLoop:
    """The bare loop; a window is one padded batch, made before."""

    def __init__(self, windows: list[list[Example]]) -> None:
        self.model = model()
        self.parameters = list(self.model.parameters())
        self.adam = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0, fused=True)
        self.windows = [self._tensors(one) for one in windows]

    @staticmethod
    def _tensors(some: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids and mask (B, T), and labels (B, T), -100 where nothing is supervised; padded on the right."""
        rows = [np.concatenate([e.record.prompt_ids, e.record.completion_ids]) for e in some]
        width = max(map(len, rows))
        ids, mask = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(2))
        labels = np.full((len(rows), width), -100)
        for n, row in enumerate(rows):
            ids[n, : len(row)], mask[n, : len(row)] = row, 1
            labels[n, PROMPT : len(row)] = row[PROMPT:]
        return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(labels)

    def step(self, number: int) -> float:
        """One optimiser step; the mean loss."""
        ids, mask, labels = self.windows[number]
        logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return float(loss.detach())


def sides(
    windows: list[list[Example]],
) -> tuple[Callable[[int], float], Callable[[int], float], Student]:
    """Ours and the bare one: a step on a window, its loss; and our student."""
    student, bare = our_student(len(windows[0])), PaddedLoop(windows)
    return lambda n: student.train_window(windows[n], 0.5).loss, bare.step, student


def measure(mean: int, rounds: int, tokens: int = WINDOW) -> tuple[Pair, float]:
    """Seconds of a step on one side and the other, and the ledger's share of a step of ours.

    The ledger's: the look at gradients and KL on every EVERY-th step, and adding up losses by source.
    """
    windows = [window(mean, seed, tokens) for seed in range(2)]
    ours, bare, student = sides(windows)
    pair = in_turn(lambda: seconds(lambda: ours(0)), lambda: seconds(lambda: bare(0)), rounds)
    looks = [seconds(lambda: student.source_signals(windows[0])) for _ in range(rounds)]
    adding = [_adding(windows[0]) for _ in range(rounds)]
    return pair, (float(np.median(looks)) / EVERY + float(np.median(adding))) / pair.ours


def _adding(some: list[Example]) -> float:
    """Seconds of what each step of the ledger does besides: losses of all positions to sums by source."""
    from readsim_hf.training.source_losses import SourceLosses, sources_in

    batch = collate(some)
    losses = torch.ones(len(batch.rows))
    sums = SourceLosses(sources_in(some), losses.device)

    def once() -> None:
        sums.add(some, batch, torch.cat([losses]))
        sums.table()

    return seconds(once)


def rows() -> list[Row]:
    """One line a length."""
    out = []
    for mean in LENGTHS:
        pair, ledger = measure(mean, 7)
        tokens = sum(e.tokens for e in window(mean, 0))
        out.append(
            Row(
                f"training step, replies of {mean} tokens, beside a bare loop that pads each window",
                f"{tokens / pair.ours:.0f} tokens/s",
                f"{pair.ratio:.2f} of its speed",
                ">= 0.95",
            )
        )
        out.append(
            Row(
                f"the share ledger, replies of {mean} tokens",
                f"{100 * ledger:.2f} % of a step",
                "",
                "<= 2 %",
            )
        )
    return out

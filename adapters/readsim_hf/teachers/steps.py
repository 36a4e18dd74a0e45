"""Decode steps of a batch: which rows are open, and what each of them says next."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria

from readsim_hf.objectives.sparse import draw
from readsim_hf.teachers.inference import require_finite


class Steps:
    """A few decode steps of a batch: which rows are open, and what each of them says next.

    generators   of each row: one uniform number a token
    left         tokens that each row may still say
    enough       rows that have ended when they are over
    hear         is called with the open rows, their logits and what each of them says
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        left: NDArray[np.intp],
        temperature: float,
        ends: Sequence[int],
        vocab: int,
        enough: int,
        hear: Callable[[NDArray[np.intp], Tensor, Tensor], None] | None = None,
    ) -> None:
        self._generators, self._temperature, self._hear = generators, temperature, hear
        self._ends, self._vocab, self._enough = list(ends), vocab, enough
        self.left, self.finite = left, require_finite
        self.open = np.ones(len(left), dtype=bool)

    def choose(self, scores: Tensor) -> Tensor:
        """Scores (B, V) of which the largest is what a row says: of an open row the likeliest of the first
        `vocab` ids, or with a temperature a draw from softmax(logits / temperature) by the inverse
        distribution function, where the logits are; of one that has ended an end token."""
        rows = np.flatnonzero(self.open)
        there = torch.from_numpy(rows).to(scores.device)
        chosen = scores[there, : self._vocab].float()
        self.finite(chosen)
        if self._temperature > 0:
            numbers = [self._generators[row].random() for row in rows.tolist()]
            uniform = torch.tensor(numbers, dtype=torch.float64).to(scores.device)
            at = draw((chosen.double() / self._temperature).log_softmax(-1), uniform[:, None])[:, 0]
        else:
            at = chosen.argmax(-1)
        if self._hear is not None:
            self._hear(rows, chosen, at)
        out = torch.full_like(scores, -torch.inf, dtype=torch.float32)
        out[:, self._ends[0]] = 0.0
        out[there, self._ends[0]] = -torch.inf
        out[there, at] = 0.0
        return out

    def heard(self, last: Tensor) -> NDArray[np.bool_]:
        """Which rows go no further, after `last` (B,) was said; all where enough have ended."""
        self.left = self.left - self.open
        ended = (last.cpu().numpy()[:, None] == self._ends).any(1)
        self.open &= ~ended & (self.left > 0)
        over = int((~self.open).sum()) >= self._enough
        return np.ones_like(self.open) if over else ~self.open


class Choose(LogitsProcessor):
    """`Steps.choose` as transformers calls it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return self._steps.choose(scores)


class Stop(StoppingCriteria):
    """`Steps.heard` as transformers calls it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __call__(self, input_ids: Tensor, scores: Tensor, **rest: Any) -> Tensor:
        return torch.from_numpy(self._steps.heard(input_ids[:, -1])).to(input_ids.device)

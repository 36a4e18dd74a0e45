"""Losses on chosen tokens: where the student is unsure (SE-KD, arXiv 2602.01395), or far from its teacher.

    loss_n = w_n f_n      (N,), w_n >= 0 without a gradient, chosen within each reply of L positions

score s_n     entropy: H(q_n), the student's own; gap: KL(p_n || q_n), high where the teacher is sure of what
              the student is not (in LLKD's spirit, arXiv 2411.08028)
top           the m = ceil(share L) positions of the highest scores, w = L / m: the mean over the chosen ones,
              counted for all. It is another objective, not an estimate of f's mean over all tokens
drawn         m positions drawn with probabilities pi_n = min(1, c (.9 s_n / sum s + .1 / L)), sum pi = m, and
              w = 1 / pi: unbiased for the sum of f over all positions, whatever the scores (Horvitz-Thompson)

Draws are systematic (one uniform number a reply, made of its tokens), so that a resumed run and another
micro-batch draw the same; a reply that comes again has the same number, and its positions differ only as
its scores do: unbiased is the sum over different replies. All supervised tokens count against the budget,
chosen or not. A term says so by `fkl(tokens=entropy, share=.2)`, and `drawn=1` for draws.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim_hf.objectives.base import Objective, Targets
from readsim_hf.objectives.baselines import ForwardKL
from readsim_hf.objectives.divergences import log_probs

Score = Literal["entropy", "gap"]


@dataclass(frozen=True)
class Selected:
    """An objective on a share of the tokens of each reply, 0 < share <= 1."""

    objective: Objective
    score: Score
    share: float = 0.2
    drawn: bool = False
    whole_replies = True  # all positions of a reply are needed at once

    def __post_init__(self) -> None:
        if self.score not in get_args(Score):
            raise unknown("choice of tokens", str(self.score), get_args(Score))
        if isinstance(self.share, str) or not 0 < self.share <= 1:
            raise ConfigError(f"share is {self.share!r}: it must be a number above 0, at most 1")
        if self.drawn not in (0, 1):
            raise ConfigError(f"drawn is {self.drawn!r}: it must be 1 (draws) or 0 (the highest)")

    @property
    def needs_soft(self) -> bool:
        return self.score == "gap" or self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        losses = self.objective(logits, targets)
        with torch.no_grad():
            scores = self._scores(logits, targets).clamp_min(0).double().cpu().numpy()
        tokens = targets.tokens.cpu().numpy()
        rows = np.zeros(len(tokens)) if targets.rows is None else targets.rows.cpu().numpy()
        weights = np.zeros(len(tokens))
        for row in np.unique(rows):
            own = rows == row
            weights[own] = self._weights(scores[own], tokens[own])
        return losses * torch.from_numpy(weights).to(losses)

    def _scores(self, logits: Tensor, targets: Targets) -> Tensor:
        if self.score == "gap":
            return ForwardKL()(logits, targets)
        logq = log_probs(logits)
        return -(logq.exp() * logq).sum(-1)

    def _weights(self, scores: Array, tokens: NDArray[np.int64]) -> Array:
        """w of one reply's positions (L,)."""
        if self.drawn:
            return drawn_weights(scores, math.ceil(self.share * len(scores)), uniform_of(tokens))
        return top_weights(scores, math.ceil(self.share * len(scores)))


def top_weights(scores: Array, m: int) -> Array:
    """L / m at the m highest of the scores (L,), the earlier one of equals; 0 elsewhere."""
    out = np.zeros(len(scores))
    out[np.argsort(-scores, kind="stable")[:m]] = len(scores) / m
    return out


def inclusion(scores: Array, m: int) -> Array:
    """pi (L,) with sum m, each at most 1 and at least m / (10 L)."""
    n, total = len(scores), scores.sum()
    size = 0.9 * scores / total + 0.1 / n if total > 0 else np.full(n, 1 / n)
    sure = np.zeros(n, dtype=bool)
    while True:
        left = m - sure.sum()
        pi = np.where(sure, 1.0, size * left / max(size[~sure].sum(), 1e-300))
        if not (over := (pi > 1) & ~sure).any():
            return pi
        sure |= over


def drawn_weights(scores: Array, m: int, uniform: float) -> Array:
    """1 / pi at m positions drawn by systematic sampling with a uniform number in [0, 1); 0 elsewhere."""
    pi = inclusion(scores, m)
    reached = np.floor(np.append(0.0, pi.cumsum()) + uniform)
    return np.where(np.diff(reached) > 0, 1 / pi, 0.0)


def uniform_of(tokens: NDArray[np.int64]) -> float:
    """A number in [0, 1) made of a reply's tokens."""
    made = hashlib.blake2b(np.asarray(tokens, dtype=np.int64).tobytes(), digest_size=6).digest()
    return int.from_bytes(made) / 2**48

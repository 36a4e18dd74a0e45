"""Olmix: a log-linear law, a relative-entropy anchor and repetition caps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Setup
from readsim.allocators.configured import number
from readsim.allocators.lawfit.exponential import best_mixture, fit_law
from readsim.allocators.lawfit.trials import LawFit, caps_of
from readsim.arrays import Array


@dataclass(frozen=True)
class LogLinear(LawFit):
    """min_w sum_j r_j exp(k_j + t_j w) + kl KL(w || prior), w <= repetition pool / budget (Olmix-like).

    Olmix, arXiv 2602.12237; pinned: `LogLinearExactProposer` of the authors' code (commit 9586977).
    The law is fitted by Huber's loss; its offsets do not move the optimum. Their tasks weigh alike,
    here they weigh r.

    trials, trial_share   short trainings on drawn mixtures, undone, counted as search
    kl                    strength of the anchor in units of the loss: theirs is in bits per byte, so
                          that on error rates, which move less, the same number holds tighter
    repetition            most times that the distinct tokens of a source are used
    delta                 Huber's, in units of the loss
    anchor_floor          share of uniform in the anchor, which must not be 0 anywhere

    Differs: 32 trials, theirs grow with the number of domains; scipy's SLSQP instead of a cone
    solver (the problem is convex, and a test compares the two). Raises ConfigError where the pools
    do not last for the budget.
    """

    kl: float = number(0.05, "code: kl_reg", low=0.0)
    repetition: float = number(4.0, "code: repetition_factor", above=0.0)
    delta: float = number(0.02, "code", above=0.0)
    anchor_floor: float = number(0.05, "ours", above=0.0, high=1.0)

    def fit(self, setup: Setup, mixtures: Array, rows: Array) -> tuple[Array, dict[str, Any]]:
        law = fit_law(mixtures, rows, self.delta)
        s, r = len(setup.sources), setup.requirement
        prior = (1.0 - self.anchor_floor) * setup.prior + self.anchor_floor / s
        caps = caps_of(setup, self.repetition)
        w = best_mixture(law, r, prior, self.kl, caps)
        predicted = float(law.losses(w[None])[0] @ r)
        return w, {"predicted": predicted, "fit_error": error_of(law.losses(mixtures), rows, r)}


def error_of(fitted: Array, rows: Array, requirement: Array) -> float:
    """Root mean square of what the law leaves of the objective over the trials."""
    return float(np.sqrt(np.mean(((fitted - rows) @ requirement) ** 2)))

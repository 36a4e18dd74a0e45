"""Data Mixing Laws: an exponential law of the mixture for each loss, and its minimum."""

from dataclasses import dataclass
from typing import Any

from readsim.allocators.base import Setup
from readsim.allocators.configured import number
from readsim.allocators.lawfit.exponential import best_mixture, fit_law
from readsim.allocators.lawfit.log_linear import error_of
from readsim.allocators.lawfit.trials import LawFit, caps_of
from readsim.arrays import Array


@dataclass(frozen=True)
class MixingLaws(LawFit):
    """min_w sum_j r_j L_j(w), L_j = c_j + k_j exp(sum_i t_ji w_i) (Data Mixing Laws, arXiv 2403.16952).

    Eq. (4) with k_j > 0; several starts, Huber's loss, as the authors' code fits it. The trials stand
    for their small runs.

    trials, trial_share   short trainings on drawn mixtures, undone, counted as search
    delta                 Huber's, in units of the loss

    Differs: no nested laws of steps and sizes, so a trial's optimum is taken for the run's; the
    minimum is found by a convex solve where theirs searches a grid; nothing holds it near a prior.
    """

    delta: float = number(0.02, "code", above=0.0)

    def fit(self, setup: Setup, mixtures: Array, rows: Array) -> tuple[Array, dict[str, Any]]:
        law = fit_law(mixtures, rows, self.delta)
        r = setup.requirement
        w = best_mixture(law, r, setup.prior, 0.0, caps_of(setup, float("inf")))
        predicted = float(law.losses(w[None])[0] @ r)
        return w, {"predicted": predicted, "fit_error": error_of(law.losses(mixtures), rows, r)}

"""Log-linear laws of the mixture, and the mixture that they say is best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Setup
from readsim.allocators.configured import number, whole
from readsim.allocators.lawfit.core import FromTrials, blended
from readsim.allocators.lawfit.fitting import fit_law
from readsim.arrays import Array

OFFSETS = np.array([0.01, 0.1, 0.3, 1.0, 3.0, 10.0])  # starts: e below the least loss, in ranges
TINY = 1e-290
SMALLEST = 1e-12  # share that counts as none


def fit_mixtures(mixtures: Array, losses: Array, delta: float) -> tuple[Array, Array]:
    """L_j = e_j + exp(t_j . w) from mixtures (N, S) and losses (N, V): e (V,) and t (V, S).

    Least Huber loss. For each of several e_j below all losses of j, the start is the linear
    regression of log(L_j - e_j) on w; e_j stays within 100 ranges of the losses below the least.
    """
    targets = losses.T
    least, spread = targets.min(axis=1), np.ptp(targets, axis=1)
    spread = np.maximum(spread, 1e-9)
    offsets = least[:, None] - OFFSETS * spread[:, None]  # (V, G)
    logs = np.log(targets[:, None, :] - offsets[..., None])  # (V, G, N)
    slopes = logs @ np.linalg.pinv(mixtures).T
    starts = np.concatenate([offsets[..., None], slopes], axis=-1)
    low = np.full(starts.shape, -np.inf)
    low[..., 0] = (least - 100.0 * spread)[:, None]
    params, _ = fit_law(mixtures, targets, starts, delta=delta, low=low)
    return params[:, 0], params[:, 1:]


def best_mixture(weights: Array, slopes: Array, anchor: Array, kl: float, caps: Array) -> Array:
    """argmin_x sum_j r_j exp(t_j . x) + kl KL(x || anchor) on the simplex, 0 <= x <= caps: (S,).

    Weights r (V,) >= 0, slopes t (V, S), anchor (S,), caps (S,). Where the caps sum to at most 1 the
    answer is in proportion to them (uniform if all are 0).

    The problem is convex: sequential quadratic programming with exact slopes, on the logarithm of
    the objective, since a law fitted to noise may be steep beyond all bounds.
    """
    from scipy.optimize import LinearConstraint, minimize

    room = np.minimum(caps, 1.0)
    total, s = float(room.sum()), len(room)
    if caps.sum() <= 1.0 or s == 1:
        return room / total if total > 0.0 else np.full(s, 1.0 / s)
    log_anchor = np.log(np.maximum(anchor, SMALLEST))
    used = weights > 0.0
    weights, slopes = weights[used], slopes[used]
    steepest = float(slopes.max(initial=0.0))  # so that no exponent overflows
    kl *= float(np.exp(-steepest))

    def objective(x: Array) -> tuple[float, Array]:
        terms = weights * np.exp(slopes @ x - steepest)
        logs = np.log(np.maximum(x, SMALLEST)) - log_anchor
        # KL + 1 is above 0 for any x and does not move the optimum
        value = float(terms.sum() + kl * (x @ logs + 1.0)) + TINY
        slope = slopes.T @ terms + kl * (logs + 1.0)
        return float(np.log(value)), slope / value

    found = minimize(
        objective,
        room / total,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, float(cap)) for cap in room],
        constraints=LinearConstraint(np.ones((1, s)), 1.0, 1.0),
        options={"maxiter": 500, "ftol": 1e-13},
    )
    inside = np.clip(np.asarray(found.x), 0.0, room)
    out: Array = inside / inside.sum()
    return out


@dataclass(frozen=True)
class LogLinear(FromTrials):
    """min_x sum_j r_j exp(t_j . x) + kl KL(x || p), x <= repetition pools / budget (Olmix-like).

    The laws L_j = exp(c_j) + exp(t_j . w) of losses on trial mixtures w are fitted by Huber loss;
    c_j does not move the optimum, and is any number here, since trials measure changes. Olmix, arXiv
    2602.12237: `LogLinearExactProposer` of the authors' code (commit 9586977).

    delta        where Huber's loss turns linear, in units of loss
    kl           price of moving away from p, in units of loss
    repetition   most times that the distinct tokens of a finite pool may be trained on; where even
                 that is less than the budget, shares are in proportion to the pools
    task_share   p = task_share prior + (1 - task_share) / S: their p is the natural shares

    Differs: weights r_j are the task's; their swarm has 3 to 5 trials for each source, of full proxy
    runs, ours 32 of a tenth of the budget each from the same student; their starts are random.
    Where profiles are scores a unit of loss is the whole scale, and the published kl, chosen for
    bits per byte, holds the mixture near p whatever the law says.
    """

    delta: float = number(0.02, "code: fit/utils.py", above=0.0)
    kl: float = number(0.05, "code: the proposer; its command line: .1", low=0.0)
    repetition: float = number(4.0, "code", above=0.0)

    def propose(
        self, setup: Setup, mixtures: Array, losses: Array, rng: np.random.Generator
    ) -> tuple[Array, Mapping[str, Any]]:
        _, slopes = fit_mixtures(mixtures, losses, self.delta)
        caps = self.repetition * setup.pools / setup.budget
        p = blended(setup, self.task_share)
        return best_mixture(setup.requirement, slopes, p, self.kl, caps), {}


@dataclass(frozen=True)
class MixingLaws(FromTrials):
    """argmin_w sum_j r_j L_j(w), L_j = c_j + k_j exp(t_j . w) (data mixing laws, arXiv 2403.16952).

    Shares sum to 1, so that k_j is a constant added to all of t_j: this is the law of `log-linear`,
    without its anchor and its caps. k_j > 0, as in the authors' code, so that the law is convex in w
    and has one least value.

    delta   where Huber's loss turns linear, in units of loss

    Pinned: `law.py` and `pipeline/utils.py` of the authors' code (commit 8ad3e12). Differs: the
    nested laws of steps and of model size are left out, as trials are of the same student; validation
    domains are the capabilities, not mixtures found by boosting; their proposals halve shares on a
    grid, ours are the Dirichlet draws of the others; the optimum is found by descent, not on a grid.
    """

    trials: int = whole(32, "ours; paper: 20 proposals of 40", low=1)
    delta: float = number(0.01, "code: law.py", above=0.0)

    def propose(
        self, setup: Setup, mixtures: Array, losses: Array, rng: np.random.Generator
    ) -> tuple[Array, Mapping[str, Any]]:
        _, slopes = fit_mixtures(mixtures, losses, self.delta)
        nothing = np.full(len(setup.sources), np.inf)
        p = blended(setup, self.task_share)
        return best_mixture(setup.requirement, slopes, p, 0.0, nothing), {}

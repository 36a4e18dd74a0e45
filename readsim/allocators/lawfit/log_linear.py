"""Log-linear laws of the mixture, and the mixture that they say is best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Setup
from readsim.allocators.configured import number
from readsim.allocators.lawfit.convex import best_mixture
from readsim.allocators.lawfit.core import FromTrials, blended
from readsim.allocators.lawfit.exp_law import fit_exp_law
from readsim.arrays import Array

STEEPEST = 50.0  # of t
OFFSETS = np.array([0.01, 0.1, 0.3, 1.0, 3.0, 10.0])  # starts: e below the least loss, in ranges


def fit_mixtures(mixtures: Array, losses: Array, delta: float) -> tuple[Array, Array]:
    """L_j = e_j + exp(t_j . w) from mixtures (N, S) and losses (N, V): e (V,) and t (V, S).

    Least Huber loss. For each of several e_j below all losses of j, the start is the linear
    regression of log(L_j - e_j) on w. e_j stays within 100 ranges of the losses below the least, and
    t_j within 50 of 0, so that noise finds no law that is a cliff.
    """
    targets = losses.T
    least, spread = targets.min(axis=1), np.ptp(targets, axis=1)
    spread = np.maximum(spread, 1e-9)
    offsets = least[:, None] - OFFSETS * spread[:, None]  # (V, G)
    logs = np.log(targets[:, None, :] - offsets[..., None])  # (V, G, N)
    slopes = logs @ np.linalg.pinv(mixtures).T
    starts = np.concatenate([offsets[..., None], slopes], axis=-1)
    low, high = np.full(starts.shape, -STEEPEST), np.full(starts.shape, STEEPEST)
    low[..., 0], high[..., 0] = (least - 100.0 * spread)[:, None], np.inf
    params, _ = fit_exp_law(mixtures, targets, starts, delta=delta, low=low, high=high)
    return params[:, 0], params[:, 1:]


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

    Differences: weights r_j are the task's; trials are of the student itself, a tenth of the budget each,
    theirs runs of a small proxy; starts of the fit are regressions, theirs random. Where profiles
    are scores a unit of loss is the whole scale: the published kl, chosen for bits per byte, then
    holds the mixture near p unless effects are large.
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

    Pinned to `law.py` and `pipeline/utils.py` of the authors' code (commit 8ad3e12). Differences: the
    nested laws of steps and of model size are left out, as trials are of the same student; validation
    domains are the capabilities, where the code finds implicit ones by boosting small networks on the
    sum; their trials and candidates are grids of halved shares, ours Dirichlet draws and the optimum.
    """

    delta: float = number(0.01, "code: law.py", above=0.0)

    def propose(
        self, setup: Setup, mixtures: Array, losses: Array, rng: np.random.Generator
    ) -> tuple[Array, Mapping[str, Any]]:
        _, slopes = fit_mixtures(mixtures, losses, self.delta)
        nothing = np.full(len(setup.sources), np.inf)
        p = blended(setup, self.task_share)
        return best_mixture(setup.requirement, slopes, p, 0.0, nothing), {}

"""Online Data Mixing in the three versions that exist: an Exp3 whose reward is the loss."""

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number, whole
from readsim.allocators.exponentiated.core import bounded_exp, softmax
from readsim.allocators.losses import losses, of_sources, required
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array


@dataclass(frozen=True)
class ODMPaper(Reweighted):
    """R_i += L_i / (10 pi_i); pi = (1 - S eps_t) softmax(eps_{t-1} R) + eps_t (ODM, arXiv 2312.02406).

    Pinned to `Exp3WeightUpdater` of the authors' code (commit edbfdad), the paper's Exp3. eps_t =
    min(1/S, sqrt(ln S / (S t))), eps_0 = 1/S: shares are uniform until t > S ln S, which is 17 of 20
    decisions with S = 8 and 4 with S = 3.

    reward_scale   factor on the losses; theirs divides by 10

    All versions: where theirs samples one domain a batch, a decision has many batches, so the
    probabilities are played as shares, and every domain is seen at every decision (t counts
    decisions); dividing by pi then favours rare domains instead of removing a bias. L is the probed
    loss of the capability of the source's name, weighted by the task (`required`). First shares
    uniform.
    """

    reward_scale: float = number(0.1, "code", above=0.0)

    def update(self, state: State, transition: Transition) -> State:
        context = transition.context
        rewards = self.reward_scale * source_losses(context.setup, transition.profile)
        estimate = state["score"] + rewards / state["weights"]
        s, t = len(estimate), context.step + 1
        shares = softmax(exploration(s, t - 1) * estimate)
        return {"weights": explored(shares, exploration(s, t)), "score": estimate}


@dataclass(frozen=True)
class ODMSmoothed(Reweighted):
    """R_i <- .9 R_i + .1 exp(L_i); pi = (1 - S eps_t) R / sum R + eps_t (ODM, arXiv 2312.02406).

    Pinned to `SmoothedMeanWeightUpdater.group_update` of the authors' code (commit edbfdad), which
    their README says the paper's runs used: a moving mean, no importance weights, linear in R, so
    that eps_{t-1} cancels. eps_t and the rest as in odm-paper.

    smoothing      share of the older mean
    reward_scale   factor on the losses before exp
    """

    smoothing: float = number(0.9, "code: smoothing_factor", low=0.0, high=1.0)
    reward_scale: float = number(1.0, "code", above=0.0)

    def update(self, state: State, transition: Transition) -> State:
        context = transition.context
        loss = self.reward_scale * source_losses(context.setup, transition.profile)
        reward = bounded_exp(loss)
        estimate = self.smoothing * state["score"] + (1.0 - self.smoothing) * reward
        total = float(estimate.sum())  # 0 only with smoothing = 1, which never moves
        shares = estimate / total if total > 0.0 else state["weights"]
        weights = explored(shares, exploration(len(shares), context.step + 1))
        return {"weights": weights, "score": estimate}


@dataclass(frozen=True)
class ODMDataFlex(Reweighted):
    """R_i <- .9 R_i + .1 15 L_i / pi_i; pi = (1 - S eps_t) softmax_5(eps_{t-1} R) + eps_t (DataFlex).

    Pinned to `ODMMixer` of DataFlex (arXiv 2603.26164, commit 3c13e37), an implementation of ODM
    (arXiv 2312.02406): a moving mean of importance-weighted losses, eps_t >= .03, R clipped at
    10,000, and softmax_5 lets no exponent lie more than 5 below the largest. The rest as in odm-paper.

    alpha             share of the older mean
    reward_scale      factor on the losses
    min_exploration   least eps_t
    warmup            decisions with the first shares; theirs is 2,000 steps of training
    """

    alpha: float = number(0.9, "code", low=0.0, high=1.0)
    reward_scale: float = number(15.0, "code", above=0.0)
    min_exploration: float = number(0.03, "code: min_exploration_rate", low=0.0, high=1.0)
    warmup: int = whole(
        0, "ours: a run has about 20 decisions; code: 2,000 steps", low=0, high=10_000
    )

    def update(self, state: State, transition: Transition) -> State:
        context = transition.context
        t = context.step + 1 - self.warmup
        if t < 1:
            return state
        rewards = self.reward_scale * source_losses(context.setup, transition.profile)
        estimate = self.alpha * state["score"] + (1.0 - self.alpha) * rewards / state["weights"]
        estimate = np.clip(estimate, -1e4, 1e4)
        s, least = len(estimate), self.min_exploration
        exponent = exploration(s, t - 1, least) * estimate
        shares = softmax(np.maximum(exponent - exponent.max(), -5.0))
        return {"weights": explored(shares, exploration(s, t, least)), "score": estimate}


def source_losses(setup: Setup, profile: Array) -> Array:
    """(S,) losses weighted by the task."""
    return of_sources(setup, required(setup, losses(setup, profile)))


def exploration(sources: int, t: int, least: float = 0.0) -> float:
    """eps_t = max(least, min(1/S, sqrt(ln S / (S t)))); eps_0 = 1/S."""
    if t < 1:
        return 1.0 / sources
    return max(least, min(1.0 / sources, sqrt(log(sources) / (sources * t))))


def explored(shares: Array, eps: float) -> Array:
    """(1 - S eps) pi + eps, (S,), scaled to a sum of 1; uniform where S eps >= 1."""
    mixed = max(0.0, 1.0 - len(shares) * eps) * shares + eps
    out: Array = mixed / mixed.sum()
    return out

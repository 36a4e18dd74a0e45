"""DynamixSFT: a Boltzmann bandit anchored to the prior, rewarded by a look one step ahead."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number
from readsim.allocators.exponentiated.core import exponentiated, smoothed
from readsim.allocators.losses import losses, of_sources
from readsim.allocators.reweighted import Reweighted, is_last
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError


@dataclass(frozen=True)
class Boltzmann(Reweighted):
    """p = (1-gamma) softmax(log prior + beta Q) + gamma/S; Q <- alpha Q + (1-alpha) r (DynamixSFT-like).

    DynamixSFT, arXiv 2508.12116v2, Eqs. (2)-(5); no code was found. r_i is the relative drop of
    source i's own loss after one more step on source i, put on [0, 1] over the sources by minimum
    and maximum.

    gamma   exploration, the share of uniform weights
    beta    sharpness
    alpha   share of the older Q

    "Like": the step ahead is `alignment()` (first order; the size of the step cancels; in the
    simulator it has no noise), where theirs trains one step and undoes it; one update a decision,
    where theirs comes every 50 steps: with alpha .95, Q goes .62 of its way in the 19 updates of a
    run of 20 decisions. Probabilities are played as shares. The prior is the task read as shares,
    where theirs is the sizes of the data sets: it is how the task counts here, so losses are not
    weighted by it again. A source without a capability of its name has the mean drop and loss of
    all. SEC (arXiv 2505.14970) updates Q so too, without a prior.
    """

    needs = frozenset({"alignment"})

    gamma: float = number(0.3, "paper, App. A", low=0.0, high=1.0)
    beta: float = number(4.0, "paper, App. A: 1B parameters; 5 for 8B", low=0.0)
    alpha: float = number(0.95, "paper, App. A", low=0.0, high=1.0)

    def init(self, setup: Setup) -> State:
        return super().init(setup) | {"weights": smoothed(setup.prior, self.gamma)}

    def update(self, state: State, transition: Transition) -> State:
        setup = transition.context.setup
        if is_last(transition):
            return state
        reward = look_ahead(setup, transition.profile)
        value = self.alpha * state["score"] + (1.0 - self.alpha) * reward
        weights = smoothed(exponentiated(setup.prior, self.beta * value), self.gamma)
        return {"weights": weights, "score": value}


def look_ahead(setup: Setup, profile: Array) -> Array:
    """(S,): relative drop of each source's own loss by a step on it, from 0 (least) to 1 (most).

    Zeros where all drop alike. Raises CapabilityMissingError without alignment.
    """
    if setup.alignment is None:
        raise CapabilityMissingError(
            "the look ahead needs a backend that offers gradient alignment"
        )
    drops = [of_sources(setup, row)[i] for i, row in enumerate(setup.alignment())]
    loss = of_sources(setup, losses(setup, profile))
    relative = np.array(drops) / np.maximum(loss, 1e-8)
    span = float(np.ptp(relative))
    scaled: Array = (relative - relative.min()) / span if span > 0.0 else np.zeros(len(relative))
    return scaled

"""Shares that follow what the dev split says has improved."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number
from readsim.allocators.losses import of_sources, required
from readsim.allocators.reweighted import Reweighted


@dataclass(frozen=True)
class ValidationGuided(Reweighted):
    """w = (1 - follow) prior + follow gain / sum gain, gain = r [dev change]_+ between checkpoints.

    From Performance-Guided Knowledge Distillation (PGKD, arXiv 2411.05045), where the teacher is
    shown the student's validation metrics before it makes the next data, and stops at no
    improvement. Here the metrics are the dev profiles of the coarse checkpoints (a tenth of the run
    apart), the answer to them is ours, since theirs is a language model's, and nothing is stopped:
    a capability that does not improve falls back to its part of the prior. It lacks the hard
    negatives, which are items. Without any gain the weights stay; the first ones are the prior.

    follow   share that follows the gains
    """

    follow: float = number(0.5, "ours", low=0.0, high=1.0)

    def init(self, setup: Setup) -> State:
        return super().init(setup) | {"weights": setup.prior, "dev": np.zeros(0)}

    def update(self, state: State, transition: Transition) -> State:
        setup, dev = transition.context.setup, transition.dev_profile
        if dev is None:
            return state
        if not len(state["dev"]):
            return {**state, "dev": dev}
        gain = of_sources(setup, required(setup, np.maximum(dev - state["dev"], 0.0)))
        total = float(gain.sum())
        weights = state["weights"]
        if total > 0.0:
            weights = (1.0 - self.follow) * setup.prior + self.follow * gain / total
        return {"weights": weights, "score": gain, "dev": dev}

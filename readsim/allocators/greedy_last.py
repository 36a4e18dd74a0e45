"""Greedy one-step, model-free reading (R76): follow what the last step improved most."""

from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Transition
from readsim.arrays import Array


class GreedyLast(Allocator):
    """One-hot on argmax_i r_i Dp_i of the last step; the first step trains on the prior.

    Needs sources that are named like capabilities; a required capability without a source of its
    name cannot be chosen, and where none has one the prior is kept.
    """

    def init(self, setup: Any) -> Any:
        return {"allocation": setup.prior}

    def select(self, state: Any, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation

    def update(self, state: Any, transition: Transition) -> Any:
        setup = transition.context.setup
        gain = setup.requirement * transition.change
        own = [j for j, name in enumerate(setup.capabilities) if name in setup.sources]
        if not own:
            return state
        best = max(own, key=lambda j: (gain[j], -j))
        chosen = setup.sources.index(setup.capabilities[best])
        return {"allocation": np.eye(len(setup.sources))[chosen]}

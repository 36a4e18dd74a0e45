"""What allocators share whose state is the token shares of the next interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured
from readsim.arrays import Array


@dataclass(frozen=True)
class Reweighted(Configured):
    """Plays `weights` (S,), uniform at first; `score` (S,) is what moved them last (in the log)."""

    def init(self, setup: Setup) -> State:
        s = len(setup.sources)
        return {"weights": np.full(s, 1.0 / s), "score": np.zeros(s)}

    def select(self, state: State, context: Context) -> Array:
        weights: Array = state["weights"]
        return weights

    def report(self, state: State) -> Mapping[str, Any]:
        return {"score": state["score"]}


def is_last(transition: Transition) -> bool:
    """Whether the run is over, so that measuring for a next decision would be wasted."""
    context, setup = transition.context, transition.context.setup
    spent = context.budget_left * setup.budget - transition.tokens < 0.5
    return spent or context.step + 1 >= setup.steps

"""The static allocations that are run for real, by name, all at one budget."""

from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.errors import unknown
from readsim.streams import generator

BUDGET, STEPS, TASK = 60_000, 10, "math"
NAMES = (
    *("general", "steerability", "reasoning", "math"),
    *("code", "tool_use", "long_context", "multilingual"),
)
# The best static allocation of `nano-measured` for the task at the budget, to three digits.
CHOSEN = (0.112, 0.086, 0.044, 0.497, 0.055, 0.057, 0.0, 0.149)
RANDOM = ("mix-1", "mix-2", "mix-3", "mix-4")


def shares_of(name: str) -> Array:
    """(S,): `chosen`, or one of the random mixtures, Dirichlet(1). Raises UnknownNameError."""
    if name == "chosen":
        return np.array(CHOSEN)
    if name not in RANDOM:
        raise unknown("mixture", name, ("chosen", *RANDOM))
    draw = generator(0, "data", BUDGET, RANDOM.index(name) + 1).dirichlet(np.ones(len(NAMES)))
    return np.round(draw, 4)


class Mixture(Allocator):
    """The same shares at every step, called by name so that a run's log is named after them."""

    def __init__(self, name: str) -> None:
        self.shares = shares_of(name)

    def init(self, setup: Setup) -> Any:
        if setup.sources != NAMES:
            raise unknown("source", ", ".join(setup.sources), NAMES)
        return {}

    def select(self, state: Any, context: Context) -> Array:
        return self.shares

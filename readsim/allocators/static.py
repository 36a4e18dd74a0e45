"""Allocators that decide once, or by chance."""

from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.envs.offline_pool import random_allocations
from readsim.errors import unknown


class Uniform(Allocator):
    """alpha = 1/S at every step."""

    def select(self, state: Any, context: Context) -> Array:
        return np.full(len(context.setup.sources), 1.0 / len(context.setup.sources))


class TaskStatic(Allocator):
    """alpha = r at every step: each source gets what the task asks for the capability of its name.

    r is the task's requirement, which sums to 1: of a task named after a capability, where the world lists no
    other, .6 for that one and equal parts of .4 for the others. What it asks for capabilities without
    a source of their name goes in equal parts to sources named like no capability, or to all without such.
    """

    def select(self, state: Any, context: Context) -> Array:
        return context.setup.prior


class OneHot(Allocator):
    """The whole budget on one source: by default the one the task requires most.

    `source`: a name, for specialists on another capability. Raises UnknownNameError.
    """

    def __init__(self, source: str | None = None) -> None:
        self.source = source

    def init(self, setup: Setup) -> Any:
        if self.source is not None and self.source not in setup.sources:
            raise unknown("source", str(self.source), setup.sources)
        chosen = (
            int(np.argmax(setup.prior)) if self.source is None else setup.sources.index(self.source)
        )
        return {"allocation": np.eye(len(setup.sources))[chosen]}

    def select(self, state: Any, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation


class Random(Allocator):
    """A new random allocation each step: Dirichlet(1) on a random support."""

    def select(self, state: Any, context: Context) -> Array:
        row: Array = random_allocations(context.rng, 1, len(context.setup.sources))[0]
        return row

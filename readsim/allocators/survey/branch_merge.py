"""Specialists, as far as one student can be several: one source after the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context
from readsim.allocators.configured import Configured
from readsim.arrays import Array


@dataclass(frozen=True)
class BranchMerge(Configured):
    """The prior's tokens in blocks: all of the first source, then all of the second, and so on.

    From Branch-Merge distillation (TinyR1-32B, arXiv 2503.04872), which trains a copy of the
    student on each domain and merges their parameters. What it lacks: the branches start one from
    another, not from the same student, and nothing is merged, since a run has one student. What is
    left is its schedule, and a test of whether order matters: where it does not, it ends as
    `task-static` does; where skills are forgotten, the first blocks pay.

    A decision in which a block ends is shared between the blocks it covers.
    """

    def select(self, state: Any, context: Context) -> Array:
        prior = context.setup.prior
        ends = np.cumsum(prior) / prior.sum()
        done = 1.0 - context.budget_left
        covered = min(1.0, done + 1.0 / context.setup.steps)
        inside: Array = np.minimum(ends, covered) - np.maximum(ends - prior, done)
        return np.maximum(inside, 0.0)

"""Shares in proportion to how far the student is behind its teacher."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import State, Transition
from readsim.allocators.configured import number
from readsim.allocators.exponentiated.core import Referenced, excess_loss
from readsim.allocators.losses import of_sources, required


@dataclass(frozen=True)
class GapProportional(Referenced):
    """w <- smoothing w + (1 - smoothing) gap / sum gap, gap = r [L - L_teacher]_+ of a source.

    The plain reading of "shift the composition smoothly by the gap of teacher and student per
    domain", the idea of DDK (arXiv 2407.16154). The allocator `ddk` has that paper's equations,
    which multiply and floor; this one is linear and leaves a closed gap alone. Without any gap, and
    first, shares are uniform.

    smoothing   share of the weights before
    """

    smoothing: float = number(0.5, "ours", low=0.0, high=1.0)

    def update(self, state: State, transition: Transition) -> State:
        setup = transition.context.setup
        excess = np.maximum(excess_loss(setup, transition.profile, state["teacher"]), 0.0)
        gap = of_sources(setup, required(setup, excess))
        total = float(gap.sum())
        target = gap / total if total > 0.0 else np.full(len(gap), 1.0 / len(gap))
        weights = self.smoothing * state["weights"] + (1.0 - self.smoothing) * target
        return {**state, "weights": weights, "score": gap}

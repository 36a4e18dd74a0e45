"""One rule each, from errors, gaps, gains or a schedule: no state beyond the last shares."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number
from readsim.allocators.exponentiated.core import Referenced, excess_loss
from readsim.allocators.losses import losses, of_sources, required
from readsim.allocators.reweighted import Reweighted
from readsim.arrays import Array


@dataclass(frozen=True)
class BranchMerge(Configured):
    """The prior's tokens in blocks: all of the first source, then all of the second, and so on.

    It imitates specialists with a single student.

    From Branch-Merge distillation (TinyR1-32B, arXiv 2503.04872), which trains a copy of the
    student on each domain and merges their parameters. Unlike there, each branch starts from the one
    before it, and nothing is merged, since a run has one student. What remains is the schedule, which
    tests whether order matters: if it does not, the rule ends like `task-static`; if skills are forgotten,
    the first blocks lose.

    A decision in which a block ends is shared between the blocks it covers.
    """

    def select(self, state: Any, context: Context) -> Array:
        prior = context.setup.prior
        ends = np.cumsum(prior) / prior.sum()
        done = 1.0 - context.budget_left
        covered = min(1.0, done + 1.0 / context.setup.steps)
        inside: Array = np.minimum(ends, covered) - np.maximum(ends - prior, done)
        return np.maximum(inside, 0.0)


@dataclass(frozen=True)
class ErrorMass(Configured):
    """w_i in proportion to r_i (1 - p_i) of the last probe; the prior where nothing is wrong.

    From LLM2LLM (arXiv 2403.15042): evaluate the student, make new data from the items that it gets
    wrong, repeat; the tokens of a capability are then in proportion to its errors. It lacks what
    that paper does with the items: here a source has no items, only tokens. Where profiles are
    negated losses, the loss stands for the error rate.
    """

    def select(self, state: Any, context: Context) -> Array:
        setup = context.setup
        mass = of_sources(setup, required(setup, losses(setup, context.profile)))
        total = float(mass.sum())
        return mass / total if total > 0.0 else setup.prior


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


class GreedyLast(Allocator):
    """All tokens go to the source with the largest r_i Dp_i in the last step (model-free greedy).

    The first step uses the prior.

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

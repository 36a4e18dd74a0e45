"""OP-Mix: mixtures tried by merging one training on each source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number, whole
from readsim.allocators.grid import simplex_grid
from readsim.allocators.reweighted import is_last
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError


@dataclass(frozen=True)
class OpMix(Configured):
    """Train on each of the top sources alone, merge the students by shares, probe the merged ones, and use
    the mixture whose student does best on r; plan `plans` times in a run, each time from the current
    student.

    After OP-Mix (arXiv 2605.15220), which simulates mixtures on the current model by interpolating LoRA
    adapters, and needs one short training a source in place of one a mixture. Only a backend whose students
    can be merged offers that: the real-run adapter, with LoRA (the products B A are merged) or without. Its
    trainings are reported as `search` tokens.

    top        sources that are mixed, the largest of the requirement
    divisions  mixtures are multiples of 1 / divisions
    share      of the budget, of each training
    plans      how often it plans, evenly over the run
    """

    needs = frozenset({"merging"})

    top: int = whole(3, "ours", low=1, high=100)
    divisions: int = whole(4, "ours", low=1, high=100)
    share: float = number(0.05, "ours", above=0.0, high=1.0)
    plans: int = whole(1, "inferred", low=1, high=1000)

    def init(self, setup: Setup) -> State:
        return self._plan(setup)

    def select(self, state: State, context: Context) -> Array:
        weights: Array = state["weights"]
        return weights

    def update(self, state: State, transition: Transition) -> State:
        setup, done = transition.context.setup, transition.context.step + 1
        earlier = (done - 1) * self.plans // setup.steps
        if is_last(transition) or done * self.plans // setup.steps == earlier:
            return state
        return self._plan(setup)

    def report(self, state: State) -> Mapping[str, Any]:
        return {"score": state["score"]}

    def _plan(self, setup: Setup) -> State:
        """The best merged mixture from where the student is, and its r . p."""
        if setup.merged is None:
            raise CapabilityMissingError("op-mix needs a backend whose students can be merged")
        chosen = np.argsort(-setup.prior, kind="stable")[: self.top]
        chosen = chosen[setup.prior[chosen] > 0]
        grid = simplex_grid(len(chosen), self.divisions)
        mixtures = np.zeros((len(grid), len(setup.sources)))
        mixtures[:, chosen] = grid
        tokens = max(1, int(self.share * setup.budget))
        values = setup.merged(mixtures, tokens) @ setup.requirement
        best = int(np.argmax(values))
        return {"weights": mixtures[best], "score": float(values[best])}

"""ReAD with the traps of the public code as switches; none is a default of readsim.

`studies.artifact_quirks.allocators:Quirky+pairs=true` is a name that any command takes.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup
from readsim.allocators.read.allocator import ReAD
from readsim.arrays import Array
from readsim.envs.candidates import sparse_actions
from readsim.errors import unknown

COST = 1e-5  # of a token, in the public code's reward


@dataclass(frozen=True)
class Quirks:
    """See `Quirky`. The defaults are none."""

    warmup: int = 0
    one_interval: bool = False
    raw_budget: bool = False
    pairs: bool = False
    token_cost: bool = False
    one_hot: bool = False
    unprobed: str = ""


class Quirky(ReAD):
    """ReAD as the paper describes it, but for what is switched on.

    warmup          first decisions that are drawn from the candidates at random
    one_interval    the first choice is kept: a budget below one interval's
    raw_budget      the tokens left, not their share, among inputs that are not standardised
    pairs           candidates are pairs of the top 3 of r on the grid and nothing else
    token_cost      each token costs 1e-5 of reward
    one_hot         the requirement is 1 for the capability that is required most
    unprobed        a capability without probes, or `target`: it counts as perfect

    Raises UnknownNameError for an `unprobed` capability that is not there.
    """

    def __init__(self, **switches: Any) -> None:
        self.quirks = Quirks(**switches)
        super().__init__(adaptation=not self.quirks.one_interval)
        if self.quirks.raw_budget:
            raw = replace(self.config.ensemble, standardise=False)
            self.config = replace(self.config, ensemble=raw)

    def settings(self) -> list[tuple[str, str, str]]:
        rows = [(f.name, str(getattr(self.quirks, f.name)), "code") for f in fields(Quirks)]
        return [*rows, *super().settings()]

    def select(self, state: Any, context: Context) -> Array:
        first = max(self.quirks.warmup, int(self.quirks.one_interval))
        if state["kept"] is None and context.step < first:
            rows = self._candidates(context)
            drawn: Array = rows[context.rng.integers(len(rows))]
            return drawn
        chosen: Array = super().select(state, context)
        return chosen

    def _requirement(self, setup: Setup) -> Array:
        true = super()._requirement(setup)
        return np.eye(len(true))[int(true.argmax())] if self.quirks.one_hot else true

    def _candidates(self, context: Context) -> Array:
        prior = context.setup.prior
        if self.quirks.one_hot:
            prior = np.eye(len(prior))[int(prior.argmax())]
            context = replace(context, setup=replace(context.setup, prior=prior))
        if self.quirks.pairs:
            rows = sparse_actions(prior, self.config.candidates)
            pairs: Array = rows[rows.max(axis=1) < 1.0]
            return pairs
        return super()._candidates(context)

    def _rewards(self, setup: Setup, change: Array, tokens: Array) -> Array:
        rewards = super()._rewards(setup, self._seen(setup, change, 0.0), tokens)
        return rewards - COST * tokens if self.quirks.token_cost else rewards

    def _features(
        self, setup: Setup, profile: Array, left: Array, history: Array, allocation: Array
    ) -> Array:
        if self.quirks.unprobed:
            s, v = len(setup.sources), len(setup.capabilities)
            rows = np.array(history).reshape(len(history), setup.history, s + v + 2)
            rows[..., s:-2] = self._seen(setup, rows[..., s:-2], 0.0)
            history = rows.reshape(np.shape(history))
            profile = self._seen(setup, profile, 1.0)
        left = left * setup.budget if self.quirks.raw_budget else left
        return super()._features(setup, profile, left, history, allocation)

    def _seen(self, setup: Setup, values: Array, perfect: float) -> Array:
        """Values (..., V), the unprobed capability's replaced."""
        name = self.quirks.unprobed
        if not name:
            return values
        if name != "target" and name not in setup.capabilities:
            raise unknown("unprobed capability", name, ("target", *setup.capabilities))
        target = int(setup.requirement.argmax())
        out = np.array(values, dtype=np.float64)
        out[..., target if name == "target" else setup.capabilities.index(name)] = perfect
        return out

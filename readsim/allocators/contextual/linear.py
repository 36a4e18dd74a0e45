"""What LinUCB and linear Thompson sampling share: one linear model, one loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number, switch, whole
from readsim.allocators.contextual.features import linear_features
from readsim.allocators.contextual.ridge import Posterior, fitted, no_rows, with_rows
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError
from readsim.offline import Pool
from readsim.reward import proxy_reward, spill_prices


@dataclass(frozen=True)
class LinearBandit(Configured):
    """Chooses argmax over `context.candidates` of mean + `bonus`; a subclass says what the bonus is.

    The log's `report` has mu, bonus and reward of the last allocation that was trained, in reward
    units, mu and bonus as they were before its reward (proxy validation, R90).

    Both rules assume noise with mean 0 given the past. Noise of probes is not that: Eq. (9) takes a
    difference of two of them, and what the last one showed too high raises one reward and lowers the
    next. Rewards of noisy probes have autocorrelation near -1/2, and mu, which follows the last ones,
    then predicts the next with the wrong sign. The last reward as one more feature, the same for all
    candidates, mends the sign but, measured, not the utility: it was left out.
    """

    ridge: float = number(1.0, "paper: A = I at first", low=1e-6, high=1e6)
    curvature: bool = switch(True, "ours: gains are concave within a step")
    standardise: bool = switch(True, "ours: rewards are about 0.005; papers: bounded by 1")
    pool: int = whole(0, "paper: starts cold; ours: an offline pool like ReAD's", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool:
            object.__setattr__(self, "needs", frozenset({"transitions"}))

    def bonus(self, model: Posterior, x: Array, context: Context) -> Array:
        """(n,) for rows x (n, d), in reward units; the same numbers at every call."""
        raise NotImplementedError(f"{type(self).__name__} must define bonus(model, x, context)")

    def init(self, setup: Setup) -> State:
        rows = no_rows(len(setup.sources) + 3 + self.curvature)
        if self.pool:
            if setup.transitions is None:
                raise CapabilityMissingError(
                    f"{type(self).__name__} with pool > 0 needs an offline pool of transitions"
                )
            pool = setup.transitions(self.pool)
            x = linear_features(
                setup, pool.profile, pool.budget_left, pool.allocation, curvature=self.curvature
            )
            rows = with_rows(rows, x, pool_rewards(setup, pool))
        return {"rows": rows, "report": {}}

    def select(self, state: State, context: Context) -> Array:
        mu, bonus = self._judged(state, context, context.candidates)
        chosen: Array = context.candidates[int(np.argmax(mu + bonus))]
        return chosen

    def update(self, state: State, transition: Transition) -> State:
        context, trained = transition.context, transition.allocation[None]
        mu, bonus = self._judged(state, context, trained)
        x, y = self._rows(context, trained), np.array([transition.reward])
        report = {"mu": float(mu[0]), "bonus": float(bonus[0]), "reward": transition.reward}
        return {"rows": with_rows(state["rows"], x, y), "report": report}

    def report(self, state: State) -> Mapping[str, Any]:
        report: Mapping[str, Any] = state["report"]
        return report

    def _judged(self, state: State, context: Context, allocations: Array) -> tuple[Array, Array]:
        """mu and bonus (n,) of allocations (n, S)."""
        model = fitted(state["rows"], self.ridge, standardise=self.standardise)
        x = self._rows(context, allocations)
        return model.mean(x), self.bonus(model, x, context)

    def _rows(self, context: Context, allocations: Array) -> Array:
        left = np.array([context.budget_left])
        return linear_features(
            context.setup, context.profile[None], left, allocations, curvature=self.curvature
        )


def pool_rewards(setup: Setup, pool: Pool) -> Array:
    """Eq. (9) of the transitions of a pool: (n,)."""
    cost = setup.reward.cost * pool.tokens / setup.budget
    prices = spill_prices(setup.requirement, setup.reward)
    return proxy_reward(pool.change, setup.requirement, prices, cost)

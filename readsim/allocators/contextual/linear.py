"""LinUCB and linear Thompson sampling with one model for all allocations, and the loop they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number, switch, whole
from readsim.allocators.contextual.ridge import (
    Posterior,
    fitted,
    linear_features,
    no_rows,
    with_rows,
)
from readsim.arrays import Array
from readsim.envs.offline_pool import Pool
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.errors import CapabilityMissingError
from readsim.streams import generator


@dataclass(frozen=True)
class LinearBandit(Configured):
    """Chooses argmax over `context.candidates` of mean + `bonus`; a subclass says what the bonus is.

    The log's `report` has mu, bonus and reward of the last allocation that was trained, in reward
    units, mu and bonus as they were before its reward (proxy validation).

    Both rules assume noise with mean 0 given the past. Noise of probes is not that: Eq. (9) takes a
    difference of two of them, and what the last one showed too high raises one reward and lowers the
    next. Rewards of noisy probes have autocorrelation near -1/2, and mu, which follows the last ones,
    then predicts the next with the wrong sign. The last reward as one more feature, the same for all
    candidates, mends the sign but, measured, not the utility: it was left out.
    """

    ridge: float = number(1.0, "paper: A = I at first", low=1e-6, high=1e6)
    curvature: bool = switch(True, "ours: gains are concave within a step")
    standardise: bool = switch(True, "ours: rewards are about 0.005; papers: bounded by 1")
    pool: int = whole(
        0, "paper: starts cold; ours: an offline pool like ReAD's", low=0, high=100_000
    )

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

    def outlook(self, state: State, context: Context) -> tuple[Array, Array, Array]:
        """The candidates (A, S), and mean and width (A,) of the linear model there."""
        model = fitted(state["rows"], self.ridge, standardise=self.standardise)
        x = self._rows(context, context.candidates)
        return context.candidates, model.mean(x), model.width(x)

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


@dataclass(frozen=True)
class LinUCB(LinearBandit):
    """argmax over candidates of theta . x + alpha sqrt(x' V^-1 x), V = ridge I + sum x x' (LinUCB).

    Li, Chu, Langford, Schapire, arXiv 1003.0146, Algorithm 1, with parameters shared by all arms, for
    an arm here is an allocation and new ones come with every step: so it is the linear bandit of
    Abbasi-Yadkori, Pal, Szepesvari (OFUL, "Improved Algorithms for Linear Stochastic Bandits",
    NeurIPS 2011) with a constant alpha, where OFUL's radius grows with ln det V. The reward is that
    of Eq. (9); x = [allocation w; w . prior; w . shares of the required loss; budget left; |w|^2], all
    in [0, 1] (`linear_features` says why). Among equals the first candidate, "stay", is taken.

    alpha        width of the bonus. Standardised, 1 is one standard deviation of the rewards so far
                 at |x|_V^-1 = 1
    ridge        lambda, 1e-6 to 1e6. A direction x never tried has the bonus alpha |x| / sqrt(ridge)
    curvature    whether x has |w|^2, without which only corners of the candidates win
    standardise  regress (reward - mean) / deviation, of the rewards so far. False: rewards as they
                 are, as published; then alpha is in reward units, and 1 explores for ever
    pool         transitions of an offline pool to start from, reported as offline tokens

    The mean is as good as a linear model is: what it cannot say, state dependence beyond the
    features for one, is averaged, and with decisions the width shrinks all the same. The width is
    longest at the corners of the simplex, so exploring is training on one source at a time, which
    is dear where steps are large and gains are concave (studies/LOG.md).
    """

    alpha: float = number(
        1.0, "ours: ReAD's kappa; paper: 1 + sqrt(ln(2/delta)/2), 2.4 at delta .05", low=0.0
    )

    def bonus(self, model: Posterior, x: Array, context: Context) -> Array:
        return self.alpha * model.width(x)


@dataclass(frozen=True)
class Thompson(LinearBandit):
    """argmax over candidates of x . draw, draw ~ N(theta, v^2 V^-1), V = ridge I + sum x x'.

    Agrawal & Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs", arXiv 1209.3352,
    Algorithm 1: one draw a decision, shared by all candidates. Features, reward, `ridge`,
    `curvature`, `standardise` and `pool` are those of `linucb`; theirs has ridge = 1.

    v   width of the draws. Standardised, v = 1 is the posterior under noise as large as the rewards'
        deviation and a prior N(0, 1 / ridge) on coefficients. Their bound has R sqrt(9 d ln(t/delta)),
        R the noise: 25 R for S = 8, t = 20, delta .05, which never stops exploring in such a run

    The log's `bonus` is x . (draw - theta), of either sign.
    """

    v: float = number(1.0, "ours: the posterior itself; paper: of the bound, 25 R", low=0.0)

    def bonus(self, model: Posterior, x: Array, context: Context) -> Array:
        rng = generator(context.setup.seed, "allocator", context.step)
        moved: Array = x @ (model.draw(rng, self.v) - model.theta)
        return moved

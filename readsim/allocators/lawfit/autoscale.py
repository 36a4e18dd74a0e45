"""AutoScale: optimal amounts of each source at two small scales, extrapolated to the budget."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured, number
from readsim.allocators.exponentiated.core import smoothed
from readsim.allocators.lawfit.trials import run_trials
from readsim.arrays import Array
from readsim.errors import ConfigError

MOST = 60  # extrapolation steps
EFFECT = (
    0.45  # nats between a third and three times the tokens, the paper's largest: its curves have
)
# amplitude 1, so that error rates have to be put on that scale


@dataclass(frozen=True)
class AutoScale(Configured):
    """N*(3) = N*(2)^2 / N*(1) elementwise, again and again up to the budget (arXiv 2407.20177).

    At each of two scales the optimum is found by DDO: each source's tokens are multiplied and divided
    by `factor` beside an even rest, the task's loss over that source's tokens is fitted by
    (N + a)^-b + c, and the sum of these is minimised at the scale's total. Shares that grow from the
    first scale to the second go on growing.

    first, second   totals of the two scales, as shares of the budget
    factor          theirs is 3

    The 2 (2 S + 1) trials are undone and count as search. Differs: the objective is the task's,
    sum_j r_j L_j, where profiles are scores in units in which the largest effect is theirs in nats
    (`EFFECT`); N is in units of the even amount; a share `least` is spread
    evenly, so that the ratio of two scales is defined where a source does not help.
    """

    needs = frozenset({"trial"})

    first: float = number(0.03, "ours", above=0.0, high=1.0)
    second: float = number(0.1, "ours", above=0.0, high=1.0)
    factor: float = number(3.0, "paper", above=1.0)
    least: float = number(0.01, "ours", above=0.0, high=0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first >= self.second:
            raise ConfigError(f"first = {self.first!r}, second = {self.second!r}: first < second")

    def init(self, setup: Setup) -> State:
        shares = [self._optimum(setup, scale) for scale in (self.first, self.second)]
        allocation = extrapolated(shares[0] * self.first, shares[1] * self.second, 1.0)
        return {"allocation": allocation, "small": shares[0], "large": shares[1]}

    def _optimum(self, setup: Setup, scale: float) -> Array:
        """DDO at a scale: shares (S,)."""
        s = len(setup.sources)
        if s == 1:
            return np.ones(1)
        amounts = np.ones((2 * s + 1, s))  # N in units of scale * budget / S
        amounts[range(s), range(s)] *= self.factor
        amounts[range(s, 2 * s), range(s)] /= self.factor
        totals = amounts.sum(axis=1)
        loss = np.array(
            [
                float(setup.requirement @ run_trials(setup, (row / n)[None], scale * n / s)[0])
                for row, n in zip(amounts, totals, strict=True)
            ]
        )
        if setup.scores:
            largest = float(np.ptp(np.reshape(loss[:-1], (2, s)), axis=0).max())
            loss = loss * (EFFECT / largest if largest > 0.0 else 1.0)
        grid = np.array([1.0 / self.factor, 1.0, self.factor])
        curves = [fit_power(grid, np.array([loss[s + i], loss[-1], loss[i]])) for i in range(s)]
        w = power_optimum(np.array(curves), float(s)) / s
        return smoothed(w, self.least)

    def select(self, state: State, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation

    def report(self, state: State) -> dict[str, Any]:
        return {"small": state["small"], "large": state["large"]}


def fit_power(n: Array, loss: Array) -> tuple[float, float]:
    """(a, b) of the least-squares (n + a)^-b + c, a > 0, b >= 0; b = 0 where the loss does not fall."""
    from scipy.optimize import least_squares

    if loss[0] <= loss[-1]:
        return 1.0, 0.0

    def residual(flat: Array) -> Array:
        curve = (n + np.exp(flat[0])) ** -np.exp(flat[1])
        wanted = loss - loss.mean()
        out: Array = (curve - curve.mean() - wanted) / wanted.std()
        return out

    found = min(
        (
            least_squares(residual, [a, b], bounds=([-7.0, -12.0], [7.0, 3.0]))
            for a in (-1.0, 2.0)
            for b in (-4.0, -1.0)
        ),
        key=lambda fit: float(fit.cost),
    )
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))


def power_optimum(curves: Array, total: float) -> Array:
    """argmin sum_i (N_i + a_i)^-b_i, N >= 0, sum N = total, from (a_i, b_i) (S, 2): (S,).

    Water-filling: b_i (N_i + a_i)^(-b_i - 1) = lambda where N_i > 0. Even where nothing helps.
    """
    a, b = curves.T
    if not (b > 0.0).any():
        return np.full(len(a), total / len(a))
    used = b > 0.0

    def amounts(log_lambda: float) -> Array:
        out = np.zeros(len(a))
        out[used] = np.exp((np.log(b[used]) - log_lambda) / (b[used] + 1.0)) - a[used]
        return np.maximum(out, 0.0)

    low, high = -200.0, 200.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if amounts(middle).sum() > total else (low, middle)
    found = amounts(low)
    out: Array = found * (total / found.sum())
    return out


def extrapolated(small: Array, large: Array, total: float) -> Array:
    """Shares (S,) at `total`: N <- N ratio with ratio = large / small, until sum N reaches it."""
    ratio = large / small
    amounts = large
    for _ in range(MOST):
        if amounts.sum() >= total:
            break
        amounts = amounts * ratio
    out: Array = amounts / amounts.sum()
    return out

"""AutoScale: the best domain sizes at two small scales, extrapolated to the budget."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import number
from readsim.allocators.lawfit.core import Held, Trial, trial_of
from readsim.allocators.losses import losses
from readsim.arrays import Array
from readsim.errors import ConfigError

LARGEST = 1e3  # of a and b: noise may ask for more, which changes no share that can be seen


def power_law(sizes: Array, y: Array) -> Array:
    """(a, b, c) of y = (n + a)^-b + c, b >= 0, by least squares from (1, 1, 1): (3,).

    Three points are met by two laws at least, one steep at small sizes and one not, which differ in
    their optimum: the start decides. This one is that of the authors' code. Where the largest size has
    no lower y than the smallest, b = 0.
    """
    return np.array(_power_law(tuple(sizes.tolist()), tuple(y.tolist())))


@lru_cache(maxsize=256)  # `update` needs what `select` did
def _power_law(points: tuple[float, ...], values: tuple[float, ...]) -> tuple[float, ...]:
    from scipy.optimize import least_squares

    sizes, y = np.array(points), np.array(values)
    if y[sizes.argmax()] >= y[sizes.argmin()]:
        return 1.0, 0.0, float(y.mean()) - 1.0

    def errors(params: Array) -> Array:
        a, b, c = params
        out: Array = (sizes + a) ** -b + c - y
        return out

    def slopes(params: Array) -> Array:
        a, b, _ = params
        power = (sizes + a) ** -b
        return np.stack(
            [-b * power / (sizes + a), -np.log(sizes + a) * power, np.ones_like(sizes)], axis=1
        )

    box = ([0.0, 0.0, -np.inf], [LARGEST, LARGEST, np.inf])
    tight = 1e-10
    start = np.array([1.0, 1.0, 1.0])
    found = least_squares(errors, start, slopes, box, xtol=tight, ftol=tight, gtol=tight)
    return tuple(found.x.tolist())


def best_sizes(a: Array, b: Array, total: float, least: float) -> Array:
    """argmin sum_i (n_i + a_i)^-b_i with sum n = total, n >= least: (S,).

    Convex: all that are above `least` have the same slope b (n + a)^-(b+1), found by bisection. With
    b = 0 everywhere, or no room above `least`, all sizes are equal.
    """
    s = len(a)
    if not b.any() or total <= least * s:
        return np.full(s, total / s)

    def sizes(log_slope: float) -> Array:
        with np.errstate(divide="ignore"):
            n = np.exp(np.minimum((np.log(b) - log_slope) / (b + 1.0), 700.0)) - a
        out: Array = np.maximum(n, least)
        return out

    low, high = -1.0, 1.0
    while sizes(low).sum() < total:
        low *= 2.0
    while sizes(high).sum() > total:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if sizes(middle).sum() > total else (low, middle)
    n = sizes(high)
    above = n > least
    n[above] += (total - n.sum()) / max(int(above.sum()), 1)
    return n


def extrapolated(first: Array, second: Array, total: float) -> Array:
    """N^(k) = N^(2) (N^(2) / N^(1))^k for the k >= 0 at which its sum is `total`: (S,).

    At whole k these are the repeated steps N^(3) = N^(2) (N^(1))^-1 N^(2) of the paper.
    """
    growth = np.log(second) - np.log(first)
    low, high = 0.0, 1.0
    while (second * np.exp(high * growth)).sum() < total:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        reached = (second * np.exp(middle * growth)).sum() >= total
        low, high = (low, middle) if reached else (middle, high)
    sizes: Array = second * np.exp(high * growth)
    return sizes


@dataclass(frozen=True)
class AutoScale(Held):
    """N^(3) = N^(2) (N^(1))^-1 N^(2), repeated up to the budget (AutoScale, arXiv 2407.20177).

    N^(1) and N^(2) (S,) are the best tokens of each source at two small scales. At each, DDO trains
    with equal tokens of all sources, and with those of one source times `up` and times `down`, fits
    L / L_equal = (n_i + a_i)^-b_i + c_i of the task's loss r . L to the three sizes n_i = down, 1, up
    of source i, and minimises the sum of these laws at the same total.

    scale       tokens of the smaller scale as a share of the budget
    ratio       the larger scale over the smaller one
    up, down    sizes of one source in the trials
    least       least size of a source in the optimum, where equal sizes are 1

    Pinned to the notebooks of the authors' code (commit f3cae22), whose published optima these functions
    reproduce. Differences: between two repetitions the exponent is interpolated, so that the budget is met
    exactly; b is kept >= 0, so that a source whose tokens do harm gets `least`. The 2 (2 S + 1) trials
    are undone and not charged: with the defaults and S = 8, 3.6 budgets of search tokens in all.
    Noise in N^(2) / N^(1) is raised to the power k, about 1.3 by default; and the law of one source
    assumes that the others' tokens neither help nor replace it.
    """

    scale: float = number(0.04, "ours; code: .3B tokens, for up to 412B", above=0.0, high=1.0)
    ratio: float = number(4.0, "code: .3B and 1.2B tokens", above=1.0)
    up: float = number(3.0, "paper; code", above=1.0)
    down: float = number(0.2, "code; paper: 1/3", above=0.0, high=1.0)
    least: float = number(0.2, "code: where a smaller optimum is held", above=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale * self.ratio > 1.0:
            raise ConfigError(
                f"scale = {self.scale!r}, ratio = {self.ratio!r}: the larger scale is above the budget"
            )
        if self.down == 1.0:
            raise ConfigError("down = 1.0: a share below 1, or two of the three trials are alike")

    def init(self, setup: Setup) -> State:
        trial = trial_of(setup, "AutoScale")
        scales = (self.scale, self.scale * self.ratio)
        changes = [self._trials(trial, setup, scale * setup.budget) for scale in scales]
        nothing = np.full(len(setup.sources), np.nan)
        return {"changes": np.array(changes), "allocation": nothing, "report": {}}

    def _trials(self, trial: Trial, setup: Setup, tokens: float) -> Array:
        """Changes (1 + 2 S, V): equal sizes, then each source in turn at `down`, then at `up`."""
        s = len(setup.sources)
        sizes = np.ones((1 + 2 * s, s))
        sizes[1 + np.arange(s), np.arange(s)] = self.down
        sizes[1 + s + np.arange(s), np.arange(s)] = self.up
        return np.array(
            [trial(n / n.sum(), max(1, int(tokens / s * n.sum() + 0.5)), False) for n in sizes]
        )

    def select(self, state: State, context: Context) -> Array:
        return super().select(self._fitted(state, context), context)

    def update(self, state: State, transition: Transition) -> State:
        return self._fitted(state, transition.context)

    def _fitted(self, state: State, context: Context) -> State:
        """The state with its allocation, which needs the first profile: losses, not only changes."""
        if context.step:
            return state
        setup, s = context.setup, len(context.setup.sources)
        if s == 1:
            return {**state, "allocation": np.ones(1)}
        level = (
            losses(setup, context.profile + state["changes"]) @ setup.requirement
        )  # (2, 1 + 2 S)
        best = np.array([self._optimum(one, s) for one in level])
        scales = np.array([self.scale, self.scale * self.ratio])[:, None] / s
        first, second = best * scales
        total = extrapolated(first, second, 1.0)
        return {**state, "allocation": total / total.sum()}

    def _optimum(self, level: Array, s: int) -> Array:
        """DDO: sizes (S,), of mean 1, from the losses of `_trials`."""
        if level[0] <= 0.0:
            return np.ones(s)
        sizes = np.array([self.down, 1.0, self.up])
        y = level / level[0]
        fits = [power_law(sizes, np.array([y[1 + i], 1.0, y[1 + s + i]])) for i in range(s)]
        a, b, _ = np.array(fits).T
        return best_sizes(a, b, float(s), self.least)

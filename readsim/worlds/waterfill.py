"""Water-filling: the best split of a budget over separable concave returns (Proposition 4.5)."""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from readsim.worlds.gains import GainBank

BISECTIONS = 120
LEAST_LOG = -700.0  # a multiplier below exp of this counts as 0


def water_fill(
    gains: GainBank,
    weight: Array,
    cost: Array,
    scale: Array,
    budget: float,
    *,
    spend_all: bool = True,
) -> tuple[Array, float]:
    """argmax sum_i weight_i u_i(x_i) - cost_i x_i with x_i = b_i / scale_i, b >= 0, sum b = budget.

    Returns (b (S,), lambda); weight, cost >= 0. Proposition 4.5, with spillover: the
    marginal return (weight_i u_i'(x_i) - cost_i) / scale_i is lambda where b_i > 0 and at most
    lambda elsewhere. b_i(lambda) comes from the inverse slopes, lambda from bisection; on a flat or
    straight piece any split is optimal and one between the two ends of the last bracket is taken.
    Without `spend_all` the rest stays unspent where lambda would be negative.
    """
    useful = weight > 0.0
    most = 2.0 * budget  # stands for endless tokens

    def tokens(multiplier: float) -> Array:
        needed = multiplier * scale + cost  # what weight_i u_i' must reach
        with np.errstate(over="ignore"):
            slope = np.where(useful & (needed > 0.0), needed / np.where(useful, weight, 1.0), 1.0)
            b = np.where(useful, scale * gains.inverse_slope(slope), 0.0)
        return np.minimum(np.where(needed > 0.0, b, most), most)

    few = tokens(np.exp(LEAST_LOG))
    if few.sum() >= budget:
        steepest = 50.0 + float(np.log((weight / scale).max()))
        few, many, at = _bracket(lambda t: tokens(np.exp(-t)), -steepest, -LEAST_LOG, budget)
        multiplier = float(np.exp(-at))
    elif (cost == 0.0).any():  # all that is useful is flat by then: the rest is worth nothing
        free = (cost == 0.0) & useful if ((cost == 0.0) & useful).any() else cost == 0.0
        many, multiplier = few + np.where(free, most, 0.0), 0.0
    elif spend_all:
        least_harm = float(np.log((cost / scale).min())) + 1e-9
        few, many, at = _bracket(lambda t: tokens(-np.exp(t)), LEAST_LOG, least_harm, budget)
        multiplier = -float(np.exp(at))
    else:
        return few, 0.0
    gap = float(many.sum() - few.sum())
    b = few + (many - few) * ((budget - float(few.sum())) / gap) if gap > 0.0 else few
    return b * (budget / b.sum()), multiplier


def _bracket(
    tokens: Callable[[float], Array], low: float, high: float, budget: float
) -> tuple[Array, Array, float]:
    """`tokens` at the two ends of the last bracket of its sum's passage through `budget`."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if tokens(middle).sum() > budget:
            high = middle
        else:
            low = middle
    return tokens(low), tokens(high), low

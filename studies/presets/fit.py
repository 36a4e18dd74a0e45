"""Own gain curves through two reported end points."""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from studies.presets.reported import LARGE, SMALL

LONGEST_SCALE = 1e9  # tokens; beyond it a curve is straight over both budgets
SHORTEST_SCALE = 2e6
BISECTIONS = 200


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of an increasing function, or the end of the bracket that is nearest to it."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def latent(gain: float, room: float) -> float:
    """z with room * (1 - exp(-z / room)) = gain: the saturating link, inverted."""
    return -room * float(np.log1p(-gain / room))


def own_curve(small: float, large: float, room: float) -> tuple[float, float]:
    """(help, scale_tokens) of M(B) = room * (1 - exp(-help * (1 - exp(-B / scale)) / room)).

    `small` and `large` are M at 20M and at 150M, `room` is ceiling - start, all in score units. The
    ratio of the two latent gains lies between 1 and 7.5 for every scale. A measured pair outside
    (a gain that accelerates more than the link allows) gets the scale limit; the larger budget is
    then still met exactly and the smaller one keeps a residual.
    """
    wanted = latent(large, room) / latent(small, room)

    def ratio_above(log_scale: float) -> float:
        scale = np.exp(log_scale)
        return float(np.expm1(-LARGE / scale) / np.expm1(-SMALL / scale)) - wanted

    scale = float(np.exp(bisect(ratio_above, np.log(SHORTEST_SCALE), np.log(LONGEST_SCALE))))
    scale = float(np.round(scale, -3))
    return latent(large, room) / -float(np.expm1(-LARGE / scale)), scale


def own_spread(help_: Array, scale: Array, room: Array, budget: float, sd: float) -> float:
    """Standard deviation of M_ii(budget) over runs, averaged over i, in score units.

    `help_`, `scale`, `room` (S,) describe the own curves, `sd` is that of ln(efficiency), common to
    all sources. Expectations by Gauss-Hermite quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    x = budget / scale[:, None] * np.exp(sd * nodes)
    gain = -room[:, None] * np.expm1(help_[:, None] * np.expm1(-x) / room[:, None])
    variance = np.maximum(gain**2 @ weights - (gain @ weights) ** 2, 0.0)
    return float(np.sqrt(variance).mean())


def efficiency_sd(help_: Array, scale: Array, room: Array, budget: float, wanted: float) -> float:
    """The sd of ln(efficiency) at which `own_spread` equals `wanted`."""
    return bisect(lambda sd: own_spread(help_, scale, room, budget, sd) - wanted, 0.0, 1.0)

"""Cross effects: how training on one capability moves the others.

No trustworthy table of them exists for teacher-student distillation, so they are drawn from a stated
family, and one free scale is solved so that the aggregates agree with what is reported.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.worlds.links import Saturating
from studies.presets.fit import bisect

HELP_SHARE = (
    0.06  # ours: about a tenth of an own effect, as in AutoScale's table of related domains
)
SIZE_SIGMA = 0.5  # ours: most sizes lie within a factor of 2.6 of each other


class Bounds(NamedTuple):
    """start, floor, ceiling: each (K,)."""

    start: Array
    floor: Array
    ceiling: Array


class Draw(NamedTuple):
    """`harmful` (K, K) marks effects below 0; `size` (K, K) is lognormal with mean 1."""

    harmful: NDArray[np.bool_]
    size: Array


def draw(seed: int, k: int, negative_rate: float) -> Draw:
    """Each destination is harmed by the same number of sources, nearest to `negative_rate` of K - 1.

    Which ones is chance; so are the sizes.
    """
    rng = np.random.default_rng(seed)
    count = int(np.round(negative_rate * (k - 1)))
    harmful = np.zeros((k, k), dtype=np.bool_)
    for j in range(k):
        others = np.delete(np.arange(k), j)
        harmful[rng.choice(others, size=count, replace=False), j] = True
    size = np.exp(SIZE_SIGMA * rng.standard_normal((k, k)) - 0.5 * SIZE_SIGMA**2)
    return Draw(harmful, size)


def latent_effects(drawn: Draw, own: Array, gap: Array, harm_scale: float) -> Array:
    """Latent effects z (K, K) at the reference budget.

    Diagonal: `own` (K,). Elsewhere a helpful source brings HELP_SHARE * size and a harmful one takes
    harm_scale * size, both times the destination's `gap` (K,) between teacher and student: the
    scale on which distillation is seen to move that benchmark.
    """
    factor = np.where(drawn.harmful, -harm_scale, HELP_SHARE)
    z: Array = factor * drawn.size * gap
    np.fill_diagonal(z, own)
    return z


def spillover_ratio(effects: Array) -> float:
    """Mean off-diagonal over mean diagonal effect (K, K): off-target change per on-target gain."""
    k = len(effects)
    own = float(np.trace(effects))
    return (float(effects.sum()) - own) / (k - 1) / own


def solve_harm_scale(drawn: Draw, own: Array, bounds: Bounds, ratio: float) -> float:
    """The scale of harm at which `spillover_ratio` of the score effects equals `ratio`."""
    link = Saturating(*bounds)
    gap = bounds.ceiling - bounds.start

    def ratio_below(scale: float) -> float:
        z = latent_effects(drawn, own, gap, scale)
        return ratio - spillover_ratio(link.value(z) - bounds.start)

    return bisect(ratio_below, 0.0, 50.0)


def to_coefficients(latent: Array, scale: Array, reference: float) -> tuple[Array, Array]:
    """(help, harm), each (S, K), with which one-hot training of `reference` tokens brings `latent`.

    For exponential gains: help = z / u, harm = -z / (x - u) with x = reference / scale, u = 1 - e^-x.
    """
    x = (reference / scale)[:, None]
    u = -np.expm1(-x)
    return np.maximum(latent, 0.0) / u, np.maximum(-latent, 0.0) / (x - u)

"""Mixtures to choose runs from: drawn over the whole simplex, within least and most shares."""

from collections.abc import Mapping, Sequence

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

SHARPNESS = (0.3, 1.0, 5.0)  # Dirichlet parameters: from few sources at a time to nearly even
ROUNDS = 50
EDGE = 1e-9


def share_limits(
    sources: Sequence[str], least: Mapping[str, float], most: Mapping[str, float]
) -> tuple[Array, Array]:
    """Least and most share (S,) of each source. Raises ConfigError for limits that no mixture keeps."""
    low, high = np.zeros(len(sources)), np.ones(len(sources))
    for word, given, ends in (("min-share", least, low), ("max-share", most, high)):
        for name, share in given.items():
            if name not in sources:
                raise unknown(f"source (--{word})", name, sources)
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"--{word} {name}={share:g}: expected a number from 0 to 1")
            ends[list(sources).index(name)] = share
    for i in np.flatnonzero(low > high).tolist():
        raise ConfigError(
            f"{sources[i]}: its least share {low[i]:g} is above its largest, {high[i]:g}"
        )
    if low.sum() > 1.0 + EDGE or high.sum() < 1.0 - EDGE:
        raise ConfigError(
            f"the least shares sum to {low.sum():g}, the largest to {high.sum():g}: no mixture sums to 1"
        )
    return low, high


def nearest_mixtures(shares: Array, low: Array, high: Array) -> Array:
    """Shares (m, S) moved to the nearest mixtures between `low` and `high` (S,): each is
    clip(share + c, low, high) with the c that makes the sum 1."""
    floor, ceiling = (low - shares).min(axis=1) - 1.0, (high - shares).max(axis=1) + 1.0
    for _ in range(ROUNDS):
        middle = 0.5 * (floor + ceiling)
        over = np.clip(shares + middle[:, None], low, high).sum(axis=1) > 1.0
        ceiling, floor = np.where(over, middle, ceiling), np.where(over, floor, middle)
    kept = np.clip(shares + (0.5 * (floor + ceiling))[:, None], low, high)
    out: Array = kept / kept.sum(axis=1, keepdims=True)
    return out


def mixture_pool(count: int, low: Array, high: Array, rng: np.random.Generator) -> Array:
    """(m, S): every source alone, all alike, and `count` draws from Dirichlet distributions."""
    s = len(low)
    parts = [np.eye(s), np.full((1, s), 1.0 / s)]
    each = np.array_split(np.arange(count), len(SHARPNESS))
    parts += [rng.dirichlet(np.full(s, a), len(n)) for a, n in zip(SHARPNESS, each, strict=True)]
    return distinct(nearest_mixtures(np.vstack(parts), low, high))


def distinct(shares: Array) -> Array:
    """Those (m, S) that differ by more than a hundredth of a percent."""
    _, first = np.unique(np.round(shares, 4), axis=0, return_index=True)
    out: Array = shares[np.sort(first)]
    return out

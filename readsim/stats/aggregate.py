"""Scores of one method over many worlds, after Agarwal et al. 2021 (arXiv 2108.13264).

Scores are (R, W): R runs (seeds) of W worlds, or of W cases of which several share a world, each
normalised so that they can be put together. The means are those of the paper's library, rliable.
"""

from collections.abc import Callable, Sequence

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats.intervals import LEVEL

RESAMPLES = 2_000
BLOCK = 100  # resamples at a time: what bounds the memory


def interquartile_mean(scores: Array) -> Array:
    """Mean of the middle half of all scores, runs and worlds put together (their IQM): (..., R, W) -> (...).

    It moves less than the mean when one world is extreme, and less than the median from seed to
    seed. As in rliable, floor(n / 4) scores are cut at either end.
    """
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1))


def optimality_gap(scores: Array, goal: float = 1.0) -> Array:
    """Mean shortfall to `goal`, (..., R, W) -> (...): goal - mean(min(score, goal)).

    What is above the goal counts as the goal.
    """
    out: Array = goal - np.minimum(scores, goal).mean(axis=(-2, -1))
    return out


def probability_of_improvement(scores: Array, others: Array) -> Array:
    """P(X > Y) + P(X = Y) / 2 for a run X of one method and Y of another on a random world.

    (..., R, W) and (..., R', W) -> (...): the mean over worlds of the Mann-Whitney U / (R R'). It
    says how often one is better, not by how much.
    """
    if min(scores.ndim, others.ndim) < 2 or scores.shape[-1] != others.shape[-1]:
        raise ConfigError(
            f"shapes {scores.shape} and {others.shape}: (runs, worlds) of the same worlds"
        )
    wins = np.sign(scores[..., :, None, :] - others[..., None, :, :])
    out: Array = 0.5 + 0.5 * wins.mean(axis=(-3, -2, -1))
    return out


def performance_profile(scores: Array, levels: Array) -> Array:
    """Share of all scores (R, W) above each level: (n,) levels -> (n,), falling from 1 to 0.

    The run-score distribution of Agarwal et al.; one curve above another everywhere is stochastic
    dominance.
    """
    out: Array = (scores.ravel()[None, :] > np.asarray(levels)[:, None]).mean(axis=1)
    return out


def stratified_bootstrap(
    scores: Array,
    statistic: Callable[[Array], Array],
    *,
    worlds: Sequence[object] | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Percentile interval of `statistic` when seeds are drawn anew within each world.

    `scores` are (..., R, W): methods before the last two axes stay together, so that what they share
    by seed still cancels in their differences. `worlds` names the stratum of each of the W columns:
    columns of one world (its tasks and budgets) get the same seeds, because they share their luck.
    Without it each column is a stratum of its own, as in rliable. `statistic` gets resamples as one
    more axis before the last two, (..., n, R, W), and gives (..., n).

    Worlds are fixed: the interval says nothing about other worlds. With a few seeds it is too short:
    the spread that it sees is sqrt((R - 1) / R) of what it is.
    """
    runs, columns = scores.shape[-2:]
    names = list(range(columns)) if worlds is None else list(worlds)
    if len(names) != columns:
        raise ConfigError(f"{len(names)} worlds for {columns} columns of scores")
    known = list(dict.fromkeys(names))
    stratum = np.array([known.index(name) for name in names])
    rng = np.random.default_rng(seed)
    values = []
    for start in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - start)
        drawn = rng.integers(0, runs, (count, runs, len(known)))[..., stratum]
        values.append(statistic(scores[..., drawn, np.arange(columns)]))
    both = np.concatenate(values, axis=-1)
    low, high = np.quantile(both, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high

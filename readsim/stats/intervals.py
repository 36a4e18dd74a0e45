"""Intervals of a mean over seeds: Student's t and the bootstrap."""

import numpy as np

from readsim.arrays import Array

LEVEL = 0.95
RESAMPLES = 9_999


def half_width(values: Array, level: float = LEVEL) -> Array:
    """Half of the Student t interval of a mean over the last axis: t_{n-1} s / sqrt(n), (..., n) -> (...).

    s has n - 1 in its denominator. NaN for n = 1: one value says nothing about its spread.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    n = values.shape[-1]
    if n < 2:
        return np.full(values.shape[:-1], np.nan)
    quantile = float(stdtrit(n - 1, 0.5 + level / 2.0))
    out: Array = quantile * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return out


def t_interval(values: Array, level: float = LEVEL) -> tuple[float, float]:
    """The Student t interval of the mean of values (n,); NaN for n = 1."""
    mean, half = float(values.mean()), float(half_width(values, level))
    return mean - half, mean + half


def bca_interval(
    values: Array, level: float = LEVEL, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The BCa bootstrap interval of the mean of values (n,), by `scipy.stats.bootstrap`.

    Bias-corrected and accelerated (Efron 1987). It assumes no shape, but resamples what is there:
    with fewer than about 15 seeds it covers less than it says, and Student's t is the better one.
    NaN for n < 3; the value itself, twice, where all are equal.
    """
    from scipy.stats import bootstrap

    if len(values) < 3:
        return (np.nan, np.nan)
    if no_spread(values):
        return (float(values.mean()), float(values.mean()))
    result = bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def no_spread(values: Array) -> bool:
    """Whether values differ by rounding only."""
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max() + 1e-12)

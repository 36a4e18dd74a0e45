"""Assumptions 4.6 and C.1, calibrated uncertainty: |q - mu| <= kappa sigma for all candidates, always.

Precise form: with probability >= 1 - delta over runs, at every step t and for *every* candidate, also
the unplayed optimum, |q(x_t, alpha) - mu_t| <= beta sigma_t, mu and sigma fitted before step t.

It holds where the ensemble contains the truth and sigma is its error's scale. Known failures: a
bootstrap deviation leaves out misspecification (with more data it shrinks, the bias does not);
sigma = 0 with any error; a kappa that shrinks. Repairs: `readsim.allocators.read.calibration`.
"""

from collections.abc import Sequence

import numpy as np

from readsim.allocators.read.calibration import standard_errors
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats.intervals import t_interval
from readsim.theory.result import Result, Statement
from readsim.theory.witness import Decision


def coverage(error: Array, sigma: Array, kappa: float | Array) -> float:
    """Share of pairs with |error| <= kappa sigma; error is q - mu (or reward - mu, with its noise)."""
    size = np.asarray(error)
    if not size.size:
        raise ConfigError("coverage: at least one pair is needed")
    inside = np.abs(size) <= np.asarray(kappa) * np.asarray(sigma)
    return float(np.mean(inside))


def reliability(error: Array, sigma: Array, levels: Array) -> Array:
    """Observed coverage at kappas that a normal error would be inside of with probability `levels`.

    (L,) -> (L,). The reliability curve: above the diagonal sigma is too wide, below it too narrow.
    Raises ConfigError for levels outside (0, 1).
    """
    from scipy.stats import norm

    wanted = np.asarray(levels, dtype=np.float64)
    if ((wanted <= 0) | (wanted >= 1)).any():
        raise ConfigError(f"levels {wanted}: between 0 and 1")
    return np.array([coverage(error, sigma, k) for k in norm.ppf(0.5 + wanted / 2)])


def empirical_beta(error: Array, sigma: Array) -> float:
    """The least beta with |error| <= beta sigma everywhere: max |error| / sigma."""
    return float(standard_errors(error, sigma).max())


def pairs(decisions: Sequence[Decision]) -> tuple[Array, Array]:
    """(q - mu, sigma) of all candidates of all decisions, flat."""
    error = np.concatenate([d.q - d.mu for d in decisions])
    return error, np.concatenate([d.sigma for d in decisions])


def by_run(decisions: Sequence[Decision], value: Sequence[float]) -> Array:
    """The mean of `value` (one per decision) within each run: (N,)."""
    seeds = np.array([d.seed for d in decisions])
    return np.array([np.mean(np.asarray(value)[seeds == s]) for s in dict.fromkeys(seeds.tolist())])


def mean_interval(values: Array) -> tuple[float, float, float]:
    """Mean and 95 % t interval over runs, cut to [0, 1]; one run has no interval but [0, 1]."""
    if len(values) < 2:
        return float(values.mean()), 0.0, 1.0
    low, high = t_interval(values)
    return float(values.mean()), max(float(low), 0.0), min(float(high), 1.0)


def check(decisions: Sequence[Decision], subject: str, delta: float = 0.1) -> Result:
    """Coverage of q over steps x all candidates at each decision's own kappa, beside 1 - delta.

    The pairwise share is what an interval can be put on; the assumption itself is about all pairs of a
    run at once: `detail["runs"]` is the share of runs in which nothing was outside, `detail["beta"]`
    the least width that would have covered every pair.
    """
    inside = [np.abs(d.q - d.mu) <= d.kappa * d.sigma for d in decisions]
    mean, low, high = mean_interval(by_run(decisions, [float(i.mean()) for i in inside]))
    whole = by_run(decisions, [float(i.all()) for i in inside])
    error, sigma = pairs(decisions)
    beta = empirical_beta(error, sigma)
    return Result(
        statement=Statement.CALIBRATED,
        subject=subject,
        measure="coverage of q by mu +- kappa sigma, share of candidates",
        statistic=mean,
        interval=(low, high),
        bound=1.0 - delta,
        sense=">=",
        advice=f"all pairs need beta = {beta:.1f}; ReAD's repair=residual or repair=conformal widen",
        detail={
            "runs": float((whole == 1.0).mean()),
            "beta": beta,
            "error": error,
            "sigma": sigma,
        },
    )

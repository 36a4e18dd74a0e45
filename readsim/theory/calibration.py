"""Assumptions 4.6 and C.1, calibrated uncertainty: |q - mu| <= kappa sigma for all candidates, always.

Precise form: with probability >= 1 - delta over runs, at every step t and for *every* candidate, also
the unplayed optimum, |q(x_t, alpha) - mu_t| <= beta sigma_t, mu and sigma fitted before step t. A mean
over pairs is another statement: one candidate outside, once in each run, and none is covered.

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
from readsim.theory.result import Effect, PaperStatement, Result
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


def share_interval(hits: int, runs: int, level: float = 0.95) -> tuple[float, float]:
    """Exact one-sided limits of a probability of which `hits` of `runs` were seen (Clopper & Pearson 1934).

    Each is beyond the truth with probability at most 1 - level: a verdict by either has that level.
    """
    from scipy.stats import beta

    low = float(beta.ppf(1 - level, hits, runs - hits + 1)) if hits else 0.0
    high = float(beta.ppf(level, hits + 1, runs - hits)) if hits < runs else 1.0
    return low, high


def runs_needed(delta: float, level: float = 0.95) -> int:
    """How many runs without one failure show a share of failures of at most delta: 29 for .1."""
    return int(np.ceil(np.log(1 - level) / np.log(1 - delta)))


def check(decisions: Sequence[Decision], subject: str, delta: float = 0.1) -> Result:
    """The share of runs in which every candidate of every step was covered, beside 1 - delta.

    That is the assumption: all pairs of a run at once, with probability 1 - delta over runs. The share
    of pairs is `detail["pairs"]`, the least width that would have covered all of them `detail["beta"]`.
    Fewer than 29 runs cannot show that .9 of them are covered.
    """
    # where no kappa explains a choice, none was used: nothing is covered
    inside = [np.abs(d.q - d.mu) <= d.kappa * d.sigma for d in decisions]
    whole = by_run(decisions, [float(i.all()) for i in inside]) == 1.0
    error, sigma = pairs(decisions)
    beta = empirical_beta(error, sigma)
    size = standard_errors(error, sigma)
    step = int(np.concatenate([np.full(len(d.q), d.step) for d in decisions])[np.argmax(size)])
    return Result(
        statement=PaperStatement.CALIBRATED,
        subject=subject,
        measure="share of runs with all q inside mu +- kappa sigma",
        statistic=float(whole.mean()),
        interval=share_interval(int(whole.sum()), len(whole)),
        bound=1.0 - delta,
        sense=">=",
        effect=Effect(beta, "sigma, the width that covers all", f"step {step}"),
        advice=f"covering all candidates needs a width of {beta:.1f} sigma",
        detail={
            "pairs": float(np.mean(np.concatenate(inside))),
            "runs": float(whole.mean()),
            "beta": beta,
            "error": error,
            "sigma": sigma,
        },
    )

"""Intervals that hold: how many of its own standard deviations a prediction misses by, at most.

Split-conformal prediction on cross-validated residuals (Vovk 2015; Barber et al. 2021, CV+; scaled as in Lei
et al. 2018): with e_i = |predicted_i - measured_i| / sd_i for held-out rows of G independent runs, the
factor is the quantile 0.95 (G + 1) / G of e, and the interval is predicted +- factor x sd. It needs no law to
be right, only that new runs are like those that were held out. Where G is below FEW, capabilities share one
quantile, with the runs of all of them as G; below LEAST it cannot be had at all, and Student's t with G - 1
degrees of freedom stands in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array

LEVEL = 0.95
FEW, LEAST = 100, 20


class Widening(NamedTuple):
    """factor (K,) of the standard deviations, and how it was found."""

    factor: Array
    how: str


def widening_of(errors: Array, weight: Array, groups: NDArray[np.int64]) -> Widening:
    """From errors in standard deviations (n, K), nan where unknown, of rows with weight (n, K) in groups."""
    from scipy.special import stdtrit

    there = np.isfinite(errors) & (weight > 0.0)
    runs = np.array([len(np.unique(groups[rows])) for rows in there.T])
    fewest = int(runs.min())
    if fewest >= FEW:
        own = [quantile(errors[t, j], weight[t, j], int(runs[j])) for j, t in enumerate(there.T)]
        return Widening(np.array(own), f"the {LEVEL:.0%} quantile of held-out errors")
    if fewest >= LEAST:
        one = quantile(errors[there], weight[there], int(runs.sum()))
        how = f"the {LEVEL:.0%} quantile of held-out errors of all capabilities together"
        return Widening(np.full(errors.shape[1], one), how)
    size = np.sqrt(np.average(errors[there] ** 2, weights=weight[there])) if there.any() else np.nan
    free = max(fewest - 1, 1)
    t = float(stdtrit(free, 0.5 + LEVEL / 2.0)) * np.sqrt(1.0 + 1.0 / max(fewest, 1))
    return Widening(np.full(errors.shape[1], t * size), f"Student's t, {free} degrees of freedom")


def quantile(errors: Array, weight: Array, runs: int) -> float:
    """The weighted quantile LEVEL (runs + 1) / runs of errors (m,), the largest at most."""
    order = np.argsort(errors)
    upto = np.cumsum(weight[order])
    upto = (upto - 0.5 * weight[order]) / upto[-1]
    wanted = min(LEVEL * (runs + 1) / runs, 1.0)
    return float(np.interp(wanted, upto, errors[order]))

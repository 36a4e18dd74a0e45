"""Observed orders of convergence: the exponent p of |residual| ~ c h^p, with an interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.errors import ConfigError

NEGLIGIBLE = 1e-5  # of what is first order in the step: an error up to this is no violation
RUNGS = 6
TAIL = 3
ROUNDING = 1e-13  # residuals below this, in units of what was subtracted, are rounding


class ObservedOrder(NamedTuple):
    """`value` with its 95 % interval. Residuals that are all rounding have infinite order."""

    value: float
    low: float
    high: float


def observed_order(steps: ArrayLike, residuals: ArrayLike, scale: float = 1.0) -> ObservedOrder:
    """Least-squares slope of log residual on log step, replicates next to each other.

    steps (H,) > 0 of at least two sizes; residuals (H,) or (H, n) >= 0 for n random draws of whatever
    else varies. Each draw gives one slope; the interval is Student's over draws, for one draw that of
    the regression (at least three steps). `scale` is the size of the numbers that were subtracted:
    residuals below 1e-13 of it are rounding, and where a draw has fewer than two others it is left
    out; if all are, the order is infinite: the residual is zero.

    Raises ConfigError where shapes or signs do not fit.
    """
    from scipy.stats import linregress, t

    h = np.asarray(steps, dtype=np.float64)
    r = np.asarray(residuals, dtype=np.float64)
    r = r[:, None] if r.ndim == 1 else r
    if h.ndim != 1 or r.ndim != 2 or len(h) != len(r) or len(np.unique(h)) < 2 or (h <= 0).any():
        raise ConfigError(f"steps {h.shape} and residuals {r.shape}: (H,) > 0 and (H,) or (H, n)")
    if not np.isfinite(r).all() or (r < 0).any():
        raise ConfigError("residuals: finite numbers >= 0")
    slopes, error = [], np.nan
    for column in r.T:
        real = column > ROUNDING * scale
        if real.sum() < 2:
            continue
        line = linregress(np.log(h[real]), np.log(column[real]))
        slopes.append(float(line.slope))
        if real.sum() > 2:
            error = float(line.stderr) * float(t.ppf(0.975, real.sum() - 2))
    if not slopes:
        return ObservedOrder(np.inf, np.inf, np.inf)
    mean = float(np.mean(slopes))
    if len(slopes) > 1:
        error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)) * t.ppf(0.975, len(slopes) - 1))
    return ObservedOrder(mean, mean - error, mean + error)


def ladder(top: float, rungs: int = RUNGS) -> Array:
    """`top` and quarters of it: (rungs,) step sizes."""
    out: Array = top * 0.25 ** np.arange(rungs, dtype=np.float64)
    return out


def tail_order(steps: Array, residual: Array, floor: Array) -> float:
    """The order at the smallest steps that still show something: slope of log residual on log step.

    steps, residual and floor are (H,), steps falling. Residuals up to their floor count as nothing; the
    last three above it are used: a statement about small steps is refuted there, however well large ones
    look. Infinite where fewer than two are left.
    """
    real = np.flatnonzero(residual > floor)[-TAIL:]
    if len(real) < 2:
        return float(np.inf)
    return float(np.polyfit(np.log(steps[real]), np.log(residual[real]), 1)[0])

"""How well rows were predicted that the fit had not seen, and how much of the rest is noise."""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.law import Fitted
from readsim.worlds.probe import Probe

MOST_ITEMS = 1e6  # a residual smaller than that many items would leave counts as none


class Quality(NamedTuple):
    """Of one capability, in profile units; nan where it cannot be computed."""

    capability: str
    rows: int
    rmse: float
    spearman: float
    r2: float


def compare(predicted: Array, measured: Array, names: tuple[str, ...]) -> list[Quality]:
    """Column by column, (n, K) each; rows where either is nan do not count."""
    from scipy.stats import spearmanr

    out = []
    for j, name in enumerate(names):
        there = np.isfinite(predicted[:, j]) & np.isfinite(measured[:, j])
        p, m = predicted[there, j], measured[there, j]
        n = len(p)
        rmse = float(np.sqrt(((p - m) ** 2).mean())) if n else np.nan
        vary = n > 2 and np.ptp(p) > 0 and np.ptp(m) > 0
        rank = float(spearmanr(p, m).statistic) if vary else np.nan
        spread = float(m.var()) if n > 1 else 0.0
        out.append(Quality(name, n, rmse, rank, 1.0 - rmse**2 / spread if spread else np.nan))
    return out


def quality(fitted: Fitted) -> list[Quality]:
    """Of the held-out predictions."""
    return compare(fitted.held_out, fitted.targets, fitted.world.capabilities)


def items_of(fitted: Fitted) -> tuple[Array, str]:
    """Probe items (K,) that would give as much noise as the runs have, and where that comes from.

    From rows with equal tokens where there are enough of them, else from the held-out residuals,
    which hold the error of the law as well: an upper bound of the noise. 0: none to speak of.
    """
    variance, which = _repeats(fitted), "repeats of the same mixture"
    if variance is None:
        variance = np.nanmean((fitted.held_out - fitted.targets) ** 2, axis=0)
        which = "held-out residuals, an upper bound"
    k = len(fitted.world.capabilities)
    one = Probe(np.ones(k), np.zeros(k), np.ones(k), 0.0, fitted.world.is_score)
    unit = one.deviation(np.nanmean(fitted.targets, axis=0)) ** 2
    items = np.round(unit / np.maximum(variance, 1e-300))
    return np.where(items > MOST_ITEMS, 0.0, np.maximum(items, 1.0)), which


def _repeats(fitted: Fitted, least: int = 5) -> Array | None:
    """Variance within rows of equal tokens (K,), or None if fewer than `least` say anything."""
    _, cell = np.unique(fitted.tokens, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    square, freedom = np.zeros(fitted.targets.shape[1]), np.zeros(fitted.targets.shape[1])
    for c in np.unique(cell):
        rows = fitted.targets[cell == c]
        count = np.isfinite(rows).sum(axis=0)
        if len(rows) > 1 and (count > 1).all():
            square += count * np.nanvar(rows, axis=0)
            freedom += count - 1
    return square / freedom if (freedom >= least).all() else None

"""How well a fit predicts held-out rows, and in words what the data cannot tell."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.intervals import FitIntervals
from readsim.fitting.law import Fitted
from readsim.worlds.probe import Probe

LITTLE, TOGETHER, WEAK, LOOSE = 0.05, 0.98, 0.5, 0.25
SHOWN = 4  # names in a sentence
MOST_ITEMS = 1e6  # a residual smaller than that many items would leave counts as none


def warnings_of(fitted: Fitted, sure: FitIntervals, runs: int) -> list[str]:
    """One sentence for each thing that `runs` different runs or mixtures leave open: shown by `readsim
    fit`, and kept in the world's provenance."""
    return [*_rows(fitted, runs), *_sources(fitted), *_bounds(fitted, sure), *_capabilities(fitted)]


def _rows(fitted: Fitted, runs: int) -> Iterator[str]:
    n, s = fitted.tokens.shape
    if runs < 2 * s:
        yield (
            f"{n} rows of {runs} different runs are few for {s} sources; at least {2 * s} runs "
            "are needed to tell the effects of sources apart"
        )
    if runs == 1:
        yield (
            "all rows are of one run: its held-out rows have neighbours in the fit, so errors and "
            "intervals are too small"
        )
    if fitted.choice.harm:
        yield (
            "the fit has harm that grows faster with tokens: do not extrapolate far beyond the "
            "tokens of the runs"
        )


def _sources(fitted: Fitted) -> Iterator[str]:
    total = fitted.tokens.sum(axis=1)
    shares = fitted.tokens[total > 0] / total[total > 0, None]
    names = fitted.world.sources
    still = [names[i] for i in np.flatnonzero(shares.std(axis=0) < 1e-9)]
    if still:
        yield f"the share of {_some(still)} never varies: its effect is the law's guess"
    small = [names[i] for i in np.flatnonzero(shares.max(axis=0) < LITTLE)]
    if small:
        yield (
            f"{_some(small)} never got {100 * LITTLE:.0f} % of the tokens: predictions above that are guesses"
        )
    moving = np.flatnonzero(shares.std(axis=0) >= 1e-9)
    if len(moving) > 2:
        close = np.triu(np.abs(np.corrcoef(shares[:, moving].T)), 1) > TOGETHER
        pairs = [f"{names[moving[i]]} and {names[moving[j]]}" for i, j in np.argwhere(close)]
        if pairs:
            yield f"the shares of {_some(pairs)} move together: their effects cannot be separated"


def _bounds(fitted: Fitted, sure: FitIntervals) -> Iterator[str]:
    span = np.abs(sure.ceiling.value - sure.start.value)
    base = "a row of the model before training (0 tokens and its scores) determines it"
    more = "only runs that come near it determine it"
    for word, interval, help_ in (("start", sure.start, base), ("ceiling", sure.ceiling, more)):
        unknown = [fitted.world.capabilities[j] for j in np.flatnonzero(~interval.known)]
        if unknown:
            yield (
                f"the {word} of {_some(unknown)} is not identified: the runs do not determine it, and the "
                f"world's number is the law's guess; {help_}"
            )
        wide = np.flatnonzero(interval.known & (interval.high - interval.low > 2.0 * LOOSE * span))
        if len(wide):
            names = [fitted.world.capabilities[j] for j in wide]
            yield f"the {word} of {_some(names)} is uncertain by more than a quarter of the way up"


def _capabilities(fitted: Fitted) -> Iterator[str]:
    weak = [q.capability for q in quality(fitted) if not q.r2 >= WEAK]
    if weak:
        yield f"held-out runs of {_some(weak)} are predicted badly or not at all (R2 below {WEAK:g})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


class Quality(NamedTuple):
    """Of one capability, in profile units; nan where it cannot be computed."""

    capability: str
    rows: int
    rmse: float
    spearman: float
    r2: float


def compare_columns(predicted: Array, measured: Array, names: tuple[str, ...]) -> list[Quality]:
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
    return compare_columns(fitted.held_out, fitted.targets, fitted.world.capabilities)


def items_of(fitted: Fitted, given: Array | None = None) -> tuple[Array, str]:
    """Probe items (K,) that would give as much noise as the runs have, and where that comes from.

    Those `given` (n, K), on average; else from rows with equal tokens where there are enough of them, else
    from the held-out residuals, which hold the error of the law as well: an upper bound of the noise.
    0: none to speak of.
    """
    if given is not None:
        return np.round(1.0 / (1.0 / given).mean(axis=0)), "the items that were given"
    variance, which = _repeats(fitted), "repeats of the same mixture"
    if variance is None:
        variance = np.nanmean((fitted.held_out - fitted.targets) ** 2, axis=0)
        which = "held-out residuals, an upper bound"
    k = len(fitted.world.capabilities)
    one = Probe(np.ones(k), np.zeros(k), np.ones(k), 0.0, fitted.world.scale)
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

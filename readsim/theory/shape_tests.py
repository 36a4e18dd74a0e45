"""Tests of shape on noisy rows of runs: do sources add up, and are their parts concave and nondecreasing?

Each is a test of nested fits whose null is rich: for every source a sum of hinges min(b, k) at many knots,
dense towards 0, so that a square root or an exponential lies in it to a thousandth of its height. Fitted by
nonnegative least squares, most hinges are 0 and little noise is fitted. Concave and nondecreasing is "all
coefficients >= 0"; a free curve may subtract coarse hinges too; an interaction is a free multiple of b_i b_j,
which is straight along each source. Their null distribution is simulated from the fitted
null, with an error that rows of a run share and one of their own, both Gaussian.
"""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError

LEAST_RUNS = 5
DRAWS = 199
KNOTS, COARSE = 10, 3
NEGLIGIBLE = 1e-3  # of the range of the fitted utilities: misfit that no knot can take away
SEEN = 0.01  # score units rms: the departure whose power is told


class Fits(NamedTuple):
    """A null and a wider fit. `free` (n, F): columns of any sign in both; `more` (n, M) in the wider one
    alone; `curves` (n, H) with coefficients >= 0 in both; `bent` (n, J), >= 0, in the wider alone."""

    free: Array
    more: Array
    curves: Array
    bent: Array


class ShapeTest(NamedTuple):
    """p under the null; `size`, rms of what the wider fit adds, score units; the power against SEEN."""

    p: float
    size: float
    power: float


def hinges(tokens: Array, knots: int = KNOTS) -> Array:
    """min(b_i, k) / k of each source of tokens (n, S), k at quantiles of its tokens and nearer to 0.

    (n, <= 1.5 knots S). Every concave nondecreasing function with these corners, flat beyond the last, is a
    nonnegative combination. Columns that repeat another or are 0 are left out. Raises ConfigError for no
    tokens at all.
    """
    columns: list[Array] = []
    for b in tokens.T:
        positive = b[b > 0]
        if not len(positive):
            continue
        places = np.quantile(positive, np.linspace(0, 1, knots + 1)[1:])
        near = places[0] * 0.5 ** np.arange(1, knots // 2 + 1)
        columns.extend(np.minimum(b, k) / k for k in np.unique([*places, *near]))
    if not columns:
        raise ConfigError("tokens are all 0: nothing to fit")
    return np.unique(np.stack(columns, axis=1), axis=1)


def products(tokens: Array) -> Array:
    """b_i b_j of all pairs i < j that meet, scaled to 1: (n, P)."""
    s = tokens.shape[1]
    x = tokens / np.where(tokens.max(axis=0) > 0, tokens.max(axis=0), 1.0)
    both = [x[:, i] * x[:, j] for i in range(s) for j in range(i + 1, s)]
    return np.stack([c for c in both if c.any()] or [np.zeros(len(tokens))], axis=1)


def additive(tokens: Array) -> Fits:
    """Null: free curves of one source each. Wider: with interactions."""
    curves = np.column_stack([hinges(tokens), -hinges(tokens, COARSE)])
    return Fits(np.ones((len(tokens), 1)), products(tokens), curves, np.zeros((len(tokens), 0)))


def concave(tokens: Array) -> Fits:
    """Null: concave nondecreasing curves, and interactions. Wider: free curves."""
    free = np.column_stack([np.ones(len(tokens)), products(tokens)])
    coarse = -hinges(tokens, COARSE)
    return Fits(free, np.zeros((len(tokens), 0)), hinges(tokens), coarse)


def _without(free: Array, *columns: Array) -> list[Array]:
    """Columns less their part in the span of `free`: its coefficients need no sign (Frisch and Waugh)."""
    q, r = np.linalg.qr(free)
    q = q[:, np.abs(np.diag(r)) > 1e-10 * max(float(np.abs(np.diag(r)).max()), 1e-300)]
    return [c - q @ (q.T @ c) for c in columns]


def _fitted(curves: Array, y: Array) -> Array:
    from scipy.optimize import nnls

    if not curves.shape[1]:
        return np.zeros(len(y))
    out: Array = curves @ nnls(curves, y, maxiter=50 * curves.shape[1])[0]
    return out


class _Pair:
    """Both fits of whitened rows: the relative fall of the residual sum of squares, and fitted values."""

    def __init__(self, fits: Fits) -> None:
        self.null_free, self.wide_free = fits.free, np.column_stack([fits.free, fits.more])
        (self.null_curves,) = _without(self.null_free, fits.curves)
        (self.wide_curves,) = _without(self.wide_free, np.column_stack([fits.curves, fits.bent]))

    def residuals(self, y: Array) -> tuple[Array, Array]:
        (small,) = _without(self.null_free, y)
        (large,) = _without(self.wide_free, y)
        return small - _fitted(self.null_curves, small), large - _fitted(self.wide_curves, large)

    def statistic(self, y: Array) -> float:
        null, wide = self.residuals(y)
        return float((null @ null - wide @ wide) / max(float(wide @ wide), 1e-300))


def _shared(residual: Array, run: Array) -> float:
    """Variance that rows of a run share over that of their own, by moments, >= 0."""
    sizes = np.bincount(run).astype(np.float64)
    if (sizes < 2).all():
        return 0.0
    means = np.bincount(run, residual) / sizes
    own = float(np.sum((residual - means[run]) ** 2) / max(float((sizes - 1).sum()), 1.0))
    between = float(np.sum(means**2) / len(means)) - own / float(np.mean(sizes))
    return max(between / max(own, 1e-300), 0.0)


def _whitener(run: Array, ratio: float) -> Array:
    """W (n, n) with W (I + ratio 1 1^T within runs) W^T = I."""
    same = (run[:, None] == run[None]).astype(np.float64)
    size = same.sum(axis=1)
    out: Array = np.eye(len(run)) - same / size[:, None] * (
        1 - 1 / np.sqrt(1 + ratio * size[:, None])
    )
    return out


def shape_test(fits: Fits, y: Array, run: Array, seed: int = 0, *, draws: int = DRAWS) -> ShapeTest:
    """p of the null fit against the wider one that contains it, for y (n,) of runs `run` (n,).

    `draws` logs are simulated from the null. The statistic is the relative fall of the residual sum of
    squares. A departure of less than a
    thousandth of the fitted range is none: p is 1. Raises ConfigError with fewer than 5 runs, or fewer rows
    than coefficients of any sign.
    """
    _, place = np.unique(run, return_inverse=True)
    runs = int(place.max()) + 1
    if runs < LEAST_RUNS:
        raise ConfigError(f"{runs} runs: at least {LEAST_RUNS} are needed for this test")
    wide = fits.free.shape[1] + fits.more.shape[1]
    if wide + 5 > len(y):
        raise ConfigError(f"{len(y)} rows for {wide} coefficients: more are needed")
    null, other = _Pair(fits).residuals(y)
    size = float(np.sqrt(np.mean((null - other) ** 2)))
    if size <= NEGLIGIBLE * max(float(np.ptp(y - null)), 1e-300):
        return ShapeTest(1.0, size, np.nan)
    white = _whitener(place, _shared(other, place))
    pair = _Pair(Fits(*(white @ part for part in fits)))
    y = white @ y
    null, other = pair.residuals(y)
    fitted, seen = y - null, pair.statistic(y)
    used = np.linalg.matrix_rank(pair.wide_free) + 2.0 * np.sqrt(pair.wide_curves.shape[1])
    sd = float(np.sqrt(other @ other / max(len(y) - used, 1.0)))
    rng = np.random.default_rng(seed)
    drawn = np.array([pair.statistic(fitted + sd * rng.normal(size=len(y))) for _ in range(draws)])
    p = (1 + int(np.sum(drawn >= seen))) / (1 + draws)
    return ShapeTest(p, size, _power(pair, fitted, sd, white, fits, drawn, rng))


def _power(
    pair: _Pair,
    fitted: Array,
    sd: float,
    white: Array,
    fits: Fits,
    drawn: Array,
    rng: np.random.Generator,
) -> float:
    """Share of simulated logs of this design in which a departure of SEEN rms would be refused.

    Its direction is drawn each time among those that the wider fit has and the null has not.
    """
    added = fits.more if fits.more.shape[1] else fits.bent
    critical, tries, hits = float(np.quantile(drawn, 0.95)), max(len(drawn) // 4, 10), 0
    for _ in range(tries):
        bump = added @ np.abs(rng.normal(size=added.shape[1]))
        # what the null can follow is no departure
        away = white @ bump
        rest = pair.residuals(away)[0] if away.any() else away
        scale = float(np.sqrt(np.mean(rest**2)))
        moved = fitted + (SEEN / scale) * rest if scale > 1e-12 else fitted
        hits += pair.statistic(moved + sd * rng.normal(size=len(fitted))) >= critical
    return hits / tries

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
RATIOS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
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


def additive_fits(tokens: Array) -> Fits:
    """Null: free curves of one source each. Wider: with interactions."""
    curves = np.column_stack([hinges(tokens), -hinges(tokens, COARSE)])
    return Fits(np.ones((len(tokens), 1)), products(tokens), curves, np.zeros((len(tokens), 0)))


def concave_fits(tokens: Array) -> Fits:
    """Null: concave nondecreasing curves, and interactions. Wider: free curves."""
    free = np.column_stack([np.ones(len(tokens)), products(tokens)])
    coarse = -hinges(tokens, COARSE)
    return Fits(free, np.zeros((len(tokens), 0)), hinges(tokens), coarse)


def _basis(columns: Array) -> Array:
    """An orthonormal basis (n, r) of the columns' span."""
    q, r = np.linalg.qr(columns)
    size = np.abs(np.diag(r))
    out: Array = q[:, size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)]
    return out


def _without(q: Array, c: Array) -> Array:
    """Columns less their part in the span of a basis."""
    out: Array = c - q @ (q.T @ c)
    return out


class _Null:
    """The fit under the null: what it leaves, and the basis of what it uses."""

    def __init__(self, fits: Fits, free: Array, curves: Array, y: Array) -> None:
        """`free` is a basis of the free columns, `curves` are without it."""
        from scipy.optimize import nnls

        rest = _without(free, y)
        weights = np.zeros(0)
        if curves.shape[1]:
            weights = nnls(curves, rest, maxiter=50 * curves.shape[1])[0]
        self.left = rest - curves @ weights
        self.used = _basis(np.column_stack([fits.free, fits.curves[:, weights > 0]]))


class _Test:
    """Of whitened columns: which part of what the null leaves is explained by what is wider."""

    def __init__(self, fits: Fits) -> None:
        self.fits, self.free = fits, _basis(fits.free)
        self.curves = _without(self.free, fits.curves)

    def null(self, y: Array) -> _Null:
        return _Null(self.fits, self.free, self.curves, y)

    def statistic(self, null: _Null) -> float:
        """Between 0 and 1. Against what the null leaves, beyond the columns that it uses: a score test."""
        from scipy.optimize import nnls

        left, fits = null.left, self.fits
        total = max(float(left @ left), 1e-300)
        if fits.more.shape[1]:
            part = _basis(_without(null.used, fits.more)).T @ left
            return float(part @ part) / total
        bent = _without(null.used, fits.bent)
        size = np.linalg.norm(bent, axis=0)
        bent = bent[:, size > 1e-9] / size[size > 1e-9]
        rest = nnls(bent, left, maxiter=50 * max(bent.shape[1], 1))[1] if bent.size else total**0.5
        return 1.0 - float(rest) ** 2 / total


def _shared(fits: Fits, y: Array, run: Array) -> float:
    """Variance that rows of a run share over that of their own: the best of a few by restricted likelihood.

    Of the null, with the curves that its fit uses: what they take of the runs' errors is accounted for.
    """
    sizes = np.unique(run, return_counts=True)[1].astype(np.float64)
    if (sizes < 2).all():
        return 0.0
    x = _Test(fits).null(y).used
    found = []
    for ratio in RATIOS:
        white = _whitener(run, ratio)
        q, r = np.linalg.qr(white @ x)
        size = np.abs(np.diag(r))
        real = size > 1e-9 * size.max()
        left = white @ y
        left = left - q[:, real] @ (q[:, real].T @ left)
        free = len(y) - int(real.sum())
        loss = free * np.log(max(float(left @ left), 1e-300)) + 2 * np.log(size[real]).sum()
        found.append(loss + np.log1p(ratio * sizes).sum())
    return RATIOS[int(np.argmin(found))]


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

    `draws` logs are simulated from the null. The statistic is which part of what the null leaves the wider
    columns explain. A departure of less than a
    thousandth of the fitted range is none: p is 1. Raises ConfigError with fewer than 5 runs, or fewer rows
    than coefficients of any sign.
    """
    place = np.unique(run, return_inverse=True)[1].astype(np.float64)
    runs = int(place.max()) + 1
    if runs < LEAST_RUNS:
        raise ConfigError(f"{runs} runs: at least {LEAST_RUNS} are needed for this test")
    wide = fits.free.shape[1] + fits.more.shape[1]
    if wide + 5 > len(y):
        raise ConfigError(f"{len(y)} rows for {wide} coefficients: more are needed")
    test = _Test(fits)
    null = test.null(y)
    size = float(np.sqrt(test.statistic(null) * np.mean(null.left**2)))
    if size <= NEGLIGIBLE * max(float(np.ptp(y - null.left)), 1e-300):
        return ShapeTest(1.0, size, np.nan)
    white = _whitener(place, _shared(fits, y, place))
    test = _Test(Fits(*(white @ part for part in fits)))
    y = white @ y
    null = test.null(y)
    fitted, seen = y - null.left, test.statistic(null)
    sd = float(np.sqrt(null.left @ null.left / max(len(y) - null.used.shape[1], 1)))
    rng = np.random.default_rng(seed)

    def simulated(mean: Array) -> float:
        return test.statistic(test.null(mean + sd * rng.normal(size=len(y))))

    drawn = np.array([simulated(fitted) for _ in range(draws)])
    p = (1 + int(np.sum(drawn >= seen))) / (1 + draws)
    critical, tries, hits = float(np.quantile(drawn, 0.95)), max(draws // 4, 10), 0
    added = fits.more if fits.more.shape[1] else fits.bent
    for _ in range(tries):
        # a direction that the wider fit has; what the null can follow of it is no departure
        rest = test.null(white @ added @ np.abs(rng.normal(size=added.shape[1]))).left
        scale = float(np.sqrt(np.mean(rest**2)))
        hits += simulated(fitted + rest * (SEEN / scale if scale > 1e-12 else 0.0)) >= critical
    return ShapeTest(p, size, hits / tries)

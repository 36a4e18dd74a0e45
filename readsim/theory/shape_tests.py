"""Tests of shape on noisy rows of runs: do sources add up, are their parts concave, do these never fall?

The mean of each run takes out what its rows share; the errors that are left are taken to be
Gaussian, independent and of one size. Then

    adds up        y = run + sum_i f_i(b_i), f_i smooth  beside  the same + sum_i<j c_ij b_i b_j:  an F test
    concave        y = run + sum_i<j c_ij b_i b_j + sum_i g_i(b_i), g_i concave of any slope, beside g_i free
    nondecreasing  the same with g_i nondecreasing of any curvature

The F test is exact where its curves hold the truth: up to eight columns a source, so that a square root, an
exponential or an S lies in them to a thousandth of its height. A concave curve is a line and hinges
min(b, k) with coefficients >= 0, a nondecreasing one is ramps from one corner to the next with coefficients
>= 0, fitted by nonnegative least squares; a free curve may subtract coarse ones too, and the distribution
under the null is simulated from the fitted null: these tests are conservative.

A test sees along the mixtures that the runs visited alone. Out of its reach is an interaction of sources that
no run had together, and, where all runs have one budget, much that a curve of one source explains as well.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError

LEAST_RUNS = 5
DRAWS = 199
KNOTS, COARSE = 32, 3
SMOOTH = 8  # most columns of a source's curve, and
FEWEST = 3
NEGLIGIBLE = 1e-3  # of the range of the fitted utilities: misfit that no knot can take away
SEEN = 0.01  # rms, one point where y is a score in [0, 1]: the departure whose power is told
DOUBLINGS = 16
REACH = 0.01  # what the null follows but for this part of its size is out of reach


class ShapeTest(NamedTuple):
    """p under the null; `size`, rms of what the wider fit adds, in the unit of y; the power against `seen`.

    The power is the chance of seeing a departure that no fit of the null explains, of `seen` rms on these
    rows. Power NaN: there is no such departure on these rows, so nothing was tested, and p is 1. A misfit
    below a thousandth of what the fit explains within runs counts as none: p is 1.
    """

    p: float
    size: float
    power: float


def smooth(tokens: Array, size: int = SMOOTH) -> Array:
    """`size` columns of each source of tokens (n, S) that was used, with x = b / max b: (n, <= size S).

    x, x^2, sqrt(x), x^3, and min(x, k) at k = 1/8, 1/2, 1/4, 1/16, in this order."""
    columns: list[Array] = []
    for b in tokens.T:
        if b.any():
            x = b / b.max()
            made = [x, x**2, np.sqrt(x), x**3, *(np.minimum(x, 2.0**-k) for k in (3, 1, 2, 4))]
            columns += made[:size]
    if not columns:
        raise ConfigError("tokens are all 0: nothing to fit")
    return np.stack(columns, axis=1)


def _corners(b: Array, knots: int) -> Array:
    """Where curves of a source may bend: at quantiles of its tokens b (n,), not all 0, and nearer to 0."""
    places = np.quantile(b[b > 0], np.linspace(0, 1, knots + 1)[1:])
    near = places[0] * 0.5 ** np.arange(1, knots // 2 + 1)
    out: Array = np.unique([*places, *near])
    return out


def ramps(tokens: Array, knots: int = KNOTS) -> Array:
    """The rise from each corner of a source to the next, 0 before it and 1 after it, of tokens (n, S).

    (n, <= 1.5 knots S). Every nondecreasing function that is straight between the corners of `hinges` is a
    nonnegative combination. Raises ConfigError for no tokens at all.
    """
    columns: list[Array] = []
    for b in tokens.T:
        if b.any():
            ends = np.array([0.0, *_corners(b, knots)])
            columns.extend(np.clip((b - low) / (high - low), 0, 1) for low, high in pairwise(ends))
    return _distinct(columns)


def hinges(tokens: Array, knots: int = KNOTS) -> Array:
    """min(b_i, k) / k of each source of tokens (n, S), k at quantiles of its tokens and nearer to 0.

    (n, <= 1.5 knots S). Every concave nondecreasing function with these corners, flat beyond the last, is a
    nonnegative combination. Columns that repeat another or are 0 are left out. Raises ConfigError for no
    tokens at all.
    """
    columns: list[Array] = []
    for b in tokens.T:
        if b.any():
            columns.extend(np.minimum(b, k) / k for k in _corners(b, knots))
    return _distinct(columns)


def _distinct(columns: list[Array]) -> Array:
    if not columns:
        raise ConfigError("tokens are all 0: nothing to fit")
    return np.unique(np.stack(columns, axis=1), axis=1)


def products(tokens: Array) -> Array:
    """b_i b_j of all pairs i < j that meet, scaled to 1: (n, P)."""
    s = tokens.shape[1]
    x = tokens / np.where(tokens.max(axis=0) > 0, tokens.max(axis=0), 1.0)
    both = [x[:, i] * x[:, j] for i in range(s) for j in range(i + 1, s)]
    return np.stack([c for c in both if c.any()] or [np.zeros(len(tokens))], axis=1)


def _basis(columns: Array) -> Array:
    """An orthonormal basis (n, r) of the columns' span."""
    size = np.linalg.norm(columns, axis=0)
    q, r = np.linalg.qr(columns[:, size > 0] / size[size > 0])  # many rows: the svd is of few
    left, values, _ = np.linalg.svd(r, full_matrices=False)
    out: Array = q @ left[:, values > 1e-7]
    return out


def _without(q: Array, c: Array) -> Array:
    """Columns less their part in the span of a basis."""
    out: Array = c - q @ (q.T @ c)
    return out


class _Rows:
    """n rows less the mean of their run; of one mean where no run has two rows. `free`: n less the means."""

    def __init__(self, run: NDArray[Any]) -> None:
        """Raises ConfigError with fewer than 5 runs."""
        place = np.unique(run, return_inverse=True)[1]
        runs = int(place.max(initial=-1)) + 1
        if runs < LEAST_RUNS:
            raise ConfigError(
                f"{runs} runs: at least {LEAST_RUNS} are needed for this test (rows of one label are one "
                "run: give each its own label where each row is a run)"
            )
        self.place = place if runs < len(run) else np.zeros_like(place)
        self.sizes = np.bincount(self.place)
        self.means, self.free = len(self.sizes), len(run) - len(self.sizes)

    def within(self, columns: Array) -> Array:
        """Columns (n, C) less their mean over each run; nothing is left of one that is level within runs."""
        sums = np.stack([np.bincount(self.place, c, self.means) for c in columns.T], axis=1)
        out: Array = columns - (sums / self.sizes[:, None])[self.place]
        level = np.linalg.norm(out, axis=0) < 1e-9 * np.linalg.norm(columns, axis=0)
        out[:, level] = 0.0
        return out


def _measured(
    tokens: ArrayLike, y: ArrayLike, run: ArrayLike, seen: float
) -> tuple[Array, Array, NDArray[Any]]:
    """Tokens (n, S), y (n,) and labels (n,) as arrays. Raises ConfigError for what is no measurement."""
    try:
        b, values = np.asarray(tokens, dtype=np.float64), np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"tokens and y: expected numbers ({error})") from error
    label = np.asarray(run)
    if b.ndim != 2 or values.shape != b.shape[:1] or label.shape != values.shape:
        raise ConfigError(
            f"tokens {b.shape}, y {values.shape}, run {label.shape}: expected (n, S), (n,) and (n,)"
        )
    for name, found in (("tokens", b), ("y", values)):
        if not np.isfinite(found).all():
            row = int(np.argwhere(~np.isfinite(found))[0, 0])
            raise ConfigError(f"{name}: no finite number in row {row}: leave out rows without one")
    if (b < 0).any():
        raise ConfigError(f"tokens: {b.min():g} is negative")
    if any(v is None or (isinstance(v, float) and np.isnan(v)) for v in label.tolist()):
        raise ConfigError("run: a label is missing (NaN): give every row one")
    if not 0 < seen < np.inf:
        raise ConfigError(f"seen = {seen!r}: expected a number above 0, in the unit of y")
    return b, values, label


def additive_test(
    tokens: ArrayLike, y: ArrayLike, run: ArrayLike, *, seen: float = SEEN
) -> ShapeTest:
    """Whether utilities y (n,) of cumulative tokens (n, S) in runs `run` (n,) add up over sources.

    `size` is of the interactions found, noise included; the power is that of this design and this noise
    against a departure of `seen` rms, in the unit of y: .01 is one point of scores in [0, 1], so give 1.0 for
    scores in points. See `ShapeTest` for what is out of reach. Arrays, lists and pandas' columns are taken.
    Raises ConfigError with fewer than 5 runs, fewer rows than coefficients, or a NaN.
    """
    from scipy import stats

    b, scores, label = _measured(tokens, y, run, seen)
    rows, pairs = _Rows(label), products(b)
    spare = rows.free - pairs.shape[1] - 5
    size = min(SMOOTH, spare // max(int(b.any(axis=0).sum()), 1))
    if size < FEWEST:
        wide = rows.means + pairs.shape[1] + FEWEST * b.shape[1]
        raise ConfigError(f"{len(scores)} rows for {wide} coefficients: more are needed")
    null, inner = _basis(rows.within(smooth(b, size))), rows.within(scores[:, None])[:, 0]
    pairs, left = rows.within(pairs), _without(null, inner)
    scale = np.linalg.norm(pairs, axis=0)
    directions, singular, _ = np.linalg.svd(
        _without(null, pairs[:, scale > 0] / scale[scale > 0]), full_matrices=False
    )
    wider = directions[:, singular > REACH]
    part = wider.T @ left
    found = float(np.sqrt(part @ part / len(scores)))
    if not part.size:
        return ShapeTest(1.0, found, np.nan)
    count, free = len(part), rows.free - null.shape[1] - len(part)
    variance = max(float(left @ left - part @ part), 1e-300) / free
    critical = stats.f.ppf(0.95, count, free)
    power = stats.ncf.sf(critical, count, free, min(len(scores) * seen**2 / variance, 1e4))
    p = 1.0
    if found > _negligible(inner - left):
        p = float(stats.f.sf(part @ part / count / variance, count, free))
    return ShapeTest(p, found, float(power))


def _negligible(fitted: Array) -> float:
    """A misfit of no account beside what a fit explains within runs (n,)."""
    return NEGLIGIBLE * max(float(np.ptp(fitted)), 1e-300)


class _Cone:
    """Fits of `curves` (n, C) with coefficients >= 0 beside columns of any sign `free` (n, F).

    All is in coordinates of the span of these and of `departures` (n, D), which a wider fit has too: r of
    them, and one for the length of what is outside of it. So many rows cost as much as few.
    """

    def __init__(self, free: Array, curves: Array, departures: Array) -> None:
        self.span = _basis(np.column_stack([free, curves, departures]))
        self.free, self.curves, self.departures = (
            np.pad(self.span.T @ c, ((0, 1), (0, 0))) for c in (free, curves, departures)
        )
        self.basis = _basis(self.free)
        self.beside = _without(self.basis, self.curves)

    def coordinates(self, y: Array) -> Array:
        """Of y (n,): (r + 1,)."""
        inside = self.span.T @ y
        return np.append(inside, np.sqrt(max(float(y @ y - inside @ inside), 0.0)))

    def noise(self, free: int, rng: np.random.Generator) -> Array:
        """Coordinates (r + 1,) of rows of normal noise of size 1 that have `free` dimensions."""
        r = self.span.shape[1]
        outside = np.sqrt(rng.chisquare(free - r)) if free > r else 0.0
        return np.append(rng.normal(size=r), outside)

    def fit(self, y: Array) -> tuple[Array, Array]:
        """What the fit leaves of y (r + 1,), and a basis of the columns that it uses."""
        from scipy.optimize import nnls

        rest = _without(self.basis, y)
        weights = nnls(self.beside, rest, maxiter=50 * self.beside.shape[1])[0]
        used = np.column_stack([self.free, self.curves[:, weights > 0]])
        return rest - self.beside @ weights, _basis(used)

    def statistic(self, left: Array, used: Array) -> float:
        """Which share of what is left departures explain, beyond the columns that are used: a score test."""
        from scipy.optimize import nnls

        total = max(float(left @ left), 1e-300)
        bent = _without(used, self.departures)
        size = np.linalg.norm(bent, axis=0)
        bent = bent[:, size > 1e-9] / size[size > 1e-9]
        rest = nnls(bent, left, maxiter=50 * max(bent.shape[1], 1))[1] if bent.size else total**0.5
        return max(1.0 - float(rest) ** 2 / total, 0.0)


def concave_test(
    tokens: ArrayLike,
    y: ArrayLike,
    run: ArrayLike,
    seed: int = 0,
    *,
    draws: int = DRAWS,
    seen: float = SEEN,
) -> ShapeTest:
    """Whether the parts of utilities y (n,) of cumulative tokens (n, S) are concave; they may fall.

    `draws` logs are simulated from the fitted null; small departures and `seen`, in the unit of y, count as
    in `additive_test`. Raises ConfigError with fewer than 5 runs, fewer rows than coefficients of any sign,
    or a NaN.
    """
    b, scores, label = _measured(tokens, y, run, seen)
    free = np.column_stack([products(b), b / np.where(b.any(axis=0), b.max(axis=0), 1.0)])
    shapes = hinges(b), -hinges(b, COARSE)
    return _cone_test(free, *shapes, scores, label, seed, draws, seen)


def nondecreasing_test(
    tokens: ArrayLike,
    y: ArrayLike,
    run: ArrayLike,
    seed: int = 0,
    *,
    draws: int = DRAWS,
    seen: float = SEEN,
) -> ShapeTest:
    """Whether the parts of utilities y (n,) of cumulative tokens (n, S) never fall; they may bend upwards.

    As `concave_test` in all else. Where all runs have one budget no part can be seen to fall: what is taken
    from one source goes to the others.
    """
    b, scores, label = _measured(tokens, y, run, seen)
    free = products(b)
    # a curve that rises everywhere uses all of its ramps: they are as many as the rows can tell at most
    spare = _Rows(label).free - free.shape[1]
    knots = int(np.clip(spare // (1.5 * max(b.any(axis=0).sum(), 1)), COARSE, KNOTS))
    # in the null too: where a slope of all sources is free, any of them may fall
    coarse = ramps(b, COARSE)
    rising = np.column_stack([ramps(b, knots), coarse, smooth(b)])
    return _cone_test(free, rising, -coarse, scores, label, seed, draws, seen)


def _cone_test(
    free: Array,
    curves: Array,
    departures: Array,
    scores: Array,
    label: NDArray[Any],
    seed: int,
    draws: int,
    seen: float,
) -> ShapeTest:
    rows = _Rows(label)
    if rows.means + free.shape[1] + 5 > len(scores):
        wide = rows.means + free.shape[1]
        raise ConfigError(f"{len(scores)} rows for {wide} coefficients: more are needed")
    test = _Cone(rows.within(free), rows.within(curves), rows.within(departures))
    y = test.coordinates(rows.within(scores[:, None])[:, 0])
    left, used = test.fit(y)
    fitted, found = y - left, test.statistic(left, used)
    size = float(np.sqrt(found * (left @ left) / len(scores)))
    sd = float(np.sqrt(left @ left / max(rows.free - used.shape[1], 1)))
    rng = np.random.default_rng(seed)

    def simulated(mean: Array) -> float:
        return test.statistic(*test.fit(mean + sd * test.noise(rows.free, rng)))

    far, tries = seen * np.sqrt(len(scores)), range(max(draws // 4, 10))
    away = [m for _ in tries if (m := _departed(test, fitted, far, rng)) is not None]
    if not away:
        return ShapeTest(1.0, size, np.nan)
    drawn = np.array([simulated(fitted) for _ in range(draws)])
    critical = float(np.quantile(drawn, 0.95))
    hits = [simulated(mean) >= critical for mean in away]
    p = (1 + int(np.sum(drawn >= found))) / (1 + draws)
    small = size <= _negligible(test.span @ fitted[:-1])
    return ShapeTest(1.0 if small else p, size, float(np.mean(hits)))


def _departed(test: _Cone, fitted: Array, far: float, rng: np.random.Generator) -> Array | None:
    """A mean (r + 1,) that is `far` from every curve of the null, on the way from `fitted` along a random
    departure; None where the null follows that but for next to nothing.

    What a fit of a cone leaves is at right angles to it: of the point fitted and any multiple of what is
    left, that point is the fit.
    """
    made = test.departures @ np.abs(rng.normal(size=test.departures.shape[1]))
    length = float(np.linalg.norm(test.fit(made)[0]))
    if not length > REACH * float(np.linalg.norm(made)):
        return None
    step = far / length
    for _ in range(DOUBLINGS):  # a curve that bends much still does after a small departure
        mean = fitted + step * made
        left = test.fit(mean)[0]
        size = float(np.linalg.norm(left))
        if size > 0.5 * far:
            break
        step *= 2
    out: Array = mean + left * (far / size - 1)
    return out

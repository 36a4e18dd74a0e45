"""Tests of shape on noisy rows of runs: do sources add up, and are their parts concave and nondecreasing?

A column of its own for each run takes out what its rows share; the errors that are left are taken to be
Gaussian, independent and of one size. Then

    adds up    y = run + sum_i f_i(b_i), f_i smooth  beside  the same + sum_i<j c_ij b_i b_j:  an F test
    concave    y = run + sum_i<j c_ij b_i b_j + sum_i g_i(b_i), g_i concave and nondecreasing, beside g_i free

The F test is exact where its curves hold the truth: up to eight columns a source, so that a square root, an
exponential or an S lies in them to a thousandth of its height. Concave and nondecreasing is a sum of hinges
min(b, k) with coefficients >= 0, fitted by nonnegative least squares; a free curve may subtract coarse ones
too, and the distribution under the null is simulated from the fitted null: the test is conservative.
"""

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


class ShapeTest(NamedTuple):
    """p under the null; `size`, rms of what the wider fit adds, in the unit of y; the power against `seen`.

    p = 1 with power NaN: the departure is below a thousandth of what the fit explains within runs, or the
    rows have no direction in which to depart, so nothing was tested and no power can be told.
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


def _basis(columns: Array) -> Array:
    """An orthonormal basis (n, r) of the columns' span."""
    size = np.linalg.norm(columns, axis=0)
    left, values, _ = np.linalg.svd(columns[:, size > 0] / size[size > 0], full_matrices=False)
    out: Array = left[:, values > 1e-7]
    return out


def _without(q: Array, c: Array) -> Array:
    """Columns less their part in the span of a basis."""
    out: Array = c - q @ (q.T @ c)
    return out


def _of_runs(run: Array) -> Array:
    """One column a run (n, N); a constant where no run has two rows. ConfigError with fewer than 5 runs."""
    place = np.unique(run, return_inverse=True)[1]
    runs = int(place.max()) + 1
    if runs < LEAST_RUNS:
        raise ConfigError(
            f"{runs} runs: at least {LEAST_RUNS} are needed for this test; where each row is of a run of "
            "its own, give each its own label in `run`, such as np.arange(len(y))"
        )
    return np.eye(runs)[place] if runs < len(run) else np.ones((len(run), 1))


def _negligible(shared: Array, fitted: Array) -> float:
    """A misfit of no account beside what a fit explains within runs."""
    return NEGLIGIBLE * max(float(np.ptp(_without(_basis(shared), fitted))), 1e-300)


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
    scores in points. A departure of less than a thousandth of what the fit explains within runs is none: p
    is 1 and the power NaN. Arrays, lists and pandas' columns are taken. Raises ConfigError with fewer than 5
    runs, fewer rows than coefficients, or a NaN.
    """
    from scipy import stats

    b, scores, label = _measured(tokens, y, run, seen)
    shared, pairs = _of_runs(label), products(b)
    spare = len(scores) - shared.shape[1] - pairs.shape[1] - 5
    size = min(SMOOTH, spare // max(int(b.any(axis=0).sum()), 1))
    if size < FEWEST:
        wide = shared.shape[1] + pairs.shape[1] + FEWEST * b.shape[1]
        raise ConfigError(f"{len(scores)} rows for {wide} coefficients: more are needed")
    null = _basis(np.column_stack([shared, smooth(b, size)]))
    left, scale = _without(null, scores), np.linalg.norm(pairs, axis=0)
    directions, singular, _ = np.linalg.svd(
        _without(null, pairs[:, scale > 0] / scale[scale > 0]), full_matrices=False
    )
    wider = directions[:, singular > 1e-6]
    part = wider.T @ left
    found = float(np.sqrt(part @ part / len(scores)))
    if not part.size or found <= _negligible(shared, scores - left):
        return ShapeTest(1.0, found, np.nan)
    count, free = len(part), len(scores) - null.shape[1] - len(part)
    variance = max(float(left @ left - part @ part), 1e-300) / free
    critical = stats.f.ppf(0.95, count, free)
    power = stats.ncf.sf(critical, count, free, min(len(scores) * seen**2 / variance, 1e4))
    return ShapeTest(
        float(stats.f.sf(part @ part / count / variance, count, free)), found, float(power)
    )


class _Concave:
    """Fits of concave nondecreasing curves beside columns of any sign `free` (n, F)."""

    def __init__(self, tokens: Array, free: Array) -> None:
        self.free, self.basis = free, _basis(free)
        self.hinges, self.bent = hinges(tokens), -hinges(tokens, COARSE)
        self.curves = _without(self.basis, self.hinges)

    def fit(self, y: Array) -> tuple[Array, Array]:
        """What the fit leaves of y (n,), and a basis of the columns that it uses."""
        from scipy.optimize import nnls

        rest = _without(self.basis, y)
        weights = nnls(self.curves, rest, maxiter=50 * self.curves.shape[1])[0]
        used = np.column_stack([self.free, self.hinges[:, weights > 0]])
        return rest - self.curves @ weights, _basis(used)

    def statistic(self, left: Array, used: Array) -> float:
        """Which share of what is left bent curves explain, beyond the columns that are used: a score test."""
        from scipy.optimize import nnls

        total = max(float(left @ left), 1e-300)
        bent = _without(used, self.bent)
        size = np.linalg.norm(bent, axis=0)
        bent = bent[:, size > 1e-9] / size[size > 1e-9]
        rest = nnls(bent, left, maxiter=50 * max(bent.shape[1], 1))[1] if bent.size else total**0.5
        return 1.0 - float(rest) ** 2 / total


def concave_test(
    tokens: ArrayLike,
    y: ArrayLike,
    run: ArrayLike,
    seed: int = 0,
    *,
    draws: int = DRAWS,
    seen: float = SEEN,
) -> ShapeTest:
    """Whether the parts of utilities y (n,) of cumulative tokens (n, S) are concave and nondecreasing.

    `draws` logs are simulated from the fitted null; small departures and `seen`, in the unit of y, count as
    in `additive_test`. Raises ConfigError with fewer than 5 runs, fewer rows than coefficients of any sign,
    or a NaN.
    """
    b, scores, label = _measured(tokens, y, run, seen)
    free = np.column_stack([_of_runs(label), products(b)])
    if free.shape[1] + 5 > len(scores):
        raise ConfigError(f"{len(scores)} rows for {free.shape[1]} coefficients: more are needed")
    test = _Concave(b, free)
    left, used = test.fit(scores)
    fitted, found = scores - left, test.statistic(left, used)
    size = float(np.sqrt(found * np.mean(left**2)))
    if size <= _negligible(_of_runs(label), fitted):
        return ShapeTest(1.0, size, np.nan)
    sd = float(np.sqrt(left @ left / max(len(scores) - used.shape[1], 1)))
    rng = np.random.default_rng(seed)

    def simulated(mean: Array) -> float:
        return test.statistic(*test.fit(mean + sd * rng.normal(size=len(scores))))

    drawn = np.array([simulated(fitted) for _ in range(draws)])
    p = (1 + int(np.sum(drawn >= found))) / (1 + draws)
    critical, tries, hits = float(np.quantile(drawn, 0.95)), max(draws // 4, 10), 0
    for _ in range(tries):
        # a direction that the wider fit has; what the null can follow of it is no departure
        rest = test.fit(test.bent @ np.abs(rng.normal(size=test.bent.shape[1])))[0]
        scale = float(np.sqrt(np.mean(rest**2)))
        hits += simulated(fitted + rest * (seen / scale if scale > 1e-12 else 0.0)) >= critical
    return ShapeTest(p, size, hits / tries)

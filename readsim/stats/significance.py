"""Tests that the mean of paired differences is zero, alone and when one picks among many."""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats.intervals import no_spread

EXACT = 16  # up to here all 2^n sign patterns are counted
DRAWS = 9_999
SAME = 1e-9  # sums closer than this, relative to the largest, are tied


def holm(p: Array) -> Array:
    """Holm's step-down adjusted p-values, any shape: p~_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)).

    The chance of any false rejection at p~ <= a is at most a, whatever the tests share (Holm 1979).
    NaN stays NaN and is no test.
    """
    known, out = _known(p)
    order = np.argsort(known, kind="stable")
    m = len(known)
    steps = np.minimum((m - np.arange(m)) * known[order], 1.0)
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate(steps)
    out[~np.isnan(out)] = adjusted
    return out


def benjamini_hochberg(p: Array) -> Array:
    """Benjamini and Hochberg's (1995) adjusted p-values, any shape, by `scipy.stats`.

    The expected share of false rejections among those at p~ <= a is at most a if the tests are
    independent or positively dependent. NaN stays NaN and is no test.
    """
    from scipy.stats import false_discovery_control

    known, out = _known(p)
    if len(known):
        out[~np.isnan(out)] = false_discovery_control(known, method="bh")
    return out


def _known(p: Array) -> tuple[Array, Array]:
    """The p-values that are there, (m,), and a copy to fill in."""
    out = np.array(p, dtype=np.float64)
    known = out[~np.isnan(out)]
    if ((known < 0) | (known > 1)).any():
        raise ConfigError(
            f"p = {known[(known < 0) | (known > 1)][0]!r}: expected a number between 0 and 1"
        )
    return known, out


def t_test(differences: Array) -> float:
    """Two-sided p of the paired t test of differences (n,).

    NaN for n = 1. Without spread the test has no scale: 1 if all differences are zero, else 0.
    """
    from scipy.special import stdtr

    n = len(differences)
    if n < 2:
        return np.nan
    mean = float(differences.mean())
    if no_spread(differences):
        return 1.0 if abs(mean) <= 1e-12 else 0.0
    t = abs(mean) / float(differences.std(ddof=1)) * np.sqrt(n)
    return float(2.0 * stdtr(n - 1, -t))


def sign_flip_test(differences: Array, *, seed: int = 0) -> float:
    """Two-sided p of the sign-flip permutation test of differences (n,), statistic |mean|.

    Under the null hypothesis each seed's difference is as likely to have the other sign; p is the
    share of sign patterns whose |mean| is at least the observed one, ties included. All patterns
    are counted for n <= 16; beyond, 9,999 are drawn from `seed` and p = (1 + hits) / 10,000, which
    never is 0. Zero differences have no sign and change nothing; p is 1 where all are zero, and for
    n = 1. No p is below `least_p(n)`: three seeds cannot give less than 1/4.

    For runs on several tasks flip whole seeds: average over the tasks first.
    """
    n = len(differences)
    total = abs(float(differences.sum()))
    least = total - SAME * float(np.abs(differences).sum())
    if n <= EXACT:
        # a pattern and its opposite tie, so the first sign can stay
        patterns = np.arange(2 ** (n - 1))[:, None] >> np.arange(n)[None, :] & 1
        sums = np.abs((1.0 - 2.0 * patterns) @ differences)
        return float((sums >= least).mean())
    signs = 1.0 - 2.0 * np.random.default_rng(seed).integers(0, 2, (DRAWS, n))
    hits = int((np.abs(signs @ differences) >= least).sum())
    return (1 + hits) / (1 + DRAWS)


def least_p(n: int) -> float:
    """The smallest p that the sign-flip test of n differences can give: 2 / 2^n, at least 1e-4 if drawn."""
    return 2.0 ** (1 - n) if n <= EXACT else 1.0 / (1 + DRAWS)

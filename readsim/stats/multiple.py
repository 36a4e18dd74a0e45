"""Many tests at once: p-values that keep their meaning when one picks among them."""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError


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
        raise ConfigError(f"p = {known[(known < 0) | (known > 1)][0]!r}: between 0 and 1")
    return known, out

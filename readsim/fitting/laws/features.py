"""What laws see of a run, and which capabilities can be fitted in one go."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.streams import generator

Predictor = Callable[[Array], Array]
Law = Callable[[Array, Array, Array], Predictor]
FLAT = 1e-9


def amounts(x: Array) -> Array:
    """x (n, S) and its row sums: (n, S + 1). At one budget the last column is flat, and says nothing."""
    return np.hstack([x, x.sum(axis=1, keepdims=True)])


def logs(x: Array) -> Array:
    """ln(1 + 100 x): at one budget, of a share in percent. The first percent counts most."""
    return np.log1p(100.0 * x)


class ScaledColumns(NamedTuple):
    """ScaledColumns of runs brought to mean 0 and standard deviation 1; those that are flat are left out."""

    mean: Array
    sd: Array
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, table: Array) -> "ScaledColumns":
        """From the runs (n, P)."""
        mean, sd = table.mean(axis=0), table.std(axis=0)
        return cls(mean, sd, sd > FLAT * np.maximum(1.0, np.abs(mean)))

    def scaled(self, table: Array) -> Array:
        """(m, kept) of (m, P)."""
        out: Array = (table[:, self.kept] - self.mean[self.kept]) / self.sd[self.kept]
        return out


class Alike(NamedTuple):
    """Capabilities whose cells count alike: their places, the rows measured, the rows' weights (mean 1)."""

    places: NDArray[np.int64]
    rows: NDArray[np.bool_]
    weight: Array


def alike(wanted: Array, weight: Array) -> Iterator[Alike]:
    """The capabilities (K,) in groups with the same rows and weights, in proportion."""
    there = np.where(np.isfinite(wanted), weight, 0.0)
    there = there / np.maximum(there.max(axis=0), np.finfo(float).tiny)
    kinds, which = np.unique(np.round(there, 9), axis=1, return_inverse=True)
    for g in range(kinds.shape[1]):
        rows = kinds[:, g] > 0.0
        of_rows = kinds[rows, g]
        places = np.flatnonzero(which.reshape(-1) == g)
        yield Alike(places, rows, of_rows / of_rows.mean())


def blocks(x: Array, count: int) -> NDArray[np.int64]:
    """A block (n,) of 0..count - 1 for each run x (n, S), the same for all runs of one mixture."""
    total = x.sum(axis=1, keepdims=True)
    shares = np.round(x / np.where(total > 0.0, total, 1.0), 9)
    _, which = np.unique(shares, axis=0, return_inverse=True)
    which = which.reshape(-1)
    dealt = generator(0, "data", 2_000_000).permutation(int(which.max()) + 1)
    out: NDArray[np.int64] = dealt[which] % count
    return out

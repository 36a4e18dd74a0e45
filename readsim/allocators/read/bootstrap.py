"""The online bootstrap of ReAD's ensemble, by row or by group of rows."""

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.streams import seed_sequence

# P(count <= k) of Poisson(1) for k = 0..19; beyond that the tail is below 1e-18.
_POISSON = np.exp(-1.0) * np.cumsum(1.0 / np.cumprod([1.0, *range(1, 20)]))


def bootstrap_counts(seed: int, start: int, rows: int, members: int) -> Array:
    """How often each member uses rows start, start + 1, ...: Poisson(1) draws (members, rows).

    The online bootstrap (Oza & Russell 2001): a bootstrap that need not know how many rows will
    come. Row number and seed alone fix a row's counts.
    """
    bits = np.random.PCG64(seed_sequence(seed, "bootstrap")).advance(start * members)
    uniform = np.random.Generator(bits).random((rows, members))
    return np.searchsorted(_POISSON, uniform, side="right").T.astype(np.float64)


def grouped_counts(seed: int, groups: NDArray[np.int64], members: int) -> Array:
    """`bootstrap_counts` of whole groups (n,), numbered from 0: rows of one group are used together.

    A member that drew no group uses each once.
    """
    drawn = bootstrap_counts(seed, 0, int(groups.max(initial=-1)) + 1, members)
    drawn[~drawn.any(axis=1)] = 1.0
    counts: Array = drawn[:, groups]
    return counts

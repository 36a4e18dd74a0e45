"""Allocations: points of the simplex, and what is done with anything else."""

from functools import cache
from math import inf

import numpy as np

from readsim.arrays import Array, Mask
from readsim.errors import AllocationError

TOLERANCE = 1e-6


def as_allocation(weights: Array, *, strict: bool, names: tuple[str, ...] = ()) -> Array:
    """Read weights (..., S) as token shares (..., S) that sum to 1.

    Rule: negative weights count as 0, then each vector is divided by its sum; a vector whose sum
    is 0 becomes uniform. With `strict` anything further than 1e-6 from the simplex is refused.

    Raises AllocationError for NaN or infinite weights always, and with `strict` for negative
    weights and for sums other than 1.
    """
    if weights.ndim == 1:  # one short row is several times quicker in plain Python
        values = weights.tolist()
        whole, lowest = sum(values), min(values)
        if lowest >= 0.0 and 0.0 < whole < inf and not strict:
            shares: Array = weights / whole
            return shares
    lowest = weights.min()
    kept = np.maximum(weights, 0.0) if lowest < 0.0 else weights
    # the sums, one copy for each weight: a small matrix product is faster than a reduction over rows
    # of a few numbers, and a division by a whole array faster than one by a column
    with np.errstate(invalid="ignore", over="ignore"):  # such sums are refused below
        total = kept @ _ones(weights.shape[-1])
    if not (np.isfinite(lowest) and np.isfinite(total.max())):
        where = _first(weights, ~np.isfinite(weights) | ~np.isfinite(total), names)
        raise AllocationError(f"allocation {where} is not finite, or its sum is not")
    if strict:
        if lowest < -TOLERANCE:
            where = _first(weights, weights < -TOLERANCE, names)
            raise AllocationError(f"allocation {where} has a negative weight")
        off = np.abs(total - 1.0) > TOLERANCE
        if off.any():
            raise AllocationError(
                f"allocation {_first(weights, off, names)} sums to {total[off][0]:.6g}; "
                f"strict=True accepts a sum of 1 within {TOLERANCE:g}"
            )
    if total.min() <= 0.0:
        kept = np.where(total > 0.0, kept, 1.0)
        total = kept @ _ones(weights.shape[-1])
    return kept / total


@cache
def _ones(size: int) -> Array:
    return np.ones((size, size))


def _first(weights: Array, bad: Mask, names: tuple[str, ...]) -> str:
    """The first vector (S,) of `weights` in which something is `bad` (..., S), as text."""
    vectors = weights.reshape(-1, weights.shape[-1])
    row = int(np.argmax(bad.reshape(vectors.shape).any(axis=1)))
    shown = [f"{v:.6g}" for v in vectors[row].tolist()]
    if len(names) == len(shown) <= 12:
        shown = [f"{n}={v}" for n, v in zip(names, shown, strict=True)]
    text = "[" + ", ".join(shown) + "]"
    return text if weights.ndim == 1 else f"in row {row}: {text}"

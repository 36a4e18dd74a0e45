"""Allocations: points of the simplex, and what is done with anything else."""

from functools import cache
from math import inf

import numpy as np

from readsim.arrays import Array
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
            return weights / whole
    # the sums, one copy for each weight: a small matrix product is faster than a reduction over rows
    # of a few numbers, and a division by a whole array faster than one by a column
    total = weights @ _ones(weights.shape[-1])
    lowest = weights.min()
    if not (np.isfinite(lowest) and np.isfinite(total.max())):
        raise AllocationError(f"allocation {_show(weights, names)} is not finite")
    if strict:
        if lowest < -TOLERANCE:
            raise AllocationError(f"allocation {_show(weights, names)} has a negative weight")
        if np.abs(total - 1.0).max() > TOLERANCE:
            raise AllocationError(
                f"allocation {_show(weights, names)} sums to {_show(total[..., 0])}; "
                f"strict=True accepts a sum of 1 within {TOLERANCE:g}"
            )
    if lowest < 0.0:
        weights = np.maximum(weights, 0.0)
        total = weights @ _ones(weights.shape[-1])
    if total.min() <= 0.0:
        weights = np.where(total > 0.0, weights, 1.0)
        total = weights @ _ones(weights.shape[-1])
    return weights / total


@cache
def _ones(size: int) -> Array:
    return np.ones((size, size))


def _show(values: Array, names: tuple[str, ...] = ()) -> str:
    if values.ndim > 1:
        bad = ~np.isfinite(values).all(axis=-1) | (values.min(axis=-1) < 0)
        row = int(np.argmax(bad))
        return f"in row {row}: {_show(values[row], names)}"
    if values.ndim == 0:
        return f"{float(values):.6g}"
    shown = [f"{v:.6g}" for v in values.tolist()]
    if names and len(names) == len(shown) <= 12:
        shown = [f"{n}={v}" for n, v in zip(names, shown, strict=True)]
    return "[" + ", ".join(shown) + "]"

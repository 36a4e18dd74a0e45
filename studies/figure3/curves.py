"""Curves of scores over budgets: areas, trends, and the tokens that match a score."""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array


def area(x: Array, curves: Array) -> Array:
    """Mean height of curves (..., B) over x (B,), by trapezoids: (...)."""
    out: Array = np.trapezoid(curves, x, axis=-1) / (x[-1] - x[0])
    return out


def trend(x: Array, curves: Array) -> Array:
    """Least-squares slope of curves (..., B) over x (B,): (...)."""
    from_mean = x - x.mean()
    out: Array = curves @ from_mean / (from_mean @ from_mean)
    return out


class Match(NamedTuple):
    """Where a curve first reaches a level: x, and whether that lies before or behind what was run."""

    x: float
    below: bool
    never: bool


def match(x: Array, curve: Array, level: float) -> Match:
    """The first x at which the curve (B,), straight between its points, reaches the level.

    A curve that starts at the level or above counts as at the first x, one that never reaches it as
    at the last: the true value is at most, or at least, that.
    """
    if curve[0] >= level:
        return Match(float(x[0]), True, False)
    at = int(np.argmax(curve >= level))
    if at == 0:
        return Match(float(x[-1]), False, True)
    share = (level - curve[at - 1]) / (curve[at] - curve[at - 1])
    return Match(float(x[at - 1] + share * (x[at] - x[at - 1])), False, False)


class Matches(NamedTuple):
    """Doublings of the budget (I, N, T) that a rival needs more than ReAD, and where it was censored."""

    doublings: Array
    below: Array
    never: Array


def matches(x: Array, ours: Array, theirs: Array) -> Matches:
    """For curves (N, T, B) of ReAD and a rival, at each of the I = B - 2 inner budgets."""
    n, t, b = ours.shape
    out = Matches(*(np.zeros((b - 2, n, t)) for _ in range(3)))
    for i, seed, task in np.ndindex(b - 2, n, t):
        found = match(x, theirs[seed, task], float(ours[seed, task, i + 1]))
        out.doublings[i, seed, task] = found.x - x[i + 1]
        out.below[i, seed, task], out.never[i, seed, task] = found.below, found.never
    return out

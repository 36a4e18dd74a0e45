"""Decode steps: how many passes over the weights a number of replies takes."""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array

BUSY = 7 / 8  # of a batch's places: a quarter of them ends before others take their places
# Seconds that Python and launches take for a layer's step, without CUDA graphs. On an H200 (transformers
# 5.17, 2026-11-29) 32 layers took 55 to 68 ms a step for 16 to 256 rows, 1.7 to 2.1 ms a layer, with cuDNN's
# attention; without it, as replies are written now, this is an estimate: 1.2, and .8 at least.
LAUNCH = 1.2e-3
LAUNCH_RANGE = (0.8e-3, 2.1e-3)


def expected_longest(
    lengths: Sequence[float] | Array, size: int, weights: Array | None = None
) -> float:
    """E max of `size` independent draws from the given lengths (with these weights): the sum over t of
    1 - F(t)^size. A batch that is answered together takes so many steps, not the mean."""
    values = np.asarray(lengths, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    mass = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    below = np.cumsum(mass[order]) / mass.sum()
    steps = np.diff(values[order], prepend=0.0)
    before = np.concatenate([[0.0], below[:-1]])
    return float((steps * (1.0 - before**size)).sum())


def batch_steps(count: float, size: int, longest: float) -> float:
    """Of batches that are finished before the next one begins: each takes its longest reply."""
    return count / size * longest


def refilled_steps(tokens: float, size: int, longest: float, calls: float) -> float:
    """Of batches in which a new prompt takes the place of a reply that has ended: `tokens` over the places,
    BUSY of them; each call waits for its longest reply."""
    return tokens / (BUSY * size) + calls * longest

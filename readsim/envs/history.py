"""The last H steps, newest first: of one run, and of N runs without moving old rows at each step."""

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array

SPARE = 10  # steps between two allocations of the buffer


def remembered(history: Array, weights: Array, change: Array, reward: float) -> Array:
    """History (H W,) of one run with a step's row (weights, change, reward, 1) in front; the oldest
    row is gone. H = 0 stays empty."""
    if not history.size:
        return history
    s, w = len(weights), len(weights) + len(change) + 2
    after = np.empty_like(history)
    after[:s] = weights
    after[s : w - 2] = change
    after[w - 2] = reward
    after[w - 1] = 1.0
    after[w:] = history[:-w]
    return after


class HistoryRing:
    """Rows (allocation, change, reward, 1) of W numbers, H of them a run: (N, H W).

    The buffer lies transposed in memory, a number of all runs side by side, and new rows are written
    in front of the older ones: nothing is moved, and a view handed out earlier keeps its numbers. A
    full buffer, or a reset of some runs, gets a new one.
    """

    def __init__(self, runs: int, depth: int, width: int) -> None:
        self._depth, self._width = depth, width
        self._fresh(np.zeros((depth * width, runs)))

    def _fresh(self, newest: Array) -> None:
        """A new buffer that ends with these rows (H W, N)."""
        start = SPARE * self._width
        self._first = SPARE
        self._buffer = np.empty((start + len(newest), newest.shape[1]))
        self._buffer[start:] = newest

    def _rows(self) -> Array:
        first = self._first * self._width
        return self._buffer[first : first + self._depth * self._width]

    def view(self) -> Array:
        """(N, H W), read-only."""
        rows = self._rows().T
        rows.flags.writeable = False
        return rows

    def push(self, weights: Array, change: Array, reward: Array) -> None:
        """Add a step of every run: (N, S), (N, V), (N,)."""
        if not self._depth:
            return
        if not self._first:
            self._fresh(self._rows())
        self._first -= 1
        slot = self._buffer[self._first * self._width : (self._first + 1) * self._width]
        s = weights.shape[1]
        slot[:s] = weights.T
        slot[s:-2] = change.T
        slot[-2] = reward
        slot[-1] = 1.0

    def push_some(
        self, runs: NDArray[np.int64], weights: Array, change: Array, reward: Array
    ) -> None:
        """Add a step of the named runs; the others keep their rows."""
        if not self._depth:
            return
        rows = self._rows().copy()
        rows[self._width :, runs] = rows[: -self._width, runs]
        rows[: self._width, runs] = np.vstack([weights.T, change.T, reward, np.ones(len(runs))])
        self._fresh(rows)

    def clear(self, runs: NDArray[np.int64]) -> None:
        """Forget the named runs' steps."""
        rows = self._rows().copy()
        rows[:, runs] = 0.0
        self._fresh(rows)

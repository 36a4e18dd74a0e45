"""The last H steps of N runs, newest first, without moving old rows at each step."""

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array

SPARE = 29  # steps between two allocations of the buffer


class HistoryRing:
    """Rows (allocation, change, reward, 1) of shape (N, H, W).

    New rows are written in front of the older ones, from the end of a buffer to its start, so a view
    handed out earlier keeps its numbers. A full buffer, or a reset, gets a new one.
    """

    def __init__(self, runs: int, depth: int, width: int) -> None:
        self._shape = (runs, depth, width)
        self._fresh(np.zeros(self._shape))

    def _fresh(self, newest: Array) -> None:
        runs, depth, width = self._shape
        # (slot, N, W): one step's rows lie together in memory
        self._buffer = np.zeros((SPARE + depth, runs, width))
        self._first = SPARE
        self._buffer[SPARE:] = newest.transpose(1, 0, 2)

    def _slot(self) -> Array:
        if not self._first:
            self._fresh(self.view())
        self._first -= 1
        slot: Array = self._buffer[self._first]
        return slot

    def view(self) -> Array:
        """(N, H, W), read-only."""
        rows = self._buffer[self._first : self._first + self._shape[1]].transpose(1, 0, 2)
        rows.flags.writeable = False
        return rows

    def push(self, weights: Array, change: Array, reward: Array) -> None:
        """Add a step of every run."""
        if not self._shape[1]:
            return
        slot = self._slot()
        s = weights.shape[1]
        slot[:, :s] = weights
        slot[:, s:-2] = change
        slot[:, -2] = reward
        slot[:, -1] = 1.0

    def push_some(
        self, runs: NDArray[np.int64], weights: Array, change: Array, reward: Array
    ) -> None:
        """Add a step of the named runs; the others keep their rows."""
        if not self._shape[1]:
            return
        rows = np.array(self.view())
        rows[runs, 1:] = rows[runs, :-1]
        rows[runs, 0] = np.column_stack([weights, change, reward, np.ones(len(runs))])
        self._fresh(rows)

    def clear(self, runs: NDArray[np.int64]) -> None:
        """Forget the named runs' steps."""
        rows = np.array(self.view())
        rows[runs] = 0.0
        self._fresh(rows)

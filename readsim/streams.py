"""Random streams: one recorded seed, one named child stream per cause, drawn in blocks.

No generator is ever global. A stream is identified by `(seed, cause, *path)`, so two causes never
share numbers and adding a draw to one cause leaves the others as they were.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array

CAUSES = ("world", "probe", "items", "dev", "test", "allocator", "bootstrap", "data", "process")


def seed_sequence(seed: int, cause: str, *path: int) -> np.random.SeedSequence:
    """The `SeedSequence` of one cause; `path` (step, row, ...) names a child of it."""
    return np.random.SeedSequence(seed, spawn_key=(CAUSES.index(cause), *path))


def generator(seed: int, cause: str, *path: int) -> np.random.Generator:
    """A fresh numpy `Generator` on the stream `(seed, cause, *path)`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, cause, *path)))


class BlockStream:
    """Deviates for N runs, each run on its own generator, drawn a block of rows at a time.

    A deviate is a standardised Binomial(64, 1/2): mean 0, variance 1, excess kurtosis -1/32, bounded
    by 8. It is the popcount of one raw 64-bit word, several times cheaper than a normal deviate
    (`studies/speed` measures it), and what the sum of 64 fair items would give.

    The numbers a run gets depend on its own seed only, not on N, the block size or the other runs.
    """

    def __init__(self, seeds: Sequence[int], cause: str, width: int, rows: int) -> None:
        self._bits = [np.random.PCG64(seed_sequence(seed, cause)) for seed in seeds]
        self._start: list[Any] = [b.state for b in self._bits]
        self._width = width
        self._rows = rows
        self._next = np.zeros(len(seeds), dtype=np.int64)
        self._block = np.empty((rows, len(seeds), width), dtype=np.uint8)
        self._together = True
        self._drawn = False

    def _draw(self, runs: Sequence[int]) -> None:
        size = self._rows * self._width
        shape = (self._rows, self._width)
        for n in runs:
            self._start[n] = self._bits[n].state
            words: NDArray[np.uint64] = self._bits[n].random_raw(size)
            self._block[:, n, :] = np.bitwise_count(words).reshape(shape)

    def take(self) -> Array:
        """The next row of every run: (N, width)."""
        if not self._together:
            return self.take_some(np.arange(len(self._bits)))
        row = int(self._next[0])
        if row == self._rows or not self._drawn:
            self._draw(range(len(self._bits)))
            self._drawn = True
            row = 0
            self._next[:] = 0
        self._next += 1
        out: Array = self._block[row] * 0.25
        out -= 8.0
        return out

    def take_some(self, runs: NDArray[np.int64]) -> Array:
        """The next row of the named runs only: (len(runs), width)."""
        if len(runs) == len(self._bits) and self._together:
            return self.take()
        if not self._drawn:
            self._draw(range(len(self._bits)))
            self._drawn = True
        used_up = runs[self._next[runs] == self._rows]
        self._draw(used_up.tolist())
        self._next[used_up] = 0
        out: Array = self._block[self._next[runs], runs] * 0.25 - 8.0
        self._next[runs] += 1
        self._together = bool((self._next == self._next[0]).all())
        return out

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain data: generator states at the block's start, positions."""
        return {
            "drawn": self._drawn,
            "next": self._next.copy(),
            "bits": [
                {"state": s["state"]["state"], "inc": s["state"]["inc"]}
                for s in (self._start if self._drawn else [b.state for b in self._bits])
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream of the same shape."""
        for bits, saved in zip(self._bits, state["bits"], strict=True):
            bits.state = {
                "bit_generator": "PCG64",
                "state": {"state": int(saved["state"]), "inc": int(saved["inc"])},
                "has_uint32": 0,
                "uinteger": 0,
            }
        self._drawn = bool(state["drawn"])
        self._next = np.array(state["next"], dtype=np.int64)
        if self._drawn:
            self._draw(range(len(self._bits)))
        self._together = bool((self._next == self._next[0]).all())

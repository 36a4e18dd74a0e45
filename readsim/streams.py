"""Random streams: one recorded seed, one named child stream per cause, drawn in blocks.

No generator is ever global. A stream is identified by `(seed, cause, *path)`, so two causes never
share numbers and adding a draw to one cause leaves the others as they were.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError, shown

CAUSES = (
    "world",
    "probe",
    "items",
    "dev",
    "test",
    "allocator",
    "bootstrap",
    "data",
    "process",
    "requirement",
)


MOST_SEEDS = 100_000
LARGEST_SEED = 2**63 - 1


def checked_seed(seed: object, name: str = "seed") -> int:
    """Raises ConfigError for what is no whole number from 0 to 2^63 - 1."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= LARGEST_SEED:  # type: ignore[operator]
        raise ConfigError(f"{name} = {shown(seed)}: expected a whole number >= 0, below 2^63")
    return int(seed)  # type: ignore[call-overload, no-any-return]


def checked_seeds(seeds: object, name: str = "seeds") -> list[int]:
    """The seeds; a number n of them means 0, ..., n - 1.

    Raises ConfigError for none, for more than 100,000, for one that is there twice, and for no seed.
    """
    if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool):
        if not 1 <= seeds <= MOST_SEEDS:
            raise ConfigError(
                f"{name} = {shown(seeds)}: expected at least one seed, at most {MOST_SEEDS}"
            )
        return list(range(int(seeds)))
    if isinstance(seeds, bool | str) or not isinstance(seeds, Iterable):
        raise ConfigError(f"{name} = {shown(seeds)}: expected a number of seeds, or seeds >= 0")
    found = [checked_seed(seed, name) for seed in seeds]
    if not 1 <= len(found) <= MOST_SEEDS or len(set(found)) < len(found):
        raise ConfigError(f"{name} = {shown(found)}: expected 1 to {MOST_SEEDS} seeds, each once")
    return found


def seed_sequence(seed: int, cause: str, *path: int) -> np.random.SeedSequence:
    """The `SeedSequence` of one cause; `path` (step, row, ...) names a child of it."""
    return np.random.SeedSequence(seed, spawn_key=(CAUSES.index(cause), *path))


def generator(seed: int, cause: str, *path: int) -> np.random.Generator:
    """A fresh numpy `Generator` on the stream `(seed, cause, *path)`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, cause, *path)))


UNIT = 0.125**0.5  # one over the standard deviation of a Binomial(32, 1/2)


class BlockStream:
    """Deviates for N runs, each run on its own generator, drawn a block of rows at a time.

    A deviate is a standardised Binomial(32, 1/2): mean 0, variance 1, excess kurtosis -1/16, bounded
    by 5.7. It is the popcount of 32 raw bits, cheaper than a normal deviate (`studies/speed` measures
    by how much), and what 32 fair items would give.

    The numbers a run gets depend on its own seed only, not on N, the block size or the other runs.
    """

    def __init__(self, seeds: Sequence[int], cause: str, width: int, rows: int) -> None:
        self._seeds = [int(seed) for seed in seeds]
        self._cause = cause
        self._width = width
        self._rows = rows
        self._words = -(-width // 2)  # 64-bit words a row
        self._block = np.empty((rows, len(seeds), width), dtype=np.int8)
        self._start(np.zeros(len(seeds), dtype=np.int64))

    def _start(self, taken: NDArray[np.int64]) -> None:
        """Stand where each run has taken that many rows already."""
        self._taken = taken.copy()
        self._level = int(taken[0])  # rows taken by every run, while they are together
        self._bits: list[np.random.PCG64] = []  # made at the first draw: some streams are not used
        self._together = bool((taken == taken[0]).all())
        self._draw(np.flatnonzero(taken % self._rows))

    def _make_bits(self) -> None:
        self._bits = [np.random.PCG64(seed_sequence(s, self._cause)) for s in self._seeds]
        for bits, rows in zip(self._bits, self._rows_taken().tolist(), strict=True):
            bits.advance((rows - rows % self._rows) * self._words)

    def _draw(self, runs: NDArray[np.int64]) -> None:
        """The next block of the named runs."""
        if not len(runs):
            return
        if not self._bits:
            self._make_bits()
        size = self._rows * self._words
        raw = np.empty((len(runs), size), dtype=np.uint64)
        for row, n in enumerate(runs.tolist()):
            raw[row] = self._bits[n].random_raw(size)
        counts = np.bitwise_count(raw.view(np.uint32)).view(np.int8)
        counts -= 16
        counts = counts.reshape(len(runs), self._rows, -1)
        by_row = counts[:, :, : self._width].transpose(1, 0, 2)
        self._block[:, slice(None) if len(runs) == len(self._seeds) else runs] = by_row

    def take(self) -> Array:
        """The next row of every run: (N, width)."""
        if not self._together:
            return self.take_some(np.arange(len(self._seeds)))
        row = self._level % self._rows
        if row == 0:
            self._draw(np.arange(len(self._seeds)))
        self._level += 1
        out: Array = np.multiply(self._block[row], UNIT, dtype=np.float64)
        return out

    def take_some(self, runs: NDArray[np.int64]) -> Array:
        """The next row of the named runs only, which are in ascending order: (len(runs), width)."""
        if self._together and len(runs) == len(self._seeds):
            return self.take()
        taken = self._rows_taken()
        rows = taken[runs] % self._rows
        self._draw(runs[rows == 0])
        taken[runs] += 1
        self._taken, self._level = taken, int(taken[0])
        self._together = bool((taken == taken[0]).all())
        return np.multiply(self._block[rows, runs], UNIT, dtype=np.float64)

    def _rows_taken(self) -> NDArray[np.int64]:
        return np.full(len(self._seeds), self._level) if self._together else self._taken.copy()

    def state(self) -> dict[str, Any]:
        """What `restore` needs: seeds and rows taken."""
        return {"seeds": list(self._seeds), "taken": self._rows_taken()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream of the same cause and width."""
        self._seeds = [int(s) for s in state["seeds"]]
        self._start(np.array(state["taken"], dtype=np.int64))

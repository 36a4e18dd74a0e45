"""Rows of several sources, mixed by shares that change while they are read."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.streams import generator

Rows = Any  # a length, and rows by their number: a list, a `datasets.Dataset`


class MixedRows(IterableDataset[Mapping[str, Any]]):
    """An endless mixture: each row comes from the source that is furthest behind its share of tokens.

    sources   rows by source, such as `datasets.Dataset`s; a row's tokens are its `labels` that are not
              -100, else its `input_ids`
    seed      the order in which each source is read, a new one for each pass over it

    `schedule` says from which number of tokens on which shares hold, so that the same seed and schedule
    give the same rows: a trainer that resumes from its checkpoint reads past the rows that it had, and is
    exactly where it was. Until a first entry all sources get the same. `given` counts tokens given out, the
    batch that the trainer fetches ahead too.

    `ask` is called before a row where `asked` is set: there `AskForShares` extends the schedule.

    Rows are drawn in the trainer's own process (`dataloader_num_workers=0`, the default). Raises
    ConfigError, UnknownNameError.
    """

    def __init__(self, sources: Mapping[str, Rows], seed: int = 0) -> None:
        if not sources:
            raise ConfigError("sources: at least one is needed")
        for name, rows in sources.items():
            if not len(rows):
                raise ConfigError(f"source {name!r} has no rows")
        self.sources, self.seed = dict(sources), seed
        self.schedule: list[tuple[int, Array]] = []
        self.given = dict.fromkeys(sources, 0)
        self.asked = False
        self.ask: Callable[[], None] = _nothing

    @property
    def tokens(self) -> int:
        """Given out so far, in the pass that is being read."""
        return sum(self.given.values())

    def mix(self, tokens: int, shares: Mapping[str, float]) -> None:
        """From that number of tokens on the mixture is this one; a later entry of the same number counts.

        Raises UnknownNameError, ConfigError.
        """
        for name in shares:
            if name not in self.sources:
                raise unknown("source", name, self.sources)
        values = np.array([float(shares.get(name, 0.0)) for name in self.sources])
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise ConfigError(
                f"shares = {dict(shares)}: expected numbers of at least 0, and at least one above 0"
            )
        self.schedule.append((tokens, values / values.sum()))
        self.schedule.sort(key=_start)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if get_worker_info() is not None:
            raise ConfigError(
                "dataloader_num_workers: expected 0, because a worker process does not see new shares"
            )
        names = list(self.sources)
        orders: dict[int, tuple[int, Any]] = {}
        drawn, behind, shares = [0] * len(names), np.zeros(len(names)), np.zeros(0)
        given = self.given = dict.fromkeys(names, 0)
        while True:
            if self.asked:
                self.asked = False
                self.ask()
            now = self._shares(sum(given.values()))
            if not np.array_equal(now, shares):
                shares, behind = now, np.zeros(len(names))
            n = int(np.argmax(np.where(shares > 0, behind + 1e-9 * shares, -np.inf)))
            rows = self.sources[names[n]]
            turn, place = divmod(drawn[n], len(rows))
            if orders.get(n, (-1, None))[0] != turn:
                orders[n] = turn, generator(self.seed, "data", n, turn).permutation(len(rows))
            row = rows[int(orders[n][1][place])]
            used = row_tokens(row)
            drawn[n] += 1
            given[names[n]] += used
            behind = behind + used * shares
            behind[n] -= used
            yield row

    def _shares(self, tokens: int) -> Array:
        """The shares (S,) that hold after so many tokens."""
        place = bisect_right(self.schedule, tokens, key=_start)
        even = np.full(len(self.sources), 1.0 / len(self.sources))
        return self.schedule[place - 1][1] if place else even


def _start(entry: tuple[int, Array]) -> int:
    return entry[0]


def _nothing() -> None:
    """Nobody is asked."""


def row_tokens(row: Mapping[str, Any]) -> int:
    """What a row trains: its labels that are not -100, else all of its `input_ids`; at least 1."""
    if "labels" in row:
        return max(1, int((np.asarray(row["labels"])[1:] != -100).sum()))
    return max(1, len(row["input_ids"]))

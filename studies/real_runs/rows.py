"""The kept table of a pair's runs, read back: what each was trained on, and what was measured."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from studies.real_runs.table import ABOUT


@dataclass(frozen=True, eq=False)
class RealRun:
    """One run of T decisions. `tokens` (T, S) trained in each; `probed` (T + 1, K) and, on items of their
    own, `start` and `final` (K,)."""

    name: str
    held: bool
    kind: str
    budget: int
    seed: int
    tokens: Array
    probed: Array
    start: Array
    final: Array


@dataclass(frozen=True, eq=False)
class RealTable:
    """Runs of one pair."""

    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    runs: tuple[RealRun, ...]

    def part(self, held: bool) -> Self:
        """The half that is kept unseen, or the other."""
        return replace(self, runs=tuple(run for run in self.runs if run.held == held))

    @property
    def budgets(self) -> list[int]:
        """In increasing order."""
        return sorted({run.budget for run in self.runs})

    def weights(self, task: str) -> Array:
        """(K,): .6 on one capability and the rest alike, or `average`."""
        k = len(self.capabilities)
        if task == "average":
            return np.full(k, 1.0 / k)
        return np.array([0.6 if c == task else 0.4 / (k - 1) for c in self.capabilities])

    @property
    def tasks(self) -> tuple[str, ...]:
        """The average, and one a capability."""
        return ("average", *self.capabilities)


def read_table(path: Path) -> RealTable:
    """Read what `write_table` wrote. Raises ConfigError for another file, or an unfinished run."""
    if not path.is_file():
        raise ConfigError(f"{path}: not there; `python -m studies real_runs` makes it")
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    n = len(ABOUT)
    sources = [c.removeprefix("tokens:") for c in head if c.startswith("tokens:")]
    capabilities = [c.removeprefix("score:") for c in head if c.startswith("score:")]
    if tuple(head[:n]) != ABOUT or len(head) != n + len(sources) + len(capabilities):
        raise ConfigError(
            f"{path}: its columns are {', '.join(head[:n])}, ..., not those of real runs"
        )
    runs = tuple(_runs(rows, n, len(sources)))
    return RealTable(tuple(sources), tuple(capabilities), runs)


def _runs(rows: Sequence[Sequence[str]], n: int, s: int) -> Iterator[RealRun]:
    for (name, seed), group in groupby(rows, key=lambda row: (row[0], row[4])):
        of_run = list(group)
        probes = [row for row in of_run if row[5] == "probe"]
        first, last = (row for row in of_run if row[5] == "test")
        spent = np.array([row[n : n + s] for row in probes], dtype=np.float64)

        def scores(row: Sequence[str]) -> Array:
            return np.array(row[n + s :], dtype=np.float64)

        yield RealRun(
            name=name,
            held=of_run[0][1] == "held",
            kind=of_run[0][2],
            budget=int(of_run[0][3]),
            seed=int(seed),
            tokens=np.diff(spent, axis=0),
            probed=np.array([scores(row) for row in probes]),
            start=scores(first),
            final=scores(last),
        )

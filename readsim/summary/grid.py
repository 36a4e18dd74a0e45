"""A complete comparison as arrays. A seed is the unit: its runs on different tasks are averaged first."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.allocators.registry import display_order
from readsim.arrays import Array
from readsim.errors import RunLogError

AXES = ["budget", "allocator", "seed", "task"]


class Grid(NamedTuple):
    """A complete comparison: every allocator on every task, budget and seed."""

    frame: pd.DataFrame
    budgets: list[int]
    allocators: list[str]
    seeds: list[int]
    tasks: list[str]

    def at_budget(self, budget: int) -> "Grid":
        """The part of one budget."""
        return self._replace(frame=self.frame.loc[[budget]], budgets=[budget])

    def by_seed(self, column: str) -> Array:
        """A column averaged over the tasks: (budgets, allocators, seeds)."""
        lengths = [len(axis) for axis in self[1:]]
        out: Array = self.frame[column].to_numpy(dtype=np.float64).reshape(lengths).mean(axis=-1)
        return out


def make_grid(frame: pd.DataFrame) -> Grid:
    """The runs of `readsim.summary.results` in the order of `AXES`, whatever order they came in.

    Raises RunLogError for an empty frame, a run that is there twice, or runs that are missing: means
    over different tasks or seeds cannot be compared.
    """
    if frame.empty:
        raise RunLogError("no runs to summarise")
    lists = [
        sorted(frame["budget"].unique().tolist()),
        display_order(frame["allocator"].unique().tolist()),
        sorted(frame["seed"].unique().tolist()),
        sorted(frame["task"].unique().tolist()),
    ]
    indexed = frame.set_index(AXES)
    if not indexed.index.is_unique:
        double = indexed.index[indexed.index.duplicated()][0]
        raise RunLogError(f"run {dict(zip(AXES, double, strict=True))} is there more than once")
    wanted = pd.MultiIndex.from_product(lists, names=AXES)
    missing = wanted[~wanted.isin(indexed.index)].tolist()
    if missing:
        raise RunLogError(f"the comparison is incomplete: missing {_name_cells(missing)}")
    return Grid(indexed.reindex(wanted), *lists)


def _name_cells(missing: Iterable[tuple[int, str, int, str]]) -> str:
    """The missing runs by cell, the first few of them."""
    cells: dict[tuple[int, str, str], list[int]] = {}
    for budget, allocator, seed, task in missing:
        cells.setdefault((budget, allocator, task), []).append(seed)
    shown = [
        f"{allocator} on {task} with budget {budget} (seeds {', '.join(map(str, seeds))})"
        for (budget, allocator, task), seeds in cells.items()
    ]
    more = f" and {len(shown) - 5} more cells" if len(shown) > 5 else ""
    return "; ".join(shown[:5]) + more

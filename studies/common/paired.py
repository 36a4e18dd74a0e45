"""Runs of the same seeds side by side: one value per task and seed, and what budgets are called."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.token_counts import show_tokens

SMALL, LARGE = "small", "large"


def sizes(case: str, budgets: Collection[int]) -> dict[int, str]:
    """`CASE, small` and `CASE, large`; those between by their tokens; a single one as `CASE`."""
    if len(budgets) == 1:
        return dict.fromkeys(budgets, case)
    ends = {min(budgets): SMALL, max(budgets): LARGE}
    return {b: f"{case}, {ends.get(b) or show_tokens(b)}" for b in sorted(budgets)}


def values_of(frame: pd.DataFrame, budget: int, allocator: str, column: str) -> Array:
    """`column` of an allocator's runs (tasks, N), tasks and seeds in order.

    `frame` is that of `results_of`. Raises RunLogError for a run that another allocator has and this
    one has not, and for one that is there twice.
    """
    at_budget = frame[frame["budget"] == budget]
    tasks = sorted(at_budget["task"].unique())
    seeds = sorted(at_budget["seed"].unique())
    mine = at_budget[at_budget["allocator"] == allocator]
    if (twice := mine[mine.duplicated(["task", "seed"])]).size:
        run = (budget, *twice.iloc[0][["task", "seed"]])
        raise RunLogError(
            f"{allocator!r} has more than one run of (budget, task, seed) = {run}: give one method of "
            "distillation a task"
        )
    table = mine.pivot_table(index="task", columns="seed", values=column)
    table = table.reindex(index=tasks, columns=seeds)
    out: Array = table.to_numpy(dtype="float64")
    for t, n in np.argwhere(np.isnan(out)):
        raise RunLogError(
            f"no {column} of {allocator!r} for (budget, task, seed) = "
            f"({budget}, {tasks[t]!r}, {seeds[n]})"
        )
    return out


def check_one_world(case: str, worlds: Sequence[str]) -> None:
    """RunLogError if the rows of a case are of several worlds."""
    if len(set(worlds)) > 1:
        raise RunLogError(f"{case}: rows of several worlds, {', '.join(sorted(set(worlds)))}")

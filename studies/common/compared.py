"""Runs side by side, by budget, method, seed and task, in points: what claims about methods are judged on."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from readsim.allocators.registry import Family, base_name, family_of
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.comparing import display_name, method_of
from readsim.runs.read_logs import Log
from readsim.stats.metrics import target_set
from readsim.summary.grid import Grid, make_grid
from readsim.summary.results import FINAL, KEYS, declared_scale, results_of
from readsim.token_counts import show_tokens

SMALL, LARGE = "small", "large"
POINTS = ("utility", "on_target", "off_target", "negative", "negative_floor", "harmful")
READ = "read"


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


def compared(logs: Sequence[Log]) -> Grid:
    """The runs, complete, in points (losses as they are), with two more columns.

    `score` is the final score of the capability that the task is about; `worst_drop` the largest
    measured drop (>= 0) among the others. Raises RunLogError as `make_grid`.
    """
    if not logs:
        raise RunLogError("no run logs")
    logs = labelled(logs)
    frame = results_of(logs)
    drops = pd.concat([_worst_drops(log) for log in logs], ignore_index=True)
    frame = frame.merge(drops, on=list(KEYS))
    about = {log.header.task: target_of(log) for log in logs}
    finals = [name for name in frame.columns if name.startswith(FINAL)]
    factor = declared_scale(frame).factor
    frame = frame.assign(**{name: factor * frame[name] for name in (*POINTS, *finals)})
    own = frame["task"].map(about)
    score = np.zeros(len(frame))
    for name in own.unique():
        score = np.where(own == name, frame[f"{FINAL}{name}"], score)
    frame["score"] = score
    return make_grid(frame)


def labelled(logs: Sequence[Log]) -> list[Log]:
    """Logs under their display names, such as `one-hot, logit-kd`, where methods of distillation differ."""
    if len({method_of(log.header) for log in logs}) < 2:
        return list(logs)
    return [log.with_header(allocator=display_name(log.header)) for log in logs]


def target_of(log: Log) -> str:
    """The capability that a log's task is named after, else the one it requires most."""
    names = [log.header.capabilities[j] for j in log.visible]
    task = log.header.task
    return task if task in names else names[int(np.argmax(log.header.requirement))]


def _worst_drops(log: Log) -> pd.DataFrame:
    beside = ~target_set(np.array(log.header.requirement))
    change = np.array([row.final_change for row in log.finals])[:, log.visible][:, beside]
    worst = log.header.scale.factor * np.maximum(-change, 0.0).max(axis=-1, initial=0.0)
    keys = {key: getattr(log.header, key) for key in KEYS if key != "seed"}
    return pd.DataFrame({**keys, "seed": [row.seed for row in log.finals], "worst_drop": worst})


def by_task(grid: Grid, column: str) -> Array:
    """A column as (B, A, N, tasks)."""
    lengths = [len(axis) for axis in grid[1:]]
    out: Array = grid.frame[column].to_numpy(dtype=np.float64).reshape(lengths)
    return out


def place(names: Sequence[str], wanted: str) -> int:
    """Where the method is, whatever its settings. Raises RunLogError if it is missing or not alone."""
    found = [n for n, name in enumerate(names) if base_name(name) == wanted]
    if len(found) != 1:
        raise RunLogError(f"expected runs of one {wanted}: the allocators are {', '.join(names)}")
    return found[0]


def rivals(names: Sequence[str]) -> list[int]:
    """Places of what ReAD is compared with: neither its variants nor oracles. Raises RunLogError if none."""
    out = [n for n, name in enumerate(names) if is_rival(name)]
    if not out:
        raise RunLogError(f"nothing to compare with: the allocators are {', '.join(names)}")
    return out


def is_rival(name: str) -> bool:
    """Whether ReAD is compared with it: it is neither a variant of ReAD nor an oracle."""
    return family_of(name) not in (Family.READ, Family.ORACLE)


def best(values: Array) -> Array:
    """Of values (M, N) the row (N,) with the highest mean over seeds.

    One rival for all seeds, chosen by the mean of the same seeds: with noise this favours the rival.
    """
    out: Array = values[int(values.mean(axis=-1).argmax())]
    return out


def margin(values: Array, names: Sequence[str]) -> Array:
    """ReAD minus the best rival: values (A, N) -> (N,)."""
    out: Array = values[place(names, READ)] - best(values[rivals(names)])
    return out

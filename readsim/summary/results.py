"""What each run came to: the logs of one comparison, checked, and one row a run from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from readsim import metrics
from readsim.arrays import Array
from readsim.envs.reward import RewardConfig, essential_set
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log, read_logs

KEYS = ("budget", "task", "allocator", "seed")


FINAL = "final:"


def results(folder: Path) -> pd.DataFrame:
    """One row a run of the logs in `folder`, sorted; see `results_of`. Raises as `read_logs`."""
    return results_of(read_logs(folder))


def results_of(logs: Sequence[Log]) -> pd.DataFrame:
    """One row a run, in the units of the world; sorted by budget, task, allocator and seed.

    `utility` and `final:CAPABILITY` are those of the final profile. `on_target`, `off_target`,
    `negative` (with its noise floor) and `significant_drops` are over the visible capabilities, from
    the change that the test split measured, with the most required one as the target;
    `harmful` is over the essential set. Without anything beside the target they are missing.
    """
    frame = pd.concat([pd.DataFrame(_columns(log)) for log in logs], ignore_index=True)
    return frame.sort_values(list(KEYS), ignore_index=True)


def _columns(log: Log) -> dict[str, Any]:
    finals = [row for row in log.rows if row["kind"] == "final"]
    try:
        profile = np.array([row["final_profile"] for row in finals])
        totals = [row["totals"] for row in finals]
        columns: dict[str, Any] = {key: log.config[key] for key in ("world", "task", "budget")}
        columns["steps"] = log.config["steps"]
        columns["allocator"] = log.config["allocator"]
        columns["seed"] = [row["seed"] for row in finals]
        columns["utility"] = [row["utility"] for row in finals]
        columns |= _changes(
            np.array([row["final_change"] for row in finals])[:, log.visible],
            np.array([row["final_change_sd"] for row in finals])[:, log.visible],
            np.array(log.config["requirement"]),
        )
        for kind in ("student", "search", "offline"):
            columns[f"{kind}_tokens"] = [total[kind] for total in totals]
    except KeyError as error:
        raise RunLogError(f"{log.path}: a final row lacks {error}") from error
    for j, name in enumerate(log.config["capabilities"]):
        columns[f"{FINAL}{name}"] = profile[:, j]
    return columns


def _changes(change: Array, sd: Array, requirement: Array) -> dict[str, Array]:
    """What runs did to the capabilities: change and sd (N, V), requirement (V,)."""
    target = metrics.target_set(requirement)
    beside = 1.0 if (~target).any() else np.nan  # of nothing there is no mean
    essential = essential_set(requirement, RewardConfig().essential)
    return {
        "on_target": metrics.on_target(change, target),
        "off_target": beside * metrics.off_target(change, target),
        "negative": beside * metrics.negative_spillover(change, target),
        "negative_floor": beside * metrics.negative_floor(sd, target),
        "harmful": metrics.harmful_spillover(change, essential),
        "significant_drops": beside * metrics.significant_drops(change, sd, target),
    }


def is_loss(frame: pd.DataFrame) -> bool:
    """Whether profiles are negated losses: scores are never negative."""
    finals = frame.loc[:, [name for name in frame.columns if name.startswith(FINAL)]]
    return bool((finals.to_numpy() < 0).any())


def is_oracle(allocator: str) -> bool:
    """Whether an allocator knows the world, so that it is a bound and no competitor."""
    return allocator.startswith("oracle")


def display_order(allocators: Iterable[str]) -> list[str]:
    """The paper's baselines, others by name, the paper's method and its variants, then oracles."""
    first = ("one-hot", "uniform", "task-static", "greedy", "grid")

    def place(name: str) -> tuple[int, int, str]:
        group = 3 if is_oracle(name) else 2 if f"{name}-".startswith("read-") else 1
        return (0, first.index(name), name) if name in first else (group, 0, name)

    return sorted(set(allocators), key=place)

"""What each run came to: the logs of one comparison, checked, and one row per run from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.envs.reward import RewardConfig, essential_set
from readsim.errors import RunLogError
from readsim.runs.profile_scale import SCORES, ProfileScale
from readsim.runs.read_logs import Log, read_logs
from readsim.stats import metrics

KEYS = ("budget", "task", "allocator", "seed")


FINAL = "final:"


def results(folder: str | Path) -> pd.DataFrame:
    """One row per run of the logs in `folder`, sorted; see `results_of`. Raises as `read_logs`."""
    return results_of(read_logs(folder))


def results_of(logs: Sequence[Log]) -> pd.DataFrame:
    """One row per run, in the `unit` that the log declares (`score` or `loss`, with its `lowest` score
    beside it); sorted by budget, task, allocator and seed.

    `utility` and `final:CAPABILITY` are those of the final profile. `on_target`, `off_target`,
    `negative` (with its noise floor) and `significant_drops` are over the visible capabilities, from
    the change that the test split measured, with the most required one as the target;
    `harmful` is over the essential set. Without anything beside the target they are missing. Where budgets
    are all student tokens, `equal` is `total` or `shared`, and `offline_tokens` the part that was charged.
    """
    frame = pd.concat([pd.DataFrame(_columns(log)) for log in logs], ignore_index=True)
    return frame.sort_values(list(KEYS), ignore_index=True)


def _columns(log: Log) -> dict[str, Any]:
    header, finals = log.header, log.finals
    profile = np.array([row.final_profile for row in finals])
    columns: dict[str, Any] = {
        "world": header.world,
        "task": header.task,
        "budget": header.budget,
        "steps": header.steps,
        "unit": header.unit,
        "lowest": header.scale.lowest,
        "allocator": header.allocator,
        "seed": [row.seed for row in finals],
        "utility": [row.utility for row in finals],
    }
    columns |= _changes(
        np.array([row.final_change for row in finals])[:, log.visible],
        np.array([row.final_change_sd for row in finals])[:, log.visible],
        np.array(header.requirement),
    )
    try:
        for kind in ("student", "search", "offline"):
            columns[f"{kind}_tokens"] = [row.totals[kind] for row in finals]
    except KeyError as error:
        raise RunLogError(f"{log.path}: the totals of a final row lack {error}") from error
    if header.is_real:
        columns["real"] = True
    if header.paid is not None:
        columns["offline_tokens"] = [
            -(-n // header.paid["tasks"]) for n in columns["offline_tokens"]
        ]
        columns["equal"] = "total" if header.paid["tasks"] == 1 else "shared"
    for j, name in enumerate(header.capabilities):
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


def declared_scale(frame: pd.DataFrame) -> ProfileScale:
    """What the numbers of `results` are: its runs have one unit; scores where it does not say."""
    if "unit" not in frame:
        return SCORES
    return ProfileScale(frame["unit"].iloc[0], float(frame.get("lowest", pd.Series([0.0])).min()))

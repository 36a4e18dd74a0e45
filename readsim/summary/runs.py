"""What each run came to: the logs of one comparison, checked, and one row a run from them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from readsim import metrics
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.experiment import log_paths
from readsim.reward import RewardConfig, essential_set
from readsim.runlog import read_runlog

# A folder holds one comparison: these are the same in all its logs.
SHARED = ("world", "world_digest", "steps", "sources", "capabilities", "hidden")
# What a real run's manifest says of its method of distillation: compared runs may differ in it (R65).
METHOD = ("method", "signal", "objective")
METHOD_SETTINGS = ("objective_settings", "auxiliary_weight", "on_policy", "soft")
OWN = ("task", "budget", "allocator", "requirement", "seeds")
KEYS = ("budget", "task", "allocator", "seed")
FINAL = "final:"


class Log(NamedTuple):
    """A run log of a comparison."""

    path: Path
    config: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def visible(self) -> list[int]:
        """Places of the capabilities that probes show and the requirement is over."""
        hidden = self.config["hidden"]
        return [j for j, name in enumerate(self.config["capabilities"]) if name not in hidden]


def read_logs(folder: Path, names: Collection[str] | None = None) -> list[Log]:
    """The logs of the comparison in `folder`, in the order of their names; `names` only these files.

    Raises RunLogError, naming the files, if there is none, if they are of different worlds or
    numbers of steps, if two hold the same cell, or if a run has no final row.
    """
    named = None if names is None else [folder / "runs" / name for name in sorted(names)]
    read = [(path, *read_runlog(path)) for path in named or log_paths(folder)]
    logs = [Log(path, header["config"], rows) for path, header, rows in read]
    check_configs(logs)
    for log in logs:
        ended = [row["seed"] for row in log.rows if row["kind"] == "final"]
        if sorted(ended) != sorted(log.config["seeds"]):
            raise RunLogError(
                f"{log.path} is unfinished: final rows of seeds {sorted(ended)}, expected one "
                f"each of {sorted(log.config['seeds'])}"
            )
    return joined(logs)


def joined(logs: Sequence[Log]) -> list[Log]:
    """Logs of one cell as one: real runs have a log a seed, and a method of distillation.

    Raises RunLogError for a seed in two.
    """
    cells: dict[tuple[Any, ...], Log] = {}
    for log in logs:
        manifest = log.config.get("manifest") or {}
        method = [manifest.get(key, "") for key in METHOD]
        told = "identified" in log.config
        cell = (*(log.config[key] for key in ("allocator", "task", "budget")), *method, told)
        if cell not in cells:
            cells[cell] = log
            continue
        first = cells[cell]
        if twice := set(first.config["seeds"]) & set(log.config["seeds"]):
            raise RunLogError(f"{first.path} and {log.path} both hold {cell}, seeds {twice}")
        seeds = [*first.config["seeds"], *log.config["seeds"]]
        cells[cell] = Log(first.path, {**first.config, "seeds": seeds}, [*first.rows, *log.rows])
    return list(cells.values())


def fair(config: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be equal in runs that are compared: `SHARED`; of real runs, whose digest covers the
    method, `fair_manifest` in place of the digest."""
    shared = {key: config[key] for key in SHARED}
    if config.get("manifest") is None:
        return shared
    del shared["world_digest"]
    return {**shared, **fair_manifest(config["manifest"])}


def fair_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """All of a real run's manifest but its method and the versions of libraries (R65)."""
    apart = (*METHOD, *METHOD_SETTINGS, "versions")
    return {key: value for key, value in manifest.items() if key not in apart}


def check_configs(logs: Sequence[Log]) -> None:
    """Raise RunLogError, naming the files, for a config that lacks something or is of another comparison."""
    for log in logs:
        missing = [key for key in (*SHARED, *OWN) if key not in log.config]
        if missing:
            raise RunLogError(f"{log.path}: its config lacks {', '.join(missing)}")
        first, this = fair(logs[0].config), fair(log.config)
        for key in {**first, **this}:
            one, other = first.get(key), this.get(key)
            if one != other:
                raise RunLogError(
                    f"{key} is {one!r} in {logs[0].path} and {other!r} in {log.path}: "
                    "a folder holds one comparison"
                )


def results(folder: Path) -> pd.DataFrame:
    """One row a run of the logs in `folder`, sorted; see `results_of`. Raises as `read_logs`."""
    return results_of(read_logs(folder))


def results_of(logs: Sequence[Log]) -> pd.DataFrame:
    """One row a run, in the units of the world; sorted by budget, task, allocator and seed.

    `utility` and `final:CAPABILITY` are those of the final profile. `on_target`, `off_target`,
    `negative` (with its noise floor) and `significant_drops` are over the visible capabilities, from
    the change that the test split measured, with the most required one as the target (D18);
    `harmful` is over the essential set (R106). Without anything beside the target they are missing.
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

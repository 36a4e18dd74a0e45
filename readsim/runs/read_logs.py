"""Reads run logs: the one bridge from runs to tables, figures and fits."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from readsim.errors import RunLogError
from readsim.runs.grid import log_paths
from readsim.runs.log_file import read_runlog

# A folder holds one comparison: these are the same in all its logs.
SHARED = ("world", "world_digest", "steps", "sources", "capabilities", "hidden")


# What a real run's manifest says of its method of distillation: compared runs may differ in it.
METHOD = ("method", "signal", "objective")


METHOD_SETTINGS = ("objective_settings", "auxiliary_weight", "on_policy", "soft")


OWN = ("task", "budget", "allocator", "requirement", "seeds")


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
    """All of a real run's manifest but its method and the versions of libraries."""
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


# Whether the rows of a log are a whole run: what figures and tables rely on, checked with names.


def check_run(log: Log, seed: int) -> None:
    """Raise RunLogError, naming file, seed and field, for rows that are missing, double or too short."""
    rows = [row for row in log.rows if row["seed"] == seed]
    kinds = [row["kind"] for row in rows]
    where = f"{log.path}, seed {seed}"
    if kinds[:1] != ["start"] or kinds[-1:] != ["final"] or set(kinds[1:-1]) - {"step"}:
        raise RunLogError(f"{where}: rows are {_runs_of(kinds)}; expected start, steps, final")
    steps = [row.get("step") for row in rows[1:-1]]
    if steps != list(range(1, len(steps) + 1)) or len(steps) > log.config["steps"]:
        raise RunLogError(
            f"{where}: steps are {steps}, expected 1, 2, ... up to {log.config['steps']}"
        )
    k, v, s = len(log.config["capabilities"]), len(log.visible), len(log.config["sources"])
    for row in rows:
        name = f"{where}, {row['kind']} row"
        if row["kind"] == "final":
            for key in ("final_profile", "final_change", "final_change_sd"):
                _check_length(row, key, k, name)
            if not isinstance(row.get("utility"), int | float):
                raise RunLogError(f"{name}: utility is {row.get('utility')!r}, expected a number")
        else:
            _check_length(row, "profile", v, name)
        if row["kind"] == "step":
            _check_length(row, "allocation", s, name)
            if not {"tokens", "spent"} <= row.keys():
                raise RunLogError(f"{name}: lacks tokens or spent")


def _check_length(row: Mapping[str, Any], key: str, length: int, where: str) -> None:
    value = row.get(key)
    if not isinstance(value, list) or len(value) != length:
        found = "is missing" if value is None else f"is {str(value)[:60]}"
        raise RunLogError(f"{where}: {key} {found}, expected {length} numbers")
    if not all(isinstance(x, int | float) for x in value):
        raise RunLogError(f"{where}: {key} holds something that is no number")


def _runs_of(kinds: list[str]) -> str:
    """`start, 20 x step, final`."""
    counted: list[tuple[str, int]] = []
    for kind in kinds:
        if counted and counted[-1][0] == kind:
            counted[-1] = (kind, counted[-1][1] + 1)
        else:
            counted.append((kind, 1))
    return ", ".join(kind if n == 1 else f"{n} x {kind}" for kind, n in counted) or "none"

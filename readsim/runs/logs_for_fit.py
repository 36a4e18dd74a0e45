"""Run logs to the arrays of a fit: one row a measured profile, at the tokens it had been trained on."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, RunLogError
from readsim.fitting.table import Runs
from readsim.fitting.units import Scale
from readsim.runs.log_file import read_runlog
from readsim.runs.log_schema import Row


def is_log(path: Path) -> bool:
    """A run log or a folder of them, by its name."""
    return path.is_dir() or path.suffix == ".jsonl"


def read_logs(path: Path) -> Runs:
    """The start, steps and end of every run in a log, or in all logs of a folder (or its `runs`).

    A profile is what was measured after cumulative tokens by source; the last one is measured on the
    test split too. Hidden capabilities are left out. Raises ConfigError for a folder without logs or
    logs that do not belong together, RunLogError for one that cannot be read.
    """
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.jsonl")) or sorted((path / "runs").glob("*.jsonl"))
        if not files:
            raise ConfigError(f"{path}: no run logs (*.jsonl) in it or in {path / 'runs'}")
    logs = [(file, *read_runlog(file)) for file in files]
    for file, header, _ in logs:
        _same(header["config"], logs[0][1]["config"], file, files[0])
    config = logs[0][1]["config"]
    points = [
        point._replace(run=(n, point.run[1]))
        for n, (file, _, rows) in enumerate(logs)
        for point in _points(file, rows, config)
    ]
    if not points:
        raise ConfigError(f"{path}: the logs have no measured profiles")
    runs = sorted({p.run for p in points})
    profiles, tokens = np.array([p.profile for p in points]), np.array([p.tokens for p in points])
    for j, name in enumerate(config["sources"]):
        if not tokens[:, j].any():
            raise ConfigError(
                f"{path}: source {name!r} was never trained on: nothing to learn of it"
            )
    hidden = config.get("hidden", [])
    return Runs(
        tuple(p.label for p in points),
        tuple(config["sources"]),
        tuple(c for c in config["capabilities"] if c not in hidden),
        tokens,
        profiles,
        np.array([runs.index(p.run) for p in points]),
        Scale("scores" if np.nanmin(profiles) >= 0.0 else "losses"),
        files=tuple(f.name for f in files),
        notes=[f"{len(runs)} runs of {len(files)} logs"],
    )


class Point(NamedTuple):
    """One measurement: `run` is (log, seed), tokens (S,), profile (V,) of visible capabilities."""

    run: tuple[int, int]
    label: str
    tokens: Array
    profile: list[float]


def _points(file: Path, rows: list[Row], config: Row) -> Iterator[Point]:
    shown = [j for j, c in enumerate(config["capabilities"]) if c not in config.get("hidden", [])]
    spent: dict[int, Array] = {}
    for number, row in enumerate(rows, start=2):
        seed = row["seed"]
        at = spent.get(seed, np.zeros(len(config["sources"])))
        if row["kind"] == "step":
            at = spent[seed] = at + float(row["tokens"]) * np.array(row["allocation"])
        whole = row.get("final_profile")
        seen = row.get("profile") if whole is None else [whole[j] for j in shown]
        if seen is None:
            continue
        if len(seen) != len(shown):
            raise RunLogError(
                f"{file}, line {number}: {len(seen)} scores for {len(shown)} capabilities"
            )
        label = f"{file.name} seed {seed}, {row['kind']} {row.get('step', 0)}"
        yield Point((0, seed), label, at, [np.nan if v is None else float(v) for v in seen])


def _same(config: Row, first: Row, file: Path, first_file: Path) -> None:
    """Logs of one fit have the same names and, where they tell it, are of the same world."""
    for key in ("sources", "capabilities", "world_digest"):
        if key != "world_digest" and not isinstance(config.get(key), list):
            raise RunLogError(f"{file}: its header has no list of {key}")
        if config.get(key) != first.get(key):
            raise ConfigError(
                f"{file}: {key} = {config.get(key)!r}, but {first_file} has {first.get(key)!r}: logs "
                "of one world are needed"
            )

"""Whether the rows of a log are a whole run: what figures and tables rely on, checked with names."""

from collections.abc import Mapping
from typing import Any

from readsim.errors import RunLogError
from readsim.summary.runs import Log


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

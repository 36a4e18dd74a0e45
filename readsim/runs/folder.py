"""What a folder of runs holds beside its logs: whose it is, and timings."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from readsim.errors import ConfigError, RunLogError
from readsim.files.frame import read_frame
from readsim.runs.cell import Cell, world_digest
from readsim.runs.comparing import differences
from readsim.runs.log_schema import plain, read_content
from readsim.tree_file import write_frame
from readsim.worlds import load_world


def refuse_other_runs(out: Path, cells: Sequence[Cell]) -> None:
    """A folder holds one comparison: logs of cells that are not asked for are not mixed in."""
    wanted = {cell.file_name: cell for cell in cells}
    others = sorted(p.name for p in (out / "runs").glob("*.jsonl") if p.name not in wanted)
    if others:
        raise ConfigError(
            f"--out {str(out)!r} holds {len(others)} run logs of another comparison "
            f"(such as {others[0]}): choose another folder"
        )
    asked = load_world(cells[0].world)
    for name, cell in sorted(wanted.items()):  # logs say whose they are; world.toml may be damaged
        path = out / "runs" / name
        if not path.is_file():
            continue
        known = read_content(path).header["config"]
        if known.get("world_digest") != world_digest(asked):
            raise ConfigError(
                f"--out {str(out)!r} holds runs in another world ({known.get('world')}"
                f"{', with other numbers' if known.get('world') == asked.name else f', not {asked.name}'}): "
                "choose another folder"
            )
        shared = (known.get("paid") or {}).get("tasks", 0)
        if shared != cell.sharing:
            kinds = {0: "student", 1: "total"}
            was, now = (kinds.get(n, f"shared by {n} tasks") for n in (shared, cell.sharing))
            raise ConfigError(
                f"--out {str(out)!r} holds runs of equal budgets of another kind ({was}, not {now}): "
                "choose another folder"
            )


def set_aside(out: Path, cells: Sequence[Cell], *, fresh: bool = False) -> list[str]:
    """Make room for runs whose allocator's code, or a file that it loads, is another now: their logs become
    `NAME.jsonl.replaced`, and each such allocator is a sentence of the answer. With `fresh` all logs of the
    cells, without a word.

    Raises RunLogError for a log that cannot be read or moved.
    """
    changed: dict[str, list[str]] = {}
    for cell in cells:
        path = out / "runs" / cell.file_name
        if not path.exists():
            continue
        found = [] if fresh else _changed_code(path, cell)
        if fresh or found:
            try:
                path.replace(path.with_name(path.name + ".replaced"))
            except OSError as error:
                raise RunLogError(f"cannot move run log {path}: {error}") from error
        if found:
            changed[cell.allocator_name] = found
    return [
        f"{name}: {', '.join(parts)} changed since its runs in {out}: they are run again (the old logs "
        "end in .replaced)"
        for name, parts in changed.items()
    ]


def _changed_code(path: Path, cell: Cell) -> list[str]:
    """What has another digest in a log, by name; nothing where more than that differs."""
    known = read_content(path).header["config"]
    now = plain(cell.header(load_world(cell.world)), "config")
    if "paid" in known and "paid" in now:  # what is left for the student is known after a run
        now["paid"] = {**now["paid"], "student": known["paid"].get("student")}
    found = differences(known, now)
    if not found or any(not one.name.startswith("code") for one in found):
        return []
    both = (known.get("code", {}), now.get("code", {}))
    return sorted(n for n in both[0].keys() | both[1].keys() if both[0].get(n) != both[1].get(n))


def write_timings(path: Path, seconds: dict[Cell, float]) -> None:
    """Seconds in the allocator by cell; cells that were finished before keep their line."""
    import pandas as pd

    rows = [
        {
            "allocator": cell.allocator_name,
            "task": cell.task_name,
            "budget": cell.budget,
            "seconds": spent,
            "decisions": cell.steps * len(cell.seeds),
        }
        for cell, spent in seconds.items()
    ]
    table = pd.DataFrame(rows)
    if path.is_file():
        index = ["allocator", "task", "budget"]
        try:
            old = read_frame(path, [*index, "seconds"]).set_index(index)["seconds"]
            keys = pd.MultiIndex.from_frame(table[index])
            before = old.astype(float).reindex(keys).fillna(0.0).to_numpy()
            table["seconds"] = table["seconds"].where(table["seconds"] > 0, before)
        except (ConfigError, ValueError) as error:
            warnings.warn(f"{error}: seconds of earlier runs are lost", stacklevel=2)
    write_frame(path, table)

"""Reads run logs: the one bridge from runs to tables, figures and fits."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.comparing import METHOD, SHARED, unlike
from readsim.runs.log_schema import read_content
from readsim.runs.row_order import check_order
from readsim.runs.rows import (
    FinalRow,
    LogRow,
    RunHeader,
    StartRow,
    StepRow,
    read_header,
    read_row,
)

if TYPE_CHECKING:
    import pandas as pd

# What a log of a comparison says beside what all its logs share.
OWN = ("task", "budget", "allocator", "requirement", "seeds")


@dataclass(frozen=True)
class LoggedRun:
    """One whole run: its start, its steps 1, 2, ..., its end."""

    start: StartRow
    steps: list[StepRow]
    final: FinalRow

    @property
    def profiles(self) -> Array:
        """What the probes showed at the start and after each step: (T + 1, V)."""
        return np.array([self.start.profile, *(row.profile for row in self.steps)])


@dataclass(frozen=True, eq=False)
class Log:
    """A run log: what it says of its runs, and their rows in the order of the file.

    `torn_bytes` counts those of a last line that is incomplete and left out.
    """

    path: Path
    header: RunHeader
    rows: tuple[LogRow, ...]
    torn_bytes: int = 0

    @property
    def visible(self) -> list[int]:
        """Places of the capabilities that probes show and the requirement is over."""
        return self.header.visible

    @cached_property
    def starts(self) -> list[StartRow]:
        return [row for row in self.rows if isinstance(row, StartRow)]

    @cached_property
    def steps(self) -> list[StepRow]:
        return [row for row in self.rows if isinstance(row, StepRow)]

    @cached_property
    def finals(self) -> list[FinalRow]:
        return [row for row in self.rows if isinstance(row, FinalRow)]

    @cached_property
    def runs(self) -> dict[int, LoggedRun]:
        """Every seed's run, each checked to be whole. Raises RunLogError, naming file, seed and rows."""
        by_seed: dict[int, list[LogRow]] = {}
        for row in self.rows:
            by_seed.setdefault(row.seed, []).append(row)
        return {seed: self._whole(seed, rows) for seed, rows in by_seed.items()}

    def _whole(self, seed: int, rows: Sequence[LogRow]) -> LoggedRun:
        where = f"{self.path}, seed {seed}"
        start, final = rows[0], rows[-1]
        steps = [row for row in rows[1:-1] if isinstance(row, StepRow)]
        if (
            not isinstance(start, StartRow)
            or not isinstance(final, FinalRow)
            or len(steps) < len(rows) - 2
        ):
            found = _runs_of([row.kind for row in rows])
            raise RunLogError(f"{where}: rows are {found}; expected start, steps, final")
        numbers = [row.step for row in steps]
        if numbers != list(range(1, len(steps) + 1)) or len(steps) > self.header.steps:
            raise RunLogError(
                f"{where}: steps are {numbers}, expected 1, 2, ... up to {self.header.steps}"
            )
        run = LoggedRun(start, steps, final)
        if np.isnan(run.profiles).any():
            raise RunLogError(f"{where}: a profile lacks a score")
        return run

    def need(self, *keys: str) -> None:
        """Raise RunLogError, naming file and fields, if the header lacks any of these."""
        if missing := [key for key in keys if key in self.header.absent]:
            raise RunLogError(f"{self.path}: its config lacks {', '.join(missing)}")

    def unfinished(self) -> list[int]:
        """Its seeds without a final row. Raises RunLogError for a seed that ended twice or is not its own."""
        ended = Counter(row.seed for row in self.finals)
        seeds = self.header.seeds
        if twice := [seed for seed, n in ended.items() if n > 1]:
            raise RunLogError(f"{self.path}: seed {twice[0]} has more than one final row")
        if strange := sorted(set(ended) - set(seeds)):
            raise RunLogError(
                f"{self.path}: seed {strange[0]} is not among its seeds {list(seeds)}"
            )
        return [seed for seed in seeds if seed not in ended]

    def shortfall(self) -> str | None:
        """What an unfinished log lacks, by name; None for a whole one. Raises as `unfinished`."""
        if not (seeds := self.unfinished()):
            return None
        torn = "; its last line is cut off" if self.torn_bytes else ""
        named = ", ".join(map(str, seeds))
        return f"{self.path.name}: unfinished, no final row of seeds {named}{torn}"

    def of_seeds(self, seeds: Collection[int]) -> "Log":
        """The same log with these seeds only."""
        mine = tuple(seed for seed in self.header.seeds if seed in seeds)
        rows = tuple(row for row in self.rows if row.seed in seeds)
        return replace(self.with_header(seeds=mine), rows=rows)

    def with_header(self, **changes: Any) -> "Log":
        """The same rows under a header in which these fields are changed."""
        return replace(self, header=replace(self.header, **changes))

    def frame(self) -> "pd.DataFrame":
        """A tidy table: one row per row of the log, one column per field; what a row lacks is missing."""
        import pandas as pd

        return pd.DataFrame([_fields(row) for row in self.rows])


def _fields(row: LogRow) -> dict[str, Any]:
    held = {f.name: getattr(row, f.name) for f in fields(row) if f.name != "extra"}
    return {"kind": row.kind, **{k: v for k, v in held.items() if v is not None}, **row.extra}


def read_log(path: str | Path) -> Log:
    """One log; an incomplete last line is left out, an unfinished run is none the worse for it.

    Raises SchemaError if a newer readsim wrote it; RunLogError, naming file, line or seed, and field,
    if the file is missing, has no header or a broken line, or a field is not what it should be.
    """
    path = Path(path)
    content = read_content(path)
    header = read_header(content.header, str(path))
    rows = tuple(read_row(row, header, str(path)) for row in content.rows)
    check_order(rows, str(path))
    return Log(path, header, rows, content.torn_bytes)


def log_paths(folder: str | Path) -> list[Path]:
    """Every run log under `folder`/runs, else in `folder`; `folder` itself if it is a file.

    Sorted by name. Raises RunLogError if there is none.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    paths = sorted((folder / "runs").glob("*.jsonl")) or sorted(folder.glob("*.jsonl"))
    if not paths:
        raise RunLogError(f"{folder}: no run logs (*.jsonl) in it or under {folder / 'runs'}")
    return paths


def run_folders(folder: Path) -> list[Path]:
    """The folders in `folder` that hold run logs, one a world, sorted by name; `folder` itself where it has
    logs of its own, or nothing is found."""
    if not folder.is_dir() or any((folder / "runs").glob("*.jsonl")) or any(folder.glob("*.jsonl")):
        return [folder]
    inner = [path for path in folder.iterdir() if path.is_dir()]
    return sorted(path for path in inner if any((path / "runs").glob("*.jsonl"))) or [folder]


def read_logs(folder: str | Path, names: Collection[str] | None = None) -> list[Log]:
    """The logs of the comparison in `folder`, in the order of their names; `names` only these files.

    Raises RunLogError, naming the files, if there is none, if they are of different worlds or
    numbers of steps, if two hold the same cell, or if a run has no final row.
    """
    folder = Path(folder)
    named = None if names is None else [folder / "runs" / name for name in sorted(names)]
    logs = [read_log(path) for path in named or log_paths(folder)]
    check_comparison(logs)
    for log in logs:
        ended = sorted(row.seed for row in log.finals)
        if ended != sorted(log.header.seeds):
            raise RunLogError(
                f"{log.path} is unfinished: final rows of seeds {ended}, expected one "
                f"each of {sorted(log.header.seeds)}"
            )
    return joined(logs)


def joined(logs: Sequence[Log]) -> list[Log]:
    """Logs of one cell as one: real runs have a log a seed, and a method of distillation.

    Raises RunLogError for a seed in two.
    """
    cells: dict[tuple[Any, ...], Log] = {}
    for log in logs:
        own = log.header
        manifest = own.manifest or {}
        method = [manifest.get(key, "") for key in METHOD]
        cell = (own.allocator, own.task, own.budget, *method, own.identified is not None)
        if cell not in cells:
            cells[cell] = log
            continue
        first = cells[cell]
        if twice := set(first.header.seeds) & set(own.seeds):
            raise RunLogError(f"{first.path} and {log.path} both hold {cell}, seeds {twice}")
        both = first.with_header(seeds=(*first.header.seeds, *own.seeds))
        cells[cell] = replace(both, rows=(*first.rows, *log.rows))
    return list(cells.values())


def check_comparison(logs: Sequence[Log]) -> None:
    """Raise RunLogError, naming the files, for a log that lacks something or is of another comparison."""
    for log in logs:
        log.need(*SHARED, *OWN)
        if found := unlike(logs[0].header, log.header, one_task=False):
            between = found[0].between(f"in {logs[0].path}", f"in {log.path}")
            raise RunLogError(f"{between}: a folder holds one comparison")


def _runs_of(kinds: list[str]) -> str:
    """`start, 20 x step, final`."""
    counted: list[tuple[str, int]] = []
    for kind in kinds:
        if counted and counted[-1][0] == kind:
            counted[-1] = (kind, counted[-1][1] + 1)
        else:
            counted.append((kind, 1))
    return ", ".join(kind if n == 1 else f"{n} x {kind}" for kind, n in counted) or "none"

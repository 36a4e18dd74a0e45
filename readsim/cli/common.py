"""What several commands share: options, lists, seeds, the progress bar."""

import contextlib
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from readsim.errors import ConfigError, RunLogError, shown
from readsim.runs.cell import Cell
from readsim.runs.grid import runs_read
from readsim.streams import checked_seeds

World = Annotated[
    str,
    typer.Option(
        help="The world: a preset, a .toml or .json file, a .csv of effects, or random:seed=1,..."
    ),
]
Sources = Annotated[
    str | None,
    typer.Option(
        help="These columns are sources: a,b,share_*.", show_default="guessed from the names"
    ),
]
Targets = Annotated[
    str | None,
    typer.Option(
        help="These columns are measurements: c,d,*_loss.", show_default="guessed from the names"
    ),
]
LowerIsBetter = Annotated[
    str | None,
    typer.Option(
        help="In these columns lower is better: all, none, or names separated by commas.",
        show_default="those named loss",
    ),
]
Size = Annotated[
    str | None,
    typer.Option(help="Only runs of this model size are used, if the file has several."),
]
Steps = Annotated[int, typer.Option(help="The budget is divided into this many decisions.")]
Requirement = Annotated[
    str | None,
    typer.Option(
        show_default="the task's own",
        help="Allocators are given the task's requirement in this form: oracle, stale, noisy:20, "
        "permuted or uniform.",
    ),
]
Seeds = Annotated[
    str,
    typer.Option(
        help="Each run is repeated with this many seeds (8 means seeds 0 to 7), or with the "
        "seeds listed: 3,5, or `3,` for seed 3 alone."
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="The allocator starts from the state in this file, written by --keep-state, or from "
        "the log of an unfinished run.",
    ),
]
KeepState = Annotated[
    Path | None,
    typer.Option(
        help="The final state of the allocator is written to this file; another run can start "
        "from it with --from."
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Everything is run again, even runs that are finished in the folder."
    ),
]


EVERY = 60.0  # seconds between two lines of progress where there is no terminal


def say_read(console: Console, seconds: Mapping[Cell, float]) -> None:
    """How many runs were finished before this command."""
    runs = sum(len(cell.seeds) for cell in seconds)
    if kept := runs_read(seconds):
        console.print(
            f"{kept} of {runs} runs were read from disk; --fresh runs them again", highlight=False
        )


def parse_list(text: str | None, name: str) -> list[str] | None:
    """`"a,b"` -> `["a", "b"]`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ConfigError(f"--{name} {text!r}: expected names separated by commas")
    return parts


def completed(incomplete: str, names: Iterable[str]) -> list[str]:
    """What a shell may make of the last part of a list with commas: each name that begins so."""
    head, comma, part = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in names if name.startswith(part)]


def need_folder(folder: Path) -> None:
    """Raise RunLogError for a file where a folder is meant: figures and tables are written into it."""
    if folder.is_file():
        raise RunLogError(f"{folder} is not a folder")


ROOM = 2**16  # bytes that a disk must have left for a file


def need_target(path: Path) -> None:
    """Raise RunLogError, before any work is done, if a file cannot be written at `path`.

    What is there stays as it is, and nothing is left that was not. Where no file is, none is made, not even
    for a moment: a job may wait for it.
    """
    made: list[Path] = []
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise RunLogError(f"cannot write {path}: it is {what}")
        made = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent) as file:
            file.write(bytes(ROOM))
            file.flush()
        with path.with_name(f"{path.name}.tmp").open("ab"):  # as `write_atomic` names it
            pass
        path.with_name(f"{path.name}.tmp").unlink()
        if path.exists():
            with path.open("ab"):
                pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunLogError(f"cannot write {str(path)[:200]}: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


def parse_tasks(text: str | None) -> list[str] | None:
    """Names with commas, as `parse_list`; weights (`math=0.7,code=0.3`) are one task, `;` before another."""
    if text is None or ("=" not in text and ";" not in text):
        return parse_list(text, "tasks")
    return [part.strip() for part in text.split(";")]


def parse_seeds(text: str) -> list[int]:
    """`"8"` -> 0..7; `"3,5"` -> 3 and 5; `"3,"` -> 3 alone."""
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--seeds {shown(text)}: expected a number of seeds, or seeds separated by commas"
        ) from error
    return checked_seeds(numbers if "," in text else numbers[0], "--seeds")


class Bar(Progress):
    """A progress bar; where the output is no terminal, a line of text now and then."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(*columns, console=console)
        self.began, self.told = time.monotonic(), -math.inf

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """As Rich's."""
        super().update(task_id, **changes)
        self._tell()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """As Rich's."""
        super().advance(task_id, advance)
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self.console.is_terminal or now - max(self.told, self.began) < EVERY:
            return
        self.told = now
        for task in self.tasks:
            of = "" if task.total is None else f" of {task.total:g}"
            minutes = (now - self.began) / 60.0
            line = f"{task.description}: {task.completed:g}{of} after {minutes:.0f} min"
            self.console.print(line, highlight=False)


def progress(console: Console) -> Progress:
    """The progress bar of every command that takes a while."""
    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )

"""Runs of the studies, in one store: what two studies need is run once, and is there after a crash."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from readsim.runs.cell import Cell, folder_name, world_digest
from readsim.runs.grid import run_cell
from readsim.runs.parallel import in_order
from readsim.runs.read_logs import Log, read_logs
from readsim.worlds import load_world
from studies.common.study import Case


def folder_of(cell: Cell) -> str:
    """Where in the store a cell's log is: one folder per world, number of steps, set of seeds and telling."""
    world = load_world(cell.world)
    seeds = hashlib.sha256(repr(cell.seeds).encode()).hexdigest()[:8]
    told = "" if cell.requirement is None else f".{cell.requirement.replace(':', '-')}"
    name = folder_name(world.name.replace(".", "-"))
    return f"{name}-{world_digest(world)[:8]}.{cell.steps}steps.seeds-{seeds}{told}"


def jobs_of(cases: Sequence[Case], store: Path) -> list[tuple[Cell, Path]]:
    """Every cell of the cases once, with its log."""
    wanted: dict[Path, Cell] = {}
    for case in cases:
        for cell in case.cells:
            path = store.absolute() / folder_of(cell) / "runs" / cell.file_name
            wanted.setdefault(path, cell)
    return [(cell, path) for path, cell in wanted.items()]


def run_jobs(
    todo: Sequence[tuple[Cell, Path]], jobs: int, on_cell: Callable[[], None] | None = None
) -> None:
    """Run what is missing, by whatever joblib backend is active (`readsim.runs.parallel.use_backend`)."""
    for _ in in_order(run_cell, todo, jobs):
        if on_cell is not None:
            on_cell()


def read_case(case: Case, store: Path) -> list[Log]:
    """The logs of a case. Raises RunLogError, naming the file, for what is missing or does not fit."""
    if case.kept is not None:
        return read_logs(case.kept)
    folders = sorted({folder_of(cell) for cell in case.cells})
    out: list[Log] = []
    for folder in folders:
        names = [cell.file_name for cell in case.cells if folder_of(cell) == folder]
        out += read_logs(store / folder, names)
    return out

"""Run a plan: world by world, resumable, whatever single allocators do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from readsim.runs.cell import Cell
from readsim.runs.folder import refuse_other_runs, set_aside, write_timings
from readsim.runs.grid import Problem, run_cells
from readsim.suite.plan import Comparison
from readsim.summary import results, summarise
from readsim.tree_file import write_frame
from readsim.worlds import load_world, save_world

ASIDE = "unfinished"
NOT_APPLICABLE = "CapabilityMissingError"


class Trouble(NamedTuple):
    """A cell without a result, and why."""

    folder: str
    cell: Cell
    problem: Problem

    @property
    def applicable(self) -> bool:
        """Whether the allocator failed, rather than needs what this world does not offer."""
        return self.problem.kind != NOT_APPLICABLE


def run_suite(
    plan: Sequence[Comparison],
    out: Path,
    *,
    jobs: int = 1,
    fresh: bool = False,
    say: Callable[[str], None] | None = None,
    on_cell: Callable[[Cell, float], None] | None = None,
    on_world: Callable[[Comparison], None] | None = None,
) -> list[Trouble]:
    """Run every comparison into its sub-folder of `out`, each a folder as `readsim compare` leaves.

    What is finished is not run again, unless it is `fresh`, or the allocator's code changed: `say` is told
    so. An allocator that raises in any cell of a world is left out of
    that world's folder, so that this stays a complete comparison: the logs it did finish are kept
    beside it in `unfinished`, and used when the suite is run again.

    Raises ConfigError if a folder holds other runs, before anything is run.
    """
    for comparison in plan:
        _take_back(out / comparison.folder)
        refuse_other_runs(out / comparison.folder, comparison.cells)
        for note in set_aside(out / comparison.folder, comparison.cells, fresh=fresh):
            if say is not None:
                say(note)
    troubles: list[Trouble] = []
    for comparison in plan:
        folder = out / comparison.folder
        save_world(load_world(comparison.world), folder / "world.toml")
        problems: dict[Cell, Problem] = {}
        seconds = run_cells(comparison.cells, folder, jobs=jobs, on_cell=on_cell, problems=problems)
        broken = {cell.allocator_name for cell in problems}
        write_timings(
            folder / "timings.csv",
            {cell: spent for cell, spent in seconds.items() if cell.allocator_name not in broken},
        )
        _lay_aside(folder, [cell for cell in comparison.cells if cell.allocator_name in broken])
        frame = results(folder)
        write_frame(folder / "results.csv", frame)
        write_frame(folder / "summary.csv", summarise(frame, folder / "timings.csv")[0])
        troubles += [Trouble(comparison.folder, *item) for item in problems.items()]
        if on_world is not None:
            on_world(comparison)
    return troubles


def _lay_aside(folder: Path, cells: Sequence[Cell]) -> None:
    for cell in cells:
        log = folder / "runs" / cell.file_name
        if log.exists():
            (folder / ASIDE).mkdir(exist_ok=True)
            log.replace(folder / ASIDE / log.name)


def _take_back(folder: Path) -> None:
    for log in (folder / ASIDE).glob("*.jsonl"):
        log.replace(folder / "runs" / log.name)

"""A grid of runs: allocators x tasks x budgets, the same seeds for all, in parallel, resumable."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError
from readsim.runs.cell import PAPER_ALLOCATORS, PAPER_BUDGETS, Cell, cell_config
from readsim.runs.checkpoints import forget, has_checkpoint
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout
from readsim.runs.parallel import in_order
from readsim.worlds import World, load_world
from readsim.worlds.validation import check_budget


def run_cell(
    cell: Cell, path: Path, *, on_step: Callable[[int], None] | None = None
) -> tuple[Path, float]:
    """Run one cell, or leave it as it is if its log is complete: path, seconds in the allocator.

    The log appears when all runs are over: simulated runs are cheap to repeat. BLAS is held to one
    thread, so that the numbers do not depend on how many jobs share the machine.
    """
    world = load_world(cell.world)
    config = cell_config(cell, world)
    if _is_done(cell, path, config):
        return path, 0.0
    rows, seconds = _roll(cell, world, None, None, on_step)
    _write(cell, path, config, rows)
    return path, seconds


class Problem(NamedTuple):
    """What an allocator raised: the error's class and its message."""

    kind: str
    text: str


def try_cell(cell: Cell, path: Path) -> tuple[float, Problem | None]:
    """`run_cell`, but what the allocator raises is a result: seconds, problem. Then there is no log.

    Errors of files stay errors: they are not the allocator's.
    """
    world = load_world(cell.world)
    config = cell_config(cell, world)
    if _is_done(cell, path, config):
        return 0.0, None
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    with _Caught() as caught:
        rows, seconds = _roll(cell, world, None, None, None)
    if caught.problem is None:
        _write(cell, path, config, rows)
    return seconds, caught.problem


class _Caught:
    """Holds back any ordinary error of its block."""

    problem: Problem | None = None

    def __enter__(self) -> "_Caught":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self.problem = Problem(type(error).__name__, str(error))
        return self.problem is not None


def _is_done(cell: Cell, path: Path, config: dict[str, Any]) -> bool:
    """Whether the log is there; then it is complete and of this cell, or RunLogError is raised."""
    if path.exists():
        with RunLog.open(path, config=config) as log:
            check_complete(log, cell)
        return True
    return False


def _write(cell: Cell, path: Path, config: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with RunLog.create(part, config=config, seeds=cell.seeds) as log:
        log.append(rows)
    part.replace(path)


def run_cell_durably(
    cell: Cell, path: Path, *, resume: bool, on_step: Callable[[int], None] | None = None
) -> tuple[Path, float]:
    """Run one cell with every decision on disk before the next: what a costly backend needs.

    Beside the log lies `PATH.state` until the runs are over. With `resume` an interrupted run goes on
    and ends with the same rows; a complete one is left as it is.

    Raises RunLogError if the log exists and `resume` is off, or its checkpoint is gone.
    """
    world = load_world(cell.world)
    config = cell_config(cell, world)
    checkpoint = path.with_suffix(".state")
    if resume and path.exists():
        opened = RunLog.open(path, config=config)
    else:
        opened = RunLog.create(path, config=config, seeds=cell.seeds)
        forget(checkpoint)
    with opened as log:
        if log.rows and not has_checkpoint(checkpoint):
            check_complete(log, cell)
            return path, 0.0
        _, seconds = _roll(cell, world, log, checkpoint, on_step)
    forget(checkpoint)
    return path, seconds


def check_complete(log: RunLog, cell: Cell) -> None:
    """Raise RunLogError unless every seed of the cell has its `final` row."""
    finals = {row["seed"] for row in log.rows if row["kind"] == "final"}
    missing = [seed for seed in cell.seeds if seed not in finals]
    if missing:
        raise RunLogError(
            f"{log.path} is unfinished (no final row for seeds {missing}) and nothing is left to "
            "go on from: move it away to start this run again"
        )


def _roll(
    cell: Cell,
    world: World,
    log: RunLog | None,
    checkpoint: Path | None,
    on_step: Callable[[int], None] | None,
) -> tuple[list[dict[str, Any]], float]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return rollout(
            [
                DistillEnv(
                    world, cell.task, cell.budget, steps=cell.steps, requirement=cell.requirement
                )
                for _ in cell.seeds
            ],
            load_allocator(cell.allocator, cell.settings),
            cell.seeds,
            log=log,
            checkpoint=checkpoint,
            on_step=on_step,
        )


def make_cells(
    world: str,
    *,
    tasks: Sequence[str] | None = None,
    budgets: Sequence[int] = PAPER_BUDGETS,
    steps: int = 20,
    allocators: Sequence[str] = PAPER_ALLOCATORS,
    seeds: Sequence[int] = (0, 1, 2),
    requirement: str | None = None,
) -> list[Cell]:
    """The grid, checked: unknown names and impossible budgets are refused before anything runs."""
    loaded = load_world(world)
    chosen = loaded.task_names if tasks is None else tuple(tasks)
    for name, values in (
        ("tasks", chosen),
        ("budgets", budgets),
        ("allocators", allocators),
        ("seeds", seeds),
    ):
        if not values:
            raise ConfigError(f"{name}: at least one is needed")
        if len(set(values)) != len(values):
            raise ConfigError(f"{name} = {list(values)!r}: each may appear once")
    for task in chosen:
        loaded.task(task)
    for allocator in allocators:
        load_allocator(allocator)
    for budget in budgets:
        check_budget(loaded, budget)
        DistillEnv(loaded, chosen[0], budget, steps=steps, requirement=requirement)
    return [
        Cell(str(world), task, budget, steps, allocator, tuple(seeds), requirement=requirement)
        for budget in budgets
        for task in chosen
        for allocator in allocators
    ]


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    *,
    jobs: int = 1,
    on_cell: Callable[[Cell, float], None] | None = None,
    problems: dict[Cell, Problem] | None = None,
) -> dict[Cell, float]:
    """Run all cells into `folder`/runs; seconds in the allocator by cell (0 for finished ones).

    The rows depend neither on `jobs` nor on the joblib backend that is active (Ray's and Dask's
    work). With `problems` what an allocator raises is put there, and the other cells are run.
    """
    paths = [
        folder.absolute() / "runs" / cell.file_name for cell in cells
    ]  # workers may be elsewhere
    if len(set(paths)) != len(paths):
        raise ConfigError("two cells would share one run log")
    spent: dict[Cell, float] = {}
    work = _outright if problems is None else try_cell
    done = in_order(work, list(zip(cells, paths, strict=True)), jobs)
    for cell, (seconds, problem) in zip(cells, done, strict=True):
        spent[cell] = seconds
        if problems is not None and problem is not None:
            problems[cell] = problem
        if on_cell is not None:
            on_cell(cell, seconds)
    return spent


def _outright(cell: Cell, path: Path) -> tuple[float, Problem | None]:
    return run_cell(cell, path)[1], None

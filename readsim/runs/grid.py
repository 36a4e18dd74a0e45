"""A grid of runs: allocators x tasks x budgets, the same seeds for all, in parallel, resumable."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from readsim.allocators.base import Allocator
from readsim.allocators.registry import is_oracle, load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, RunLogError, shown, unknown
from readsim.runs.cell import PAPER_ALLOCATORS, PAPER_BUDGETS, Cell
from readsim.runs.doubts import doubts_told
from readsim.runs.equal import EQUAL, after_extras
from readsim.runs.identity import allocator_name, code_of_allocator
from readsim.runs.moved_state import MovedState, header_field, moving
from readsim.runs.one import run_one
from readsim.runs.parallel import in_order
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds import World, load_world
from readsim.worlds.task import AnyTask, Task, parse_task, task_name
from readsim.worlds.validation import check_budget


def run_cell(
    cell: Cell,
    path: Path,
    *,
    resume: bool = True,
    durable: bool = False,
    on_step: Callable[[int], None] | None = None,
    began: MovedState | None = None,
    keep: Path | None = None,
) -> float:
    """Run one cell, or leave it as it is if its log is complete: seconds in the allocator.

    `resume`, `durable` and `on_step` are those of `run_one`, `began` and `keep` those of `moving`. BLAS
    is held to one thread, so that the numbers do not depend on how many jobs share the machine.
    """
    from threadpoolctl import threadpool_limits

    world = load_world(cell.world)
    cell = after_extras(cell, world)
    moved = {}
    if began is not None or keep is not None:
        moved = moving(began, keep, cell.allocator_name, cell.make_env(world))
    with threadpool_limits(limits=1, user_api="blas"):
        return run_one(
            partial(cell.make_env, world),
            cell.make_allocator(),
            cell.header(world) | header_field(began),
            path,
            resume=resume,
            durable=durable,
            on_step=on_step,
            **moved,
        )


class Problem(NamedTuple):
    """What an allocator raised: the error's class and its message."""

    kind: str
    text: str


def try_cell(cell: Cell, path: Path) -> tuple[float, Problem | None]:
    """`run_cell`, but what the allocator raises is a result: seconds, problem. Then there is no log.

    Errors of files stay errors: they are not the allocator's.
    """
    try:
        return _outright(cell, path)
    except RunLogError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a stranger's allocator raises
        return 0.0, Problem(type(error).__name__, str(error))


Allocators = Sequence[str | Allocator] | Mapping[str, str | Allocator]


def make_cells(
    world: World | str | Path,
    *,
    tasks: Sequence[AnyTask] | None = None,
    budgets: Sequence[AnyBudget] = PAPER_BUDGETS,
    steps: int = 20,
    allocators: Allocators = PAPER_ALLOCATORS,
    seeds: Sequence[int] = (0, 1, 2),
    requirement: str | None = None,
    equal: str = "student",
) -> list[Cell]:
    """The grid, checked: unknown names and impossible budgets are refused before anything runs.

    `allocators` are names or instances; a mapping says what each is called. `equal` is what a budget
    counts: "student", the tokens of the run itself; "total", those of its searches and pools too;
    "shared", the same with pools that are drawn once for all tasks.
    """
    if equal not in EQUAL:
        raise unknown("equal", str(equal), EQUAL)
    loaded = load_world(world)
    chosen: tuple[AnyTask, ...] = loaded.task_names
    if tasks is not None:  # a listed task's name may hold any character
        for task in tasks:
            if not isinstance(task, str | Mapping | Task):
                raise ConfigError(
                    f"tasks: {shown(task)} is no task; accepted: names, {{capability: weight}}, Task"
                )
        named = [t if not isinstance(t, str) or t in loaded.tasks else parse_task(t) for t in tasks]
        chosen = tuple(named)
    amounts = [parse_tokens(budget) for budget in budgets]
    called = _called(allocators)
    for name, values in (
        ("tasks", [task_name(task) for task in chosen]),
        ("budgets", amounts),
        ("allocators", [name or allocator_name(a) for name, a in called]),
        ("seeds", seeds),
    ):
        if not values:
            raise ConfigError(f"{name}: at least one is needed")
        if len(set(values)) != len(values):
            raise ConfigError(f"{name} = {list(values)!r}: each may appear once")
    for budget in amounts:
        check_budget(loaded, budget)
        for task in chosen:
            DistillEnv(loaded, task, budget, steps=steps, requirement=requirement)
    kept = world if isinstance(world, World) else str(world)
    sharing = {"student": 0, "total": 1, "shared": len(chosen)}[equal]
    return [
        Cell(
            kept,
            task,
            budget,
            steps,
            allocator,
            tuple(seeds),
            requirement=requirement,
            name=name,
            code=code_of_allocator(allocator) if isinstance(allocator, Allocator) else None,
            sharing=sharing,
        )
        for budget in amounts
        for task in chosen
        for name, allocator in called
    ]


def _called(allocators: Allocators) -> list[tuple[str | None, str | Allocator]]:
    """What each is called, if that is said, and what it is; all of them can be built."""
    found: list[tuple[str | None, Any]] = [(None, a) for a in allocators]
    if isinstance(allocators, Mapping):
        found = [(None if name == what else name, what) for name, what in allocators.items()]
    for name, allocator in found:
        if isinstance(allocator, str):
            load_allocator(allocator)
            if name is not None and is_oracle(name) != is_oracle(allocator):
                raise ConfigError(
                    f"allocator {name!r} stands for {allocator!r}: names that begin with "
                    "`oracle` are for rules that know the world, and only for them"
                )
        elif not isinstance(allocator, Allocator):
            told = (
                "a class; give an instance, with ()" if isinstance(allocator, type) else "neither"
            )
            raise ConfigError(
                f"allocator {name or allocator!r}: expected a name or a readsim.Allocator, got {told}"
            )
    return found


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
    where = folder.absolute() / "runs"  # workers may be elsewhere
    paths = [where / cell.file_name for cell in cells]
    if len(set(paths)) != len(paths):
        shared = next(path.name for path in paths if paths.count(path) > 1)
        raise ConfigError(f"two cells would share one run log, {shared}: give them other names")
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


def runs_read(seconds: Mapping[Cell, float]) -> int:
    """How many runs were finished before, of the answer of `run_cells`: their allocator took no time."""
    return sum(len(cell.seeds) for cell, spent in seconds.items() if spent == 0.0)


def _outright(cell: Cell, path: Path) -> tuple[float, Problem | None]:
    with doubts_told():
        return run_cell(cell, path), None

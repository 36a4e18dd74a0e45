"""A run of its own for every budget, on the tasks of the four capabilities that the figure shows."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made
from studies.tables.sweep import WORLDS

BUDGETS = (20_000_000, 40_000_000, 80_000_000, 150_000_000)
TASKS = ("reasoning", "math", "tool_use", "long_context")
METHODS = ("one-hot", "uniform", "task-static", "grid", "read")


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """All methods, tasks and budgets."""
    apart = made(isolated(load_world(WORLDS[0]), ISOLATED), folder)
    return [
        Case(name, make_cells(world, tasks=TASKS, budgets=BUDGETS, allocators=METHODS, seeds=seeds))
        for name, world in [*((w, w) for w in WORLDS), (ISOLATED, apart)]
    ]

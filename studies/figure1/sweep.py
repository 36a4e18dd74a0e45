"""One target at a time, at the paper's three budgets; and a world in which nothing spills over."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made

BUDGETS = (20_000_000, 80_000_000, 150_000_000)
WORLDS = ("read8-llama", "read8-qwen", "related-web", "conflict")


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One-hot runs of every capability."""
    apart = made(isolated(load_world("read8-llama"), ISOLATED), folder)
    return [
        Case(name, one_hot_cells(world, seeds))
        for name, world in [*((w, w) for w in WORLDS), (ISOLATED, apart)]
    ]


def one_hot_cells(text: str, seeds: Sequence[int]) -> list[Cell]:
    """A run of each capability of a world at the budgets, or in proportion as far as its horizon goes."""
    world = load_world(text)
    scale = min(1.0, world.horizon / max(BUDGETS))
    tasks = [name for name in world.task_names if name in world.capabilities]
    return make_cells(
        text,
        tasks=tasks,
        budgets=[int(b * scale) for b in BUDGETS],
        steps=1,
        allocators=["one-hot"],
        seeds=seeds,
    )

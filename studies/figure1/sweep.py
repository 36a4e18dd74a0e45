"""One target at a time, at the paper's three budgets; and a world in which nothing spills over."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from readsim.experiment import Cell, make_cells
from readsim.worlds import World, load_world
from studies.paper.made import made
from studies.paper.study import Case

BUDGETS = (20_000_000, 80_000_000, 150_000_000)
ISOLATED = "read8-isolated"
WORLDS = ("read8-llama", "read8-qwen", "related-web", "conflict")


def isolated(world: World) -> World:
    """The world without effects of one capability on another."""
    own = np.diag(np.diag(world.help))
    return replace(world, name=ISOLATED, help=own, harm=np.zeros_like(own))


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One-hot runs of every capability."""
    apart = made(isolated(load_world("read8-llama")), folder)
    return [
        Case(name, tuple(_cells(world, seeds)))
        for name, world in [*((w, w) for w in WORLDS), (ISOLATED, apart)]
    ]


def _cells(text: str, seeds: Sequence[int]) -> list[Cell]:
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

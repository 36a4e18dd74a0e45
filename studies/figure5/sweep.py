"""A specialist trains on its target alone; ReAD has the task of the same target."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made

TARGETS = ("reasoning", "math", "code")
SPECIALIST, READ = "one-hot", "read"
BUDGETS = (20_000_000, 150_000_000)
STEPS = 20
GATEWAY = "gateway-focus"
WORLDS = ("read8-llama", "read8-qwen", GATEWAY, "nano-measured", ISOLATED)


def gateway() -> World:
    """`gateway` with a task for each capability instead of its own."""
    return load_world("gateway").replace(name=GATEWAY, tasks={})


def budgets_of(world: World) -> list[int]:
    """As far as the world's horizon goes, in the same proportion."""
    scale = min(1.0, world.horizon / max(BUDGETS))
    return [int(b * scale) for b in BUDGETS]


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One per world, at two budgets."""
    paths = {
        GATEWAY: made(gateway(), folder),
        ISOLATED: made(isolated(load_world("read8-llama"), ISOLATED), folder),
    }
    return [Case(name, _cells(paths.get(name, name), seeds)) for name in WORLDS]


def _cells(text: str, seeds: Sequence[int]) -> list[Cell]:
    return make_cells(
        text,
        tasks=TARGETS,
        budgets=budgets_of(load_world(text)),
        steps=STEPS,
        allocators=[SPECIALIST, READ],
        seeds=seeds,
    )

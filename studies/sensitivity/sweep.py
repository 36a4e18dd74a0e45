"""ReAD with one setting changed, in an order-free and in a gated world; fewer settings in three others."""

from collections.abc import Sequence
from pathlib import Path

from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made
from studies.proxy.sweep import with_items

BUDGET, STEPS = 150_000_000, 20
SETTINGS = (
    "kappa=0",
    "kappa=0.5",
    "kappa=2",
    "kappa_decay=0.5",
    "kappa_decay=1.0",
    "interaction=false",
    "price=2",
    "price=4",
    "history=false",
    "budget=false",
    "pool=0",
    "pool=400",
    "ensemble.members=2",
    "ensemble.members=10",
    "candidates.grid=0.125/0.25/0.375/0.5/0.625/0.75/0.875",
    "candidates.top=2",
    "candidates.top=5",
    "candidates.delta=0.125",
    "candidates.delta=0.5",
)
PRICES = ("interaction=false", "price=2", "price=4")
OTHER_STEPS = (5, 10, 40)
EXACT = "exact-probe"


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """A case is a world; what is not in it is ReAD's default."""
    llama = load_world("read8-llama")
    exact = made(with_items(llama, EXACT, 0.0), folder)
    apart = made(isolated(llama, ISOLATED), folder)
    plan = {
        "read8-llama": ("read8-llama", ("math", "general"), SETTINGS, OTHER_STEPS),
        "gateway": ("gateway", ("math", "balanced"), SETTINGS, OTHER_STEPS),
        "conflict": ("conflict", ("skill_1", "skill_2"), ("kappa=0", *PRICES), ()),
        EXACT: (exact, ("math", "general"), ("kappa=0", *PRICES), ()),
        ISOLATED: (apart, ("math", "general"), ("kappa=0", *PRICES), ()),
    }
    return [
        Case(name, _cells(world, tasks, seeds, settings, other))
        for name, (world, tasks, settings, other) in plan.items()
    ]


def _cells(
    world: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
    settings: Sequence[str],
    other: Sequence[int],
) -> list[Cell]:
    named = ("read", *(f"read+{setting}" for setting in settings))
    grid = {STEPS: named, **dict.fromkeys(other, ("read",))}
    return [
        cell
        for steps, allocators in grid.items()
        for cell in make_cells(
            world, tasks=tasks, budgets=[BUDGET], steps=steps, allocators=allocators, seeds=seeds
        )
    ]

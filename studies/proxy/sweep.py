"""ReAD in worlds with 64 items a probe, with exact, coarse and biased probes, and where order matters."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from readsim.runs.grid import make_cells
from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import made

STEPS = 20
SMALL, LARGE = 20_000_000, 150_000_000
TASKS = {
    "read8-llama": ("math", "tool_use", "general"),
    "biased-probe": ("math", "tool_use", "general"),
    "conflict": ("average", "skill_1", "skill_2"),
    "gateway": ("math", "agent", "balanced"),
}


def with_items(world: World, name: str, items: float) -> World:
    """The world with `items` a probe; 0 measures exactly."""
    return replace(world, name=name, items=np.full(len(world.capabilities), items))


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """A case is a world at one budget."""
    llama = load_world("read8-llama")
    exact = made(with_items(llama, "exact-probe", 0.0), folder)
    coarse = made(with_items(llama, "coarse-probe", 16.0), folder)
    wanted = [
        ("read8-llama at 150M", "read8-llama", "read8-llama", LARGE),
        ("read8-llama at 20M", "read8-llama", "read8-llama", SMALL),
        ("conflict at 150M", "conflict", "conflict", LARGE),
        ("gateway at 150M", "gateway", "gateway", LARGE),
        ("biased-probe at 150M", "biased-probe", "biased-probe", LARGE),
        ("exact-probe at 150M", exact, "read8-llama", LARGE),
        ("coarse-probe at 20M", coarse, "read8-llama", SMALL),
    ]
    return [
        Case(
            name,
            make_cells(
                world,
                tasks=TASKS[like],
                budgets=[budget],
                steps=STEPS,
                allocators=["read"],
                seeds=seeds,
            ),
        )
        for name, world, like, budget in wanted
    ]

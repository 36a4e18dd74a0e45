"""One target at a time at three budgets: in worlds that saturate, and in made ones that do not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import ISOLATED, isolated, made
from studies.figure1.sweep import BUDGETS, WORLDS, one_hot_cells

TEST_ITEMS = (250, 1000, 4000)
LINEAR = tuple(f"linear-{items}" for items in TEST_ITEMS)
SKILLS = tuple(f"skill_{n}" for n in range(1, 9))
GAIN = 0.08  # of each skill by its own source at the largest budget
BEND = 200_000_000.0  # tokens up to which a source teaches in a straight line


def linear(items: int) -> World:
    """Eight skills with the same straight gain and no effect on each other; noise of `items` items."""
    k = len(SKILLS)
    return World(
        name=f"linear-{items}",
        description="Straight gains, no cross effects: nothing saturates. For: false reports of it.",
        sources=SKILLS,
        capabilities=SKILLS,
        dynamics="separable",
        link="identity",
        start=np.full(k, 0.4),
        floor=np.zeros(k),
        ceiling=np.ones(k),
        gain=("broken",) * k,
        scale_tokens=np.full(k, BEND),
        help=np.eye(k) * GAIN * BEND / BUDGETS[-1],
        harm=np.zeros((k, k)),
        test_items=np.full(k, float(items)),
        provenance={"all": "ours: made for this study"},
    )


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One-hot runs of every capability."""
    apart = made(isolated(load_world("read8-llama"), ISOLATED), folder)
    worlds = {name: name for name in WORLDS} | {ISOLATED: apart}
    worlds |= {name: made(linear(n), folder) for name, n in zip(LINEAR, TEST_ITEMS, strict=True)}
    return [Case(name, one_hot_cells(world, seeds)) for name, world in worlds.items()]

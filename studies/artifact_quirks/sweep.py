"""ReAD without and with each trap of the public code, alike in all else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import made

BUDGET, STEPS = 150_000_000, 20
TASKS = {"read8-llama": "math", "conflict": "skill_1", "gateway": "math"}
DEFAULT = "read"
REPEATED = "same-prompts"
_QUIRKY = "studies.artifact_quirks.allocators:Quirky"
QUIRKS = {
    "one-interval": f"{_QUIRKY}+one_interval=true",
    "warm-up": f"{_QUIRKY}+warmup=5",
    "raw-budget": f"{_QUIRKY}+raw_budget=true",
    "no-history": "read-no-history",
    "pairs": f"{_QUIRKY}+pairs=true",
    "token-cost": f"{_QUIRKY}+token_cost=true",
    "one-hot": f"{_QUIRKY}+one_hot=true",
    "unprobed": f"{_QUIRKY}+unprobed=target",
    "together": f"{_QUIRKY}+warmup=5+raw_budget=true+pairs=true+token_cost=true+one_hot=true",
}


def repeated(world: World) -> World:
    """Each source has the prompts of one interval only."""
    pools = np.full(len(world.sources), BUDGET / STEPS)
    return world.replace(name=f"{world.name}-{REPEATED}", pool_tokens=pools)


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One per world; that with repeated prompts is in the same one."""
    out = []
    for name, task in TASKS.items():
        again = made(repeated(load_world(name)), folder)
        cells = _cells(name, task, [DEFAULT, *QUIRKS.values()], seeds)
        out.append(Case(name, (*cells, *_cells(again, task, [DEFAULT], seeds))))
    return out


def _cells(world: str, task: str, allocators: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    return make_cells(
        world, tasks=[task], budgets=[BUDGET], steps=STEPS, allocators=allocators, seeds=seeds
    )

"""`hidden-safety`, and two worlds in which what is hidden is as visible, or as blind, as can be."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import made

BASE, TWIN, BLIND = "hidden-safety", "hidden-twin", "hidden-blind"
LIKE = "steerability"  # a tenth to a fifth of what the tasks require
TASKS = ("math", "code")
BASELINES = ("one-hot", "uniform", "task-static", "grid")
READ, UNPRICED = "read", "read-no-interaction"
BUDGETS = (20_000_000, 150_000_000)
HARM = {"math": 20.0, "code": 0.6}  # of a source to what is hidden


def twin(world: World) -> World:
    """What is hidden moves as steerability does: who watches that watches this."""
    seen, hidden = world.capabilities.index(LIKE), _hidden(world)

    def copied(values: Array) -> Array:
        out = np.array(values)
        out[..., hidden] = out[..., seen]
        return out

    return replace(
        world,
        name=TWIN,
        start=copied(world.start),
        floor=copied(world.floor),
        ceiling=copied(world.ceiling),
        help=copied(world.help),
        harm=copied(world.harm),
    )


def blind(world: World) -> World:
    """What is hidden is harmed by the targets' own sources, and by nothing that harms what is seen."""
    hidden = _hidden(world)
    help_, harm = np.array(world.help), np.array(world.harm)
    help_[:, hidden] = harm[:, hidden] = 0.0
    for source, amount in HARM.items():
        harm[world.sources.index(source), hidden] = amount
    return replace(world, name=BLIND, help=help_, harm=harm)


def _hidden(world: World) -> int:
    return world.capabilities.index(world.hidden[0])


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """One per world, at two budgets."""
    base = load_world(BASE)
    paths = {BASE: BASE, **{w.name: made(w, folder) for w in (twin(base), blind(base))}}
    return [Case(name, _cells(path, seeds)) for name, path in paths.items()]


def _cells(world: str, seeds: Sequence[int]) -> list[Cell]:
    return make_cells(
        world, tasks=TASKS, budgets=BUDGETS, allocators=[*BASELINES, UNPRICED, READ], seeds=seeds
    )

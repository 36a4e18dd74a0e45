"""ReAD and the static split, told the truth and told otherwise, with honest and with biased probes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from readsim.runs.cell import Cell
from readsim.runs.grid import make_cells
from readsim.worlds import World, load_world
from studies.common.study import Case
from studies.common.worlds import made

STEPS, BUDGET = 20, 150_000_000
ALLOCATORS = ("read", "task-static")
NOISY = ("noisy:50", "noisy:10", "noisy:2")
WRONG = (*NOISY, "uniform", "permuted")
BIASES = (0.5, 1.0, 1.5)
HONEST, TASKS = "read8-llama", ("math", "tool_use", "general")


def biased(world: World, like: World, scale: float) -> World:
    """The world with the probes of `like`, `scale` times as wrong: slope 1 + scale (slope - 1)."""
    return replace(
        world,
        name=f"{world.name}-bias-{scale:g}",
        probe_bias=scale * like.probe_bias,
        probe_slope=1.0 + scale * (like.probe_slope - 1.0),
    )


def bottleneck(world: World) -> World:
    """The world with the utility of its weakest parts (ces:-2): what helps most changes on the way."""
    tasks = {name: {**world.tasks[name], "utility": "ces:-2"} for name in TASKS[:2]}
    return replace(world, name=f"{world.name}-bottleneck", tasks=tasks)


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    """A world told in several ways; or two worlds, the honest one and the same with biased probes."""
    honest, like = load_world(HONEST), load_world("biased-probe")
    narrow = made(bottleneck(honest), folder)
    told = {
        HONEST: (HONEST, TASKS, (None, "stale", *WRONG)),
        "conflict": ("conflict", ("skill_1", "skill_2", "skill_3"), (None, *WRONG)),
        "related-web": ("related-web", ("cc", "arxiv"), (None, *WRONG)),
        "equal": ("conflict", ("average",), (None, *WRONG)),
        "bottleneck": (narrow, TASKS[:2], ("oracle", "stale", "uniform", "permuted")),
    }
    out = [
        Case(name, tuple(c for mode in modes for c in _cells(world, tasks, seeds, mode)))
        for name, (world, tasks, modes) in told.items()
    ]
    truth = tuple(_cells(HONEST, TASKS, seeds, None))
    for scale in BIASES:
        world = made(biased(honest, like, scale), folder)
        out.append(Case(f"bias-{scale:g}", (*truth, *_cells(world, TASKS, seeds, None))))
    return out


def _cells(world: str, tasks: Sequence[str], seeds: Sequence[int], mode: str | None) -> list[Cell]:
    return make_cells(
        world,
        tasks=tasks,
        budgets=[BUDGET],
        steps=STEPS,
        allocators=ALLOCATORS,
        seeds=seeds,
        requirement=mode,
    )

"""What the suite runs: a list of comparisons, one per world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator
from readsim.allocators.registry import BUILT_IN, allocator_names
from readsim.errors import ConfigError
from readsim.runs.cell import PAPER_BUDGETS, Cell, folder_name
from readsim.runs.grid import Allocators, make_cells
from readsim.runs.identity import allocator_name
from readsim.token_counts import AnyBudget
from readsim.worlds import World, load_world, preset_names

# Of worlds drawn from the random family. Knob: (least, most, whether it is drawn on a log scale).
KNOBS: dict[str, tuple[float, float, bool]] = {
    "coupling": (0.0, 0.4, False),
    "negative": (0.0, 0.8, False),
    "curvature": (0.3, 6.0, True),
    "noise": (0.25, 2.0, False),
}
SIZES = (4, 6, 8)
DYNAMICS = ("potential", "flow", "potential", "flow", "separable")  # in turn
# Presets that came later: behind all others, so that these keep the tasks that they had in turn.
LATER = (
    "cosine",
    "format-shift",
    "ideal",
    "mopd-qwen3.5-9b",
    "overtraining",
    "real-run",
    "rehearsal",
)
BUDGET = 60_000_000  # tokens; `curvature` is this budget over the gain scale


def draw_family(count: int, seed: int = 0) -> list[str]:
    """`count` worlds as text for `load_world`: knobs from a Latin hypercube, dynamics and sizes in turn.

    Every knob's range is cut into `count` parts, and each part is used once. World n is drawn with
    seed n, so that it has a name of its own.
    """
    from scipy.stats.qmc import LatinHypercube

    if count < 1:
        return []
    points = LatinHypercube(len(KNOBS), rng=np.random.default_rng(seed)).random(count)
    worlds = []
    for n, point in enumerate(points):
        parts = [f"seed={n}", f"capabilities={SIZES[n % len(SIZES)]}"]
        for share, (name, (low, high, is_log)) in zip(point, KNOBS.items(), strict=True):
            value = low * (high / low) ** share if is_log else low + share * (high - low)
            parts.append(f"{name}={value:.3g}")
        worlds.append(f"random:{','.join(parts)},dynamics={DYNAMICS[n % len(DYNAMICS)]}")
    return worlds


STEPS = 20
SEEDS = (0, 1, 2)
DRAWN = 16  # worlds of the random family
SCALE = ("uniform", "task-static", "oracle-static")  # what scores are measured against


@dataclass(frozen=True)
class Comparison:
    """The cells of one world and the sub-folder they go to."""

    folder: str
    world: str
    cells: tuple[Cell, ...]


def default_allocators() -> list[str]:
    """All known allocators but names for the same rule and settings; the first of them stands."""
    seen: set[str] = set()
    out = []
    for name in allocator_names():
        key = repr(BUILT_IN.get(name, name))
        if key not in seen:
            seen.add(key)
            out.append(name)
    return out


def make_plan(
    allocators: Allocators | None = None,
    *,
    worlds: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
) -> list[Comparison]:
    """Every allocator on every preset and on worlds of the random family, the same seeds for all.

    A world is run on one of its tasks at the paper's two budgets, or at two in the same proportion
    up to its horizon; a drawn one at 60M tokens. Which task is the next in turn, `average` aside:
    nobody chose it by its outcome. `SCALE` is added where it is missing.

    Raises as `make_cells` for names that are not known.
    """
    everyone = _with_scale(default_allocators() if allocators is None else allocators)
    # what was asked for must load; of the others, one that does not is reported with the runs
    checked = _with_scale(SCALE) if allocators is None else everyone
    first, later = (
        [name for name in preset_names() if (name in LATER) is late] for late in (False, True)
    )
    chosen = [*first, *draw_family(DRAWN), *later] if worlds is None else worlds
    plan = []
    for n, text in enumerate(chosen):
        world = load_world(text)
        drawn = text.startswith("random:")
        cells = make_cells(
            text,
            tasks=[task_of(world, n)],
            budgets=[BUDGET] if drawn else budgets_of(world),
            steps=steps,
            allocators=checked,
            seeds=seeds,
        )
        cases = [cell for cell in cells if cell.allocator_name == SCALE[0]]
        every = tuple(
            replace(case, allocator=what, name=None if what == name else name)
            for case in cases
            for name, what in everyone.items()
        )
        plan.append(Comparison(world.name, text, every))
    return plan


def _with_scale(allocators: Allocators) -> dict[str, str | Allocator]:
    """What each name stands for, those of `SCALE` added."""
    named: dict[str, str | Allocator] = (
        dict(allocators)
        if isinstance(allocators, Mapping)
        else {allocator_name(a): a for a in allocators}
    )
    return {**named, **{name: name for name in SCALE if name not in named}}


def task_of(world: World, turn: int) -> str:
    """One of the world's tasks, in turn; `average` only if there is no other."""
    names = [name for name in world.task_names if name != "average"] or list(world.task_names)
    return names[turn % len(names)]


def budgets_of(world: World) -> list[int]:
    """The paper's budgets, or as large as the horizon allows in the same proportion."""
    scale = min(1.0, world.horizon / max(PAPER_BUDGETS))
    return [int(budget * scale) for budget in PAPER_BUDGETS]


def joint_plan(
    worlds: Sequence[str],
    allocators: Allocators,
    *,
    budgets: Sequence[AnyBudget] | None = None,
    **grid: Any,
) -> list[Comparison]:
    """The same grid in several worlds: the arguments of `make_cells`, to which `SCALE` is added where it is
    missing. Without budgets each world has its own of `budgets_of`.

    Raises ConfigError for two worlds of one name; as `make_cells`.
    """
    everyone = _with_scale(allocators)
    plan: list[Comparison] = []
    for text in worlds:
        world = load_world(text)
        folder = folder_name(world.name)
        if folder in (other.folder for other in plan):
            raise ConfigError(f"--world {text!r}: another of the worlds is called {folder!r} too")
        own = budgets_of(world) if budgets is None else budgets
        cells = make_cells(text, budgets=own, allocators=everyone, **grid)
        plan.append(Comparison(folder, text, tuple(cells)))
    return plan

"""Worlds of the random family, five allocators on the same seeds, one row per world."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from readsim.errors import ConfigError, RunLogError
from readsim.files.frame import read_frame
from readsim.runs.read_logs import read_log
from readsim.stats import half_width
from readsim.suite.plan import Comparison, draw_family, make_plan
from readsim.worlds import load_world
from studies.features.measure import features_of

ALLOCATORS = ("read", "task-static", "greedy", "uniform", "oracle-static")
AGAINST = ("task-static", "uniform")
FAMILY_SEED = 1  # not the suite's worlds


def plan_sweep(worlds: int, seeds: int, steps: int) -> list[Comparison]:
    """A comparison a world, at 60M tokens, on one of its tasks in turn."""
    drawn = draw_family(worlds, FAMILY_SEED)
    return make_plan(ALLOCATORS, worlds=drawn, seeds=range(seeds), steps=steps)


def world_table(plan: Sequence[Comparison], out: Path) -> pd.DataFrame:
    """One row per world: its features, and ReAD's paired differences in points, with half widths.

    Raises RunLogError where a world's runs are not there.
    """
    return pd.DataFrame([_row(comparison, out / comparison.folder) for comparison in plan])


def _row(comparison: Comparison, folder: Path) -> dict[str, object]:
    cell = comparison.cells[0]
    world = load_world(comparison.world)
    try:
        runs = read_frame(folder / "results.csv")
    except ConfigError as error:
        raise RunLogError(f"{folder}: this world has not been run ({error})") from error
    utility = 100.0 * runs.pivot_table("utility", "seed", "allocator")
    row: dict[str, object] = {
        "world": comparison.world,
        "task": cell.task_name,
        "dynamics": world.dynamics,
        **features_of(world, world.task(cell.task_name), cell.budget, cell.steps),
    }
    for other in AGAINST:
        difference = (utility["read"] - utility[other]).to_numpy(dtype=float)
        row[f"read - {other}"] = float(difference.mean())
        row[f"read - {other} half width"] = float(half_width(difference))
    row["largest share"] = largest_share(folder / "runs" / _log_of(comparison, "read"))
    row["greedy - task-static"] = float((utility["greedy"] - utility["task-static"]).mean())
    return row


def _log_of(comparison: Comparison, allocator: str) -> str:
    return next(cell.file_name for cell in comparison.cells if cell.allocator_name == allocator)


def largest_share(log: Path) -> float:
    """Mean over decisions of the largest source's share of the tokens: 1 is one-hot all along."""
    return float(np.mean([row.allocation.max() for row in read_log(log).steps]))

"""Utility lost by what a run was told, or by how its probes were biased, paired by seed."""

from collections.abc import Sequence

import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.summary.results import results_of

TRUE, BIAS = "true", "biased probes"
WAYS = ("stale", "noisy:50", "noisy:10", "noisy:2", "uniform", "permuted")


def honest_world(logs: Sequence[Log]) -> str:
    """The world with honest probes: its name begins the names of the others. Raises RunLogError."""
    names = sorted({log.header.world for log in logs}, key=len)
    if not all(name.startswith(names[0]) for name in names):
        raise RunLogError(f"worlds {names}: none of them is the others' with honest probes")
    return names[0]


def utilities(logs: Sequence[Log]) -> pd.DataFrame:
    """Final utility in points, mean over tasks: index (allocator, way, seed).

    A way is `true`, a mode of `readsim.envs.requirement_modes`, or `biased probes` for the case's
    other world.
    Raises RunLogError unless all ways have the same tasks, budgets and seeds as `true`.
    """
    honest = honest_world(logs)
    parts = []
    for log in logs:
        told = log.header.told or "oracle"
        way = TRUE if told == "oracle" else told
        if log.header.world != honest:
            way = BIAS
        parts.append(results_of([log]).assign(way=way))
    frame = pd.concat(parts, ignore_index=True)
    frame["utility"] *= 100.0
    keys = ["allocator", "way", "budget", "task", "seed"]
    if twice := frame.loc[frame.duplicated(keys), keys].to_numpy().tolist():
        raise RunLogError(f"two runs of {twice[0]}")
    _check_complete(frame)
    return frame.groupby(["allocator", "way", "seed"])["utility"].mean().to_frame()


def _check_complete(frame: pd.DataFrame) -> None:
    sets = {
        (allocator, way): set(map(tuple, runs[["budget", "task", "seed"]].to_numpy().tolist()))
        for (allocator, way), runs in frame.groupby(["allocator", "way"])
    }
    for (allocator, way), runs in sets.items():
        true = sets.get((allocator, TRUE), set())
        if runs != true:
            some = sorted(runs ^ true)[0]
            raise RunLogError(f"{allocator}, {way}: no pair of (budget, task, seed) {some}")


def losses(table: pd.DataFrame) -> dict[tuple[str, str], Array]:
    """(allocator, way) -> utility with `true` minus with the way, one number per seed in their order."""
    out: dict[tuple[str, str], Array] = {}
    for allocator, some in table["utility"].groupby("allocator"):
        by_way = some.droplevel("allocator").unstack("way").sort_index()
        for way in by_way.columns.drop(TRUE):
            out[str(allocator), str(way)] = (by_way[TRUE] - by_way[way]).to_numpy()
    return out

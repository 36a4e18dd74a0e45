"""Scores that worlds share: the share of the way from uniform to the best known static mixture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.allocators.registry import display_order
from readsim.arrays import Array, Mask
from readsim.errors import ConfigError, RunLogError
from readsim.files.frame import read_frame
from readsim.suite.plan import Comparison

STATIC = ("uniform", "one-hot", "task-static", "grid", "oracle-static")
LEAST_GAP = 0.0025  # of utility: below a quarter of a point a share of the gap says nothing
EXTRA = ("search_tokens", "offline_tokens")
RUNS = ("allocator", "task", "budget", "seed", "utility", "negative", *EXTRA)
TIMES = ("allocator", "seconds", "decisions")
LOW, REFERENCE = "uniform", "task-static"


class Scores(NamedTuple):
    """Runs of A allocators on C cases (a case is a world, task and budget), R seeds.

    `score` (A, R, C): (U - U_uniform, of the same seed) / (best mean of `STATIC` - mean of uniform); NaN
    where an allocator did not run, and in cases whose gap is under a quarter of a point.
    `difference` (A, R, C): U - U_task-static of the same seed, in points. `negative` (A, C): mean drop
    beside the target, in points. `seconds` (A,) a decision. `extra` (A,): tokens of searches and offline
    pools as a multiple of the budget, mean over runs.
    """

    allocators: list[str]
    worlds: list[str]
    cases: list[str]
    score: Array
    difference: Array
    negative: Array
    seconds: Array
    gap: Array
    extra: Array

    @property
    def scored(self) -> Mask:
        """Which cases have a gap that scores can be a share of, (C,)."""
        out: Mask = self.gap >= LEAST_GAP
        return out


def read_scores(plan: Sequence[Comparison], out: Path) -> Scores:
    """The scores of a suite in `out`, from the tables that `run_suite` wrote.

    Raises RunLogError where a world's table is not there.
    """
    frames, timings = [], []
    for comparison in plan:
        folder = out / comparison.folder
        try:
            frame = read_frame(folder / "results.csv", RUNS)
            timings.append(read_frame(folder / "timings.csv", TIMES))
        except ConfigError as error:
            raise RunLogError(
                f"{folder}: the suite has not finished this world ({error})"
            ) from error
        frames.append(frame.assign(folder=comparison.folder))
    runs = pd.concat(frames, ignore_index=True)
    runs["case"] = [
        f"{folder} {task} {budget}"
        for folder, task, budget in zip(runs["folder"], runs["task"], runs["budget"], strict=True)
    ]
    return scores_of(runs, pd.concat(timings, ignore_index=True))


def scores_of(runs: pd.DataFrame, timings: pd.DataFrame) -> Scores:
    """Scores from one row per run (`readsim.summary.results` with `folder` and `case`), and timings.

    Cases are in the order of their names, whatever the rows' is: bootstraps draw the same seeds for them.
    """
    allocators = display_order(runs["allocator"].unique().tolist())
    known = runs.drop_duplicates("case").sort_values(["folder", "case"], kind="stable")
    cases, worlds = known["case"].tolist(), known["folder"].tolist()
    seeds = sorted(runs["seed"].unique().tolist())
    shape = (len(allocators), len(seeds), len(cases))
    index = pd.MultiIndex.from_product([allocators, seeds, cases])
    table = runs.set_index(["allocator", "seed", "case"])[["utility", "negative"]].reindex(index)
    utility = table["utility"].to_numpy(dtype=np.float64).reshape(shape)
    negative = table["negative"].to_numpy(dtype=np.float64).reshape(shape)
    low = utility[allocators.index(LOW)]
    static = [utility[allocators.index(name)].mean(axis=0) for name in STATIC if name in allocators]
    gap = np.fmax.reduce(static) - low.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(gap >= LEAST_GAP, (utility - low) / gap, np.nan)
    sums = timings.groupby("allocator")[["seconds", "decisions"]].sum()
    each = (sums["seconds"] / sums["decisions"]).reindex(allocators)
    beside = runs[list(EXTRA)].sum(axis=1) / runs["budget"]
    return Scores(
        allocators,
        worlds,
        cases,
        score,
        100.0 * (utility - utility[allocators.index(REFERENCE)]),
        100.0 * negative.mean(axis=1),
        each.to_numpy(dtype=np.float64),
        gap,
        beside.groupby(runs["allocator"]).mean().reindex(allocators).to_numpy(dtype=np.float64),
    )

"""The table of a comparison: one row per budget and allocator, and the notes that explain it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from readsim.allocators.registry import SIMULATED_TRAINING, base_name
from readsim.arrays import Array
from readsim.files.frame import read_frame
from readsim.stats.intervals import half_width
from readsim.stats.metrics import gap_closed
from readsim.summary.evidence import advice, evidence
from readsim.summary.grid import Grid, make_grid
from readsim.summary.results import FINAL, declared_scale
from readsim.token_counts import show_tokens

REFERENCE = "task-static"
GAP = ("uniform", "oracle-static")
CHANGES = ("on_target", "off_target", "negative", "negative_floor", "harmful")
FEW_SEEDS = 10
ROUNDING = 1e-9


def summarise(frame: pd.DataFrame, timings: Path | None = None) -> tuple[pd.DataFrame, list[str]]:
    """One row a (budget, allocator) from `readsim.summary.results`, and the notes of the table.

    Every quantity is averaged over the tasks within a seed, then over seeds. Utilities, changes and
    their half widths (95 %, Student t over seeds) are in `unit`: points (100 x score), or the loss
    itself in a world of negated losses. `difference` is to task-static on the same seeds and tasks.
    `gap_closed` is a share of the gap from uniform to oracle-static. `beside_budget` is what search
    and offline pools used, as a multiple of the budget. What cannot be computed is missing, and a
    note says why. `timings` is a table of allocator, task, budget, seconds, decisions.

    Raises RunLogError if runs are missing, naming them; ConfigError for an unreadable `timings`.
    """
    grid = make_grid(frame)
    declared = declared_scale(frame)
    scale = declared.factor
    utility = scale * grid.by_seed("utility")
    shape = utility.shape[:2]
    columns: dict[str, Array] = {
        "utility": utility.mean(axis=-1),
        "utility_half_width": half_width(utility),
        **dict.fromkeys(("difference", "difference_half_width"), np.full(shape, np.nan)),
        "gap_closed": np.full(shape, np.nan),
    }
    reference = grid.allocators.index(REFERENCE) if REFERENCE in grid.allocators else None
    if reference is not None:
        difference = utility - utility[:, [reference]]
        columns["difference"] = difference.mean(axis=-1)
        columns["difference_half_width"] = half_width(difference)
    columns |= evidence(utility, reference)
    if set(GAP) <= set(grid.allocators):
        low, high = (columns["utility"][:, [grid.allocators.index(name)]] for name in GAP)
        share = gap_closed(columns["utility"], low, high)
        columns["gap_closed"] = np.where(high > low, share, np.nan)
    columns |= {name: scale * grid.by_seed(name).mean(axis=-1) for name in CHANGES}
    columns["significant_drops"] = grid.by_seed("significant_drops").mean(axis=-1)
    columns["seconds_per_decision"] = _seconds(grid, timings)
    extra = grid.by_seed("search_tokens") + grid.by_seed("offline_tokens")
    columns["beside_budget"] = extra.mean(axis=-1) / np.array(grid.budgets)[:, None]
    table = pd.DataFrame(
        {
            "budget": np.repeat(grid.budgets, shape[1]),
            "allocator": grid.allocators * shape[0],
            "unit": declared.shown,
            "tasks": len(grid.tasks),
            "seeds": len(grid.seeds),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )
    unit = "points" if declared.is_score else "in loss"
    line = advice(columns, grid.budgets, len(grid.seeds), unit, REFERENCE)
    finals = frame[[name for name in frame.columns if name.startswith(FINAL)]].to_numpy()
    return table, [*_notes(grid, table, utility), *filter(None, [line]), *declared.doubts(finals)]


def _seconds(grid: Grid, timings: Path | None) -> Array:
    """Seconds in the allocator a decision, over the tasks whose time is known (not 0)."""
    out = np.full((len(grid.budgets), len(grid.allocators)), np.nan)
    if timings is None:
        return out
    table = read_frame(timings, ("allocator", "task", "budget", "seconds", "decisions"))
    for name in ("seconds", "decisions"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    known = table[(table["seconds"] > 0) & (table["decisions"] > 0)]
    sums = known.groupby(["budget", "allocator"])[["seconds", "decisions"]].sum()
    wanted = pd.MultiIndex.from_product([grid.budgets, grid.allocators])
    each = (sums["seconds"] / sums["decisions"]).reindex(wanted)
    return each.to_numpy(dtype=np.float64).reshape(out.shape)


def _notes(grid: Grid, table: pd.DataFrame, utility: Array) -> list[str]:
    """What each column is, and why anything is missing."""
    loss = table["unit"].iloc[0] == "loss"
    unit = "in units of the (negated) loss" if loss else "in points (100 x score)"
    n, names = len(grid.seeds), grid.allocators
    task = grid.tasks[0] if len(grid.tasks) == 1 else f"{len(grid.tasks)} tasks"
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    world, steps = (grid.frame[key].iloc[0] for key in ("world", "steps"))
    real = "real" in grid.frame
    about = (
        f"{'Pair' if real else 'World'} {world.removeprefix('hf:')}, {task}, {seeds}, {steps} steps. "
        f"Utilities and changes are {unit}; "
        + (
            "the final utility is measured on the items of the test split."
            if real
            else "a simulated world's final utility is free of measurement noise."
        )
    )
    some_zero = bool((table["utility_half_width"] <= ROUNDING).any())
    notes = [about, _about_intervals(n, some_zero, real)]
    if REFERENCE in names:
        notes.append(_about_difference(n, len(grid.budgets) * (len(names) - 1)))
    else:
        notes.append(
            f"There is no paired difference, because {REFERENCE} is not among the allocators."
        )
    notes.append(_about_gap(grid, table, utility))
    if table["off_target"].isna().all():
        notes.append(
            "On is the change of the target. There are no other capabilities, so no Off and no Neg."
        )
    else:
        notes.append(
            "On is the measured change of the most required capability; Off is the mean change, "
            "and Neg the mean drop (>= 0, lower is better), of the other visible ones. Floor is "
            "what Neg shows if nothing changes but the measurement."
        )
    if "equal" in grid.frame:
        shared = " Offline pools are drawn once for all tasks, which pay equal parts."
        notes.append(
            "Budgets count all tokens that students train on; what Extra leaves is the run's own."
            + (shared if (grid.frame["equal"] == "shared").any() else "")
        )
    notes.append(
        "Extra counts the tokens of searches and offline pools, as a multiple of the budget. "
        + (
            "No decision times are known."
            if table["seconds_per_decision"].isna().all()
            else (
                "Decision is the wall time in the allocator; its runs advance together, and "
                "other jobs ran beside it."
            )
        )
    )
    return [*notes, *about_training(names)]


def about_training(names: Sequence[str]) -> list[str]:
    """What the policies among these allocators were trained with, which is in no column; [] without any."""
    policies = [name for name in names if base_name(name) in SIMULATED_TRAINING]
    if not policies:
        return []
    told = ", ".join(f"`readsim allocators {name}`" for name in policies)
    note = (
        f"{', '.join(policies)}: trained in simulated worlds before all runs; those tokens are "
        f"free and not in Extra. {told} says what each was trained on."
    )
    return [note]


def _about_difference(n: int, tests: int) -> str:
    text = f"vs {REFERENCE} is the difference in final utility, paired by seed and task."
    if n == 1 or tests == 0:
        return text
    return (
        f"{text} A star marks one that is not zero: p < .05 in a paired t test after Holm's "
        f"correction for the {tests} tests of this table. Bold is the highest mean of all but "
        "oracles, if it is above with a star."
    )


def _about_intervals(n: int, some_zero: bool, real: bool) -> str:
    fixed = "tasks are fixed, not sampled"
    if n == 1 and real:
        return (
            "There are no intervals over seeds, since there is one seed; intervals of the changes, in "
            f"`readsim scores` and in the report, are over test items. The {fixed}."
        )
    if n == 1:
        return f"There are no intervals: they are over seeds, and there is one seed. The {fixed}."
    text = f"± is the 95 % Student t interval over {n} seeds, each averaged over tasks first; the {fixed}."
    if n < FEW_SEEDS:
        text += " With so few seeds it relies on normality and is itself uncertain."
    if some_zero:
        text += " A width of zero means that every seed ended with the same utility."
    return text


def _about_gap(grid: Grid, table: pd.DataFrame, utility: Array) -> str:
    absent = [name for name in GAP if name not in grid.allocators]
    if absent:
        return (
            f"There is no share of the gap, because {' and '.join(absent)} "
            f"{'are' if len(absent) > 1 else 'is'} not among the allocators."
        )
    low, high = (utility[:, grid.allocators.index(name)] for name in GAP)
    gap = high - low
    least = gap.mean(axis=-1) - np.nan_to_num(half_width(gap))
    text = f"Gap is how far the mean utility gets from {GAP[0]} (0) to {GAP[1]} (100)."
    for budget, mean, bound in zip(grid.budgets, gap.mean(axis=-1), least, strict=True):
        if mean <= 0:
            text += f" At {show_tokens(budget)} there is no gap: {GAP[1]} ends no higher."
        elif bound <= 0:
            text += f" At {show_tokens(budget)} it is not resolved: its own interval reaches 0."
    return text

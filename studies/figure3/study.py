"""The study of Figure 3."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.plots.labels import label_right
from readsim.plots.style import Box, footnote, looks, panels, room_for
from readsim.runs.read_logs import Log
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens
from studies.common.compared import READ, best, by_task, compared, margin, place, rivals
from studies.common.study import Drawing, Findings, Rows, Study
from studies.figure3.claims import CLAIMS
from studies.figure3.sweep import cases

LEAST = 3  # budgets: fewer have none between them


def draw_curves(case: str, grid: Grid) -> Drawing:
    """Means over seeds with 95 % bands."""
    score = by_task(grid, "score")  # (B, A, N, T)
    names, look = grid.allocators, looks(grid.allocators)
    box = Box(2.0, 1.7, left=0.5, right=room_for(names) + 0.25, top=0.3, bottom=0.3)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.4)
    figure, axes = panels(len(grid.tasks), box, margins=margins)
    for t, (task, axis) in enumerate(zip(grid.tasks, axes, strict=True)):
        mean, half = score[..., t].mean(axis=-1), np.nan_to_num(half_width(score[..., t]))
        for a, name in enumerate(names):
            colour, dash, marker, width = look[name]
            axis.plot(
                grid.budgets,
                mean[:, a],
                dash,
                color=colour,
                marker=marker,
                ms=4,
                mec="white",
                mew=0.4,
                lw=width,
                zorder=2 + (width > 1.5),
            )
            axis.fill_between(
                grid.budgets,
                mean[:, a] - half[:, a],
                mean[:, a] + half[:, a],
                color=colour,
                alpha=0.12,
                lw=0,
            )
        axis.set_xscale("log")
        axis.set_xticks(grid.budgets, [show_tokens(budget) for budget in grid.budgets])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", which="minor", length=0)
        axis.set_title(task)
        axis.set_ylim(*axis.get_ylim())
        label_right(axis, mean[-1], names, [look[name].colour for name in names], box.height)
    for axis in axes[::2]:
        axis.set_ylabel("final score (points)")
    footnote(
        figure,
        f"Simulated world {case}",
        f"Final score of the capability that the task is named after, by token budget; each point "
        f"is {len(grid.seeds)} runs of its own. Bands: 95 % intervals over seeds, not paired.",
    )
    last = score[-1].mean(axis=1)
    first = [names[int(n)] for n in last.argmax(axis=0)]
    ours = last[place(names, READ)]
    alt = f"Score by token budget in {case}. At {show_tokens(grid.budgets[-1])} " + "; ".join(
        f"{task}: ReAD {value:.1f}, highest {name} {top:.1f}"
        for task, value, name, top in zip(grid.tasks, ours, first, last.max(axis=0), strict=True)
    )
    return Drawing(f"Score by budget in {case}", figure, f"{alt}.")


def area(x: Array, curves: Array) -> Array:
    """Mean height of curves (..., B) over x (B,), by trapezoids: (...)."""
    out: Array = np.trapezoid(curves, x, axis=-1) / (x[-1] - x[0])
    return out


def trend(x: Array, curves: Array) -> Array:
    """Least-squares slope of curves (..., B) over x (B,): (...)."""
    from_mean = x - x.mean()
    out: Array = curves @ from_mean / (from_mean @ from_mean)
    return out


class Match(NamedTuple):
    """Where a curve first reaches a level: x, and whether that lies before or behind what was run."""

    x: float
    below: bool
    never: bool


def match(x: Array, curve: Array, level: float) -> Match:
    """The first x at which the curve (B,), straight between its points, reaches the level.

    A curve that starts at the level or above counts as at the first x, one that never reaches it as
    at the last: the true value is at most, or at least, that.
    """
    if curve[0] >= level:
        return Match(float(x[0]), True, False)
    at = int(np.argmax(curve >= level))
    if at == 0:
        return Match(float(x[-1]), False, True)
    share = (level - curve[at - 1]) / (curve[at] - curve[at - 1])
    return Match(float(x[at - 1] + share * (x[at] - x[at - 1])), False, False)


class Matches(NamedTuple):
    """Doublings of the budget (I, N, T) that a rival needs more than ReAD, and where it was censored."""

    doublings: Array
    below: Array
    never: Array


def matches(x: Array, ours: Array, theirs: Array) -> Matches:
    """For curves (N, T, B) of ReAD and a rival, at each of the I = B - 2 inner budgets."""
    n, t, b = ours.shape
    out = Matches(*(np.zeros((b - 2, n, t)) for _ in range(3)))
    for i, seed, task in np.ndindex(b - 2, n, t):
        found = match(x, theirs[seed, task], float(ours[seed, task, i + 1]))
        out.doublings[i, seed, task] = found.x - x[i + 1]
        out.below[i, seed, task], out.never[i, seed, task] = found.below, found.never
    return out


def analyse(rows: Rows) -> Findings:
    """Effects, the curves, tokens to match, and a figure per case."""
    effects: dict[tuple[str, str], Array] = {}
    curves: list[dict[str, object]] = []
    tokens: list[dict[str, object]] = []
    figures: dict[str, Drawing] = {}
    for case, logs in rows.items():
        grid = grid_of(logs)
        matched = matched_by(grid)
        effects |= {(c, case): v for c, v in effects_of(grid, matched).items()}
        curves += [{"case": case, **line} for line in _curves(grid)]
        tokens += [{"case": case, **line} for line in _tokens(grid, matched)]
        figures[f"budgets-{case.replace('/', '-')}"] = draw_curves(case, grid)
    tables = {
        "areas": ("mean height of the curves over log budget, and slopes, points", _frame(curves)),
        "tokens-to-match": ("tokens a rival needs for ReAD's score, over ReAD's", _frame(tokens)),
    }
    note = (
        "Tokens to match: geometric mean over seeds and inner budgets. `never` and `below`: shares of "
        "matches that no budget of the rival reached, or already its smallest; these count as at the end of "
        "the range, so a factor with many of them is a bound."
    )
    return Findings(effects, tables, figures, [note])


def _frame(lines: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(lines)


def grid_of(logs: Sequence[Log]) -> Grid:
    """The comparison. Raises RunLogError if it has fewer than three budgets or no ReAD."""
    grid = compared(logs)
    if len(grid.budgets) < LEAST:
        raise RunLogError(f"budgets {grid.budgets}: curves need at least {LEAST}")
    place(grid.allocators, READ)
    return grid


def doublings(grid: Grid) -> Array:
    """log2 of the budgets (B,)."""
    return np.log2(np.array(grid.budgets, dtype=np.float64))


def curves_of(grid: Grid, column: str) -> Array:
    """(A, N, T, B)."""
    return np.moveaxis(by_task(grid, column), 0, -1)


def matched_by(grid: Grid) -> dict[str, Matches]:
    """Each rival's tokens to match."""
    scores, names = curves_of(grid, "score"), grid.allocators
    ours = scores[place(names, READ)]
    return {names[n]: matches(doublings(grid), ours, scores[n]) for n in rivals(names)}


def effects_of(grid: Grid, matched: dict[str, Matches]) -> dict[str, Array]:
    """Claim -> one effect per seed (N,)."""
    x, names = doublings(grid), grid.allocators
    scores, utility = curves_of(grid, "score"), curves_of(grid, "utility")
    least = [
        margin(scores[:, :, t, b], names) for t, b in np.ndindex(len(grid.tasks), len(grid.budgets))
    ]
    frugal = np.stack([-m.doublings.mean(axis=(0, 2)) for m in matched.values()])
    return {
        "area-above": margin(area(x, scores).mean(axis=-1), names),
        "area-above-utility": margin(area(x, utility).mean(axis=-1), names),
        "above-everywhere": np.min(least, axis=0),
        "best-trend": margin(trend(x, scores).mean(axis=-1), names),
        "fewer-tokens": -best(frugal),
    }


def _curves(grid: Grid) -> list[dict[str, object]]:
    x = doublings(grid)
    heights, slopes = (f(x, curves_of(grid, "score")).mean(axis=1) for f in (area, trend))
    utility = area(x, curves_of(grid, "utility")).mean(axis=1)
    return [
        {
            "method": name,
            **{f"{task}": float(heights[a, t]) for t, task in enumerate(grid.tasks)},
            "all": float(heights[a].mean()),
            "slope": float(slopes[a].mean()),
            "utility": float(utility[a].mean()),
        }
        for a, name in enumerate(grid.allocators)
    ]


def _tokens(grid: Grid, matched: dict[str, Matches]) -> list[dict[str, object]]:
    return [
        {
            "rival": name,
            "task": task,
            "factor": float(2.0 ** found.doublings[..., t].mean()),
            "never": float(found.never[..., t].mean()),
            "below": float(found.below[..., t].mean()),
        }
        for name, found in matched.items()
        for t, task in enumerate(grid.tasks)
    ]


STUDY = Study(
    name="figure3",
    title="Figure 3: score by token budget",
    source="S6, Figure 3",
    question="Is ReAD ahead at equal budget, and how many tokens do others need to match it?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)

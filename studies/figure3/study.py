"""The study of Figure 3."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid
from studies.common.compared import READ, best, by_task, compared, margin, place, rivals
from studies.common.study import Drawing, Findings, Rows, Study
from studies.figure3.claims import CLAIMS
from studies.figure3.curves import Matches, area, matches, trend
from studies.figure3.figure import draw_curves
from studies.figure3.sweep import cases

# Score against budget, from separate runs for each budget.

LEAST = 3  # budgets: fewer have none between them


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

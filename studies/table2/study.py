"""The study of Table 2."""

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.plots.labels import label_points
from readsim.plots.style import GREY, Box, footnote, looks, panels
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens
from studies.common.compared import READ, best, compared, margin, place
from studies.common.study import Drawing, Findings, Rows, Study
from studies.table2.claims import CLAIMS
from studies.table2.sweep import BOUND, cases

SPARED = ("one-hot", "task-static", "greedy", "grid")  # Table 2(a)'s rows beside ReAD
UTILITY = ("uniform", "task-static", "greedy", "grid", READ)  # Table 2(b)'s rows
COLUMNS = {
    "On": "on_target",
    "Off": "off_target",
    "Neg": "negative",
    "noise": "negative_floor",
    "worst": "worst_drop",
}
LEAST_GAP = 0.05  # points between uniform and the bound: of less there is no share worth showing
NOISE = (
    "noise: what Neg shows if nothing changes but the measurement. worst: largest drop of another "
    "capability, which noise raises as well. drops: share of the others that fell by more than 1.96 "
    "standard errors."
)
SEARCH = (
    "grid tries 15 mixtures with a tenth of the budget each that nobody pays for; grid-charged pays for them "
    "out of the budget, .3 of it in all. vs static: paired difference to task-static. bound: share of the "
    f"way from uniform to {BOUND}, which knows the world."
)


def draw_trade(case: str, grid: Grid) -> Drawing:
    """One panel per budget; lower right is better."""
    on, negative = grid.by_seed("on_target"), grid.by_seed("negative")
    floor = grid.by_seed("negative_floor").mean(axis=(1, 2))
    names, look = grid.allocators, looks(grid.allocators)
    box = Box(2.6, 2.2, left=0.5, right=0.2, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.35)
    figure, axes = panels(len(grid.budgets), box, margins=margins)
    for b, (budget, axis) in enumerate(zip(grid.budgets, axes, strict=True)):
        points = np.stack([on[b].mean(axis=-1), negative[b].mean(axis=-1)], axis=1)
        bars = np.nan_to_num(np.stack([half_width(on[b]), half_width(negative[b])], axis=1))
        colours = [look[name].colour for name in names]
        lines = []
        for name, point, bar in zip(names, points, bars, strict=True):
            x, y = (float(value) for value in point)
            colour, marker = look[name].colour, look[name].marker
            axis.errorbar(x, y, yerr=bar[1], xerr=bar[0], color=colour, lw=0.7)
            axis.plot(x, y, marker, color=colour, ms=5, mec="white", mew=0.4)
            lines.append([x - bar[0], y, x + bar[0], y])
            lines.append([x, y - bar[1], x, y + bar[1]])
        axis.axhline(floor[b], color=GREY, lw=0.7, ls=":")
        axis.margins(0.15)
        axis.set_xlim(*axis.get_xlim())
        axis.set_ylim(*axis.get_ylim())
        label_points(axis, points, names, colours, np.array(lines))
        axis.set_title(f"{show_tokens(budget)} tokens")
        axis.set_xlabel("On: change of the target (points)")
        if b == 0:
            axis.set_ylabel("Neg: mean drop of the others (points)")
    footnote(
        figure,
        f"Simulated world {case}",
        f"Means over tasks and {len(grid.seeds)} seeds, test split; lower right is better. Bars: "
        "95 % intervals over seeds. Dotted: Neg of noise alone.",
    )
    ours, single = place(names, READ), place(names, "one-hot")
    last = [
        f"{name} On {on[-1, n].mean():.2f}, Neg {negative[-1, n].mean():.2f}"
        for name, n in (("ReAD", ours), ("one-hot", single))
    ]
    at = show_tokens(grid.budgets[-1])
    alt = f"Target gain against drops in {case}; at {at}: {'; '.join(last)} points."
    return Drawing(f"What methods trade in {case}", figure, alt)


def analyse(rows: Rows) -> Findings:
    """Effects, Table 2(a) at every budget, Table 2(b), and a figure per case."""
    effects: dict[tuple[str, str], Array] = {}
    spill: list[dict[str, object]] = []
    final: list[dict[str, object]] = []
    figures: dict[str, Drawing] = {}
    for case, logs in rows.items():
        grid = compared(logs)
        effects |= {(claim, case): values for claim, values in effects_of(grid).items()}
        spill += [{"case": case, **line} for line in _spill(grid)]
        final += [{"case": case, **line} for line in _utility(grid)]
        figures[f"trade-{case.replace('/', '-')}"] = draw_trade(case, grid)
    tables = {
        "spillover": ("what runs do outside their target, test split, points", pd.DataFrame(spill)),
        "utility": ("final utility, points", pd.DataFrame(final)),
    }
    notes = [NOISE, SEARCH]
    return Findings(effects, tables, figures, notes)


def effects_of(grid: Grid) -> dict[str, Array]:
    """Claim -> one effect per seed (N,). Raises RunLogError for a method that is missing."""
    at = {name: place(grid.allocators, name) for name in (*SPARED, *UTILITY)}
    on, negative = (grid.by_seed(column)[-1] for column in ("on_target", "negative"))
    utility = grid.by_seed("utility")
    chosen = [at[name] for name in UTILITY]
    names = [grid.allocators[n] for n in chosen]
    margins = np.stack([margin(values, names) for values in utility[:, chosen]])
    single, static, ours = at["one-hot"], at["task-static"], at[READ]
    least = -best(-negative[[at[name] for name in SPARED]])
    out = {
        "single-strong-on-target": on[single] - on[static],
        "single-harms-more": negative[single] - negative[ours],
        "static-harms-less": negative[single] - negative[static],
        "read-keeps-target": on[ours] / on[single],
        "read-harms-least": least - negative[ours],
        "read-first": margins.min(axis=0),
        "greedy-behind": utility[-1, ours] - utility[-1, at["greedy"]],
    }
    if len(grid.budgets) > 1:
        out["margin-grows"] = margins[-1] - margins[0]
    if BOUND in grid.allocators:
        out["above-static-bound"] = utility[-1, ours] - utility[-1, place(grid.allocators, BOUND)]
    return out


def _spill(grid: Grid) -> list[dict[str, object]]:
    values = {name: grid.by_seed(column).mean(axis=-1) for name, column in COLUMNS.items()}
    values["drops"] = grid.by_seed("significant_drops").mean(axis=-1)
    return [
        {
            "budget": show_tokens(budget),
            "method": method,
            **{name: float(value[b, a]) for name, value in values.items()},
        }
        for b, budget in enumerate(grid.budgets)
        for a, method in enumerate(grid.allocators)
    ]


def _utility(grid: Grid) -> list[dict[str, object]]:
    utility = grid.by_seed("utility")
    mean = utility.mean(axis=-1)
    apart = utility - utility[:, [place(grid.allocators, "task-static")]]
    half = half_width(apart)
    lines = []
    for a, method in enumerate(grid.allocators):
        line: dict[str, object] = {"method": method}
        for b, budget in enumerate(grid.budgets):
            text = show_tokens(budget)
            line[text] = f"{mean[b, a]:.2f}"
            line[f"{text} vs static"] = f"{apart[b, a].mean():+.2f} ± {half[b, a]:.2f}"
            if BOUND in grid.allocators:
                low = mean[b, place(grid.allocators, "uniform")]
                gap = mean[b, place(grid.allocators, BOUND)] - low
                line[f"{text} bound"] = (
                    f"{(mean[b, a] - low) / gap:.2f}" if gap > LEAST_GAP else "-"
                )
        lines.append(line)
    return lines


STUDY = Study(
    name="table2",
    title="Table 2: spillover and utility of five methods",
    source="S6, Table 2",
    question="Does ReAD keep the target, spare the rest, and end highest, more so with more tokens?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)

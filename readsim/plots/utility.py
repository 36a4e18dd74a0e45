"""Figure: measured utility against the tokens spent."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.data import utility_curves
from readsim.plots.labels import label_right
from readsim.plots.style import Box, footnote, looks, panels, room_for
from readsim.runs.read_logs import Log
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.summary.results import declared_scale
from readsim.summary.table import REFERENCE
from readsim.token_counts import show_tokens


class Panel(NamedTuple):
    """One panel: lines (A, R, T + 1) over tokens, and what the test split measured at the end (A, R).

    `least` is how far the axis reaches below and above where all of them are alike.
    """

    title: str
    label: str
    tokens: Array
    lines: Array
    ends: Array
    bands: bool
    least: float


def draw_utility(logs: Sequence[Log], grid: Grid) -> Figure:
    """A row per budget: left the gain since the start, right its paired difference to task-static.

    Lines are on the probe split, marks beyond their ends on the test split, both means over tasks
    and seeds. Bands and bars are 95 % intervals over seeds. The gains of one seed share the luck of
    its measurements, so their bands would overlap whatever the differences are: they are drawn for
    the differences, and for the gains where nothing can be paired.
    """
    shown = _panels(logs, grid)
    columns = len(shown) // len(grid.budgets)
    figure, axes = panels(len(shown), _box(grid), columns=columns, margins=MARGINS)
    for panel, place in zip(shown, axes, strict=True):
        _draw(place, grid.allocators, panel)
    for place in axes[-columns:]:
        place.set_xlabel("tokens trained on")
    footnote(figure, logs[0].header.scene, f"{_note(grid)}{luck_note(logs)}")
    return figure


def utility_panels(logs: Sequence[Log], grid: Grid) -> list[Figure]:
    """The panels of `draw_utility` as figures of their own, which a narrow page can stack."""
    figures = []
    for panel in _panels(logs, grid):
        figure, [axes] = panels(1, _box(grid), columns=1, margins=MARGINS)
        _draw(axes, grid.allocators, panel)
        axes.set_xlabel("tokens trained on")
        footnote(figure, logs[0].header.scene)
        figures.append(figure)
    return figures


LEAST, ROUNDING = 0.01, 1e-9  # of a score or a loss; of `Panel.least`
MOST_BANDS = 12  # more of them lie on each other
MARGINS = Box(0, 0, left=0, right=0, top=0, bottom=0.4)


def _box(grid: Grid) -> Box:
    height = max(2.2, 0.13 * len(grid.allocators))
    right = room_for(grid.allocators) + 0.25
    return Box(2.5, height, left=0.62, right=right, top=0.3, bottom=0.25)


def _panels(logs: Sequence[Log], grid: Grid) -> list[Panel]:
    """The gains of each budget, and where there is a reference the differences to it."""
    curves = utility_curves(logs, grid)
    declared = declared_scale(grid.frame)
    scale, unit = declared.factor, declared.shown
    gain, final = scale * curves.gain, scale * curves.final
    names, least = grid.allocators, LEAST * scale
    paired = REFERENCE in names and len(names) > 1
    out = []
    for b, budget in enumerate(grid.budgets):
        title, x = f"budget {show_tokens(budget)}", curves.tokens[b]
        label = f"gain in measured utility ({unit})"
        out.append(Panel(title, label, x, gain[b], final[b], not paired, least))
        if paired:
            r = names.index(REFERENCE)
            title, label = f"{title}, minus {REFERENCE}", f"difference in gain ({unit})"
            lines, ends = gain[b] - gain[b, r], final[b] - final[b, r]
            out.append(Panel(title, label, x, lines, ends, True, least))
    return out


def luck_note(logs: Sequence[Log]) -> str:
    """Why the lines of simulated runs, whose logs have no noise-free profile but the last, move together."""
    if logs[0].header.is_real:
        return ""
    return " Lines rise and fall together by noise: runs of one seed share the luck of each probe."


def _note(grid: Grid) -> str:
    note = (
        "Means over tasks and seeds. Lines: probe split. Marks: test split, other items, so a mark may lie "
        "off its line."
    )
    if len(grid.seeds) > 1:
        bands = "Bars" if len(grid.allocators) > MOST_BANDS else "Bands and bars"
        note += f" {bands}: 95 % intervals over {len(grid.seeds)} seeds, cut where they leave the panel."
    return note


def _limits(panel: Panel) -> tuple[float, float]:
    """As far beyond the means as these are apart: wide intervals are cut rather than all means flattened."""
    means = np.concatenate([panel.lines.mean(axis=1).ravel(), panel.ends.mean(axis=-1)])
    low, high = float(means.min()), float(means.max())
    span = high - low
    return (low - span, high + span) if span > ROUNDING * panel.least else (-np.inf, np.inf)


def _draw(axes: Axes, names: Sequence[str], panel: Panel) -> None:
    """Lines, and beyond their ends the test split's values."""
    look, x, ends = looks(names), panel.tokens, panel.ends
    for n, name in enumerate(names):
        colour, dash, marker, width = look[name]
        mean = panel.lines[n].mean(axis=0)
        axes.plot(x, mean, dash, color=colour, lw=width, label=name, zorder=2 + (width > 1.5))
        if panel.bands and len(names) <= MOST_BANDS:
            half = np.nan_to_num(half_width(panel.lines[n].T))
            axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
        bar = float(np.nan_to_num(half_width(ends[n])))
        end = 1.05 * x[-1]
        axes.errorbar(end, ends[n].mean(), bar, fmt="none", ecolor=colour, lw=0.8)
        axes.plot(end, ends[n].mean(), marker, color=colour, ms=5, mec="white", mew=0.4, zorder=3)
    axes.set_title(panel.title)
    axes.set_ylabel(panel.label)
    axes.set_xlim(0.0, 1.1 * x[-1])
    axes.xaxis.set_major_formatter(lambda tokens, _: show_tokens(tokens))
    low, high = _limits(panel)
    bottom, top = axes.get_ylim()
    if np.isinf(low):  # all alike: the axis is as wide as a difference that would matter
        bottom, top = bottom - panel.least, top + panel.least
    axes.set_ylim(max(bottom, low), min(top, high))
    height = axes.get_window_extent().height / axes.figure.dpi
    label_right(axes, ends.mean(axis=-1), names, [look[name].colour for name in names], height)

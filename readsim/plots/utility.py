"""Figure: measured utility against the tokens spent."""

from collections.abc import Sequence

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


def draw_utility(logs: Sequence[Log], grid: Grid) -> Figure:
    """A row per budget: left the gain since the start, right its paired difference to task-static.

    Lines are on the probe split, marks beyond their ends on the test split, both means over tasks
    and seeds. Bands and bars are 95 % intervals over seeds. The gains of one seed share the luck of
    its measurements, so their bands would overlap whatever the differences are: they are drawn for
    the differences, and for the gains where nothing can be paired.
    """
    curves = utility_curves(logs, grid)
    declared = declared_scale(grid.frame)
    scale, unit = declared.factor, declared.shown
    gain, final = scale * curves.gain, scale * curves.final
    names = grid.allocators
    paired = REFERENCE in names and len(names) > 1
    height = max(2.2, 0.13 * len(names))
    box = Box(2.5, height, left=0.62, right=room_for(names) + 0.25, top=0.3, bottom=0.25)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.4)
    columns = 1 + paired
    figure, panel = panels(columns * len(grid.budgets), box, columns=columns, margins=margins)
    for b, budget in enumerate(grid.budgets):
        row, x = panel[columns * b : columns * (b + 1)], curves.tokens[b]
        _draw(row[0], names, x, gain[b], final[b], bands=not paired)
        row[0].set_title(f"budget {show_tokens(budget)}")
        row[0].set_ylabel(f"gain in measured utility ({unit})")
        if paired:
            r = names.index(REFERENCE)
            _draw(row[1], names, x, gain[b] - gain[b, r], final[b] - final[b, r], bands=True)
            row[1].set_title(f"budget {show_tokens(budget)}, minus {REFERENCE}")
            row[1].set_ylabel(f"difference in gain ({unit})")
    for axes in panel[-columns:]:
        axes.set_xlabel("tokens trained on")
    note = "Means over tasks and seeds. Lines: probe split. Marks: test split."
    if len(grid.seeds) > 1:
        note += f" Bands and bars: 95 % intervals over {len(grid.seeds)} seeds."
    footnote(figure, note)
    return figure


def _draw(
    axes: Axes, names: Sequence[str], x: Array, lines: Array, ends: Array, *, bands: bool
) -> None:
    """Lines (A, R, T + 1) over x (T + 1,), and beyond their ends the test split's values (A, R)."""
    look = looks(names)
    for n, name in enumerate(names):
        colour, dash, marker, width = look[name]
        mean = lines[n].mean(axis=0)
        axes.plot(x, mean, dash, color=colour, lw=width, label=name, zorder=2 + (width > 1.5))
        if bands:
            half = np.nan_to_num(half_width(lines[n].T))
            axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
        bar = float(np.nan_to_num(half_width(ends[n])))
        end = 1.05 * x[-1]
        axes.errorbar(end, ends[n].mean(), bar, fmt="none", ecolor=colour, lw=0.8)
        axes.plot(end, ends[n].mean(), marker, color=colour, ms=5, mec="white", mew=0.4, zorder=3)
    axes.set_xlim(0.0, 1.1 * x[-1])
    axes.xaxis.set_major_formatter(lambda tokens, _: show_tokens(tokens))
    axes.set_ylim(*axes.get_ylim())
    height = axes.get_window_extent().height / axes.figure.dpi
    label_right(axes, ends.mean(axis=-1), names, [look[name].colour for name in names], height)

"""Figure: what a task gains against what everything else loses."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from readsim.plots.labels import label_points
from readsim.plots.style import FAINT, Box, footnote, looks, panels
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.summary.results import declared_scale
from readsim.token_counts import show_tokens


def draw_spillover(grid: Grid, scene: str) -> Figure:
    """One panel per budget, one point an allocator: negative spillover across, gain of the target up.

    `scene` is what was run (`RunHeader.scene`). Bars are 95 % intervals over seeds. The dotted line is the
    noise floor of the spillover: what it shows when nothing changes but the measurement. Needs capabilities
    other than the target.
    """
    declared = declared_scale(grid.frame)
    scale, unit = declared.factor, declared.shown
    across, up, floor = (
        scale * grid.by_seed(name) for name in ("negative", "on_target", "negative_floor")
    )
    look = looks(grid.allocators)
    colours = [look[name].colour for name in grid.allocators]
    box = Box(2.9, 2.5, left=0.62, right=0.1, top=0.25, bottom=0.45)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.2)
    figure, panel = panels(len(grid.budgets), box, margins=margins)
    for axes, budget, x, y, line in zip(
        panel, grid.budgets, across, up, floor.mean(axis=(-1, -2)), strict=True
    ):
        centres = np.stack([x.mean(axis=-1), y.mean(axis=-1)], axis=-1)
        halves = np.nan_to_num(np.stack([half_width(x), half_width(y)], axis=-1))
        low, high = centres - halves, centres + halves
        for n, name in enumerate(grid.allocators):
            (cx, cy), (hx, hy), colour = centres[n], halves[n], colours[n]
            axes.errorbar(cx, cy, yerr=hy, xerr=hx, fmt="none", ecolor=colour, alpha=0.6, lw=0.8)
            axes.plot(cx, cy, look[name].marker, color=colour, ms=6, mec="white", mew=0.5, zorder=3)
        axes.axvline(line, color=FAINT, lw=0.8, ls=(0, (1, 2)), zorder=0)
        right = max(1.1 * high[:, 0].max(), 1.3 * line) or 1.0
        axes.set_xlim(-0.04 * right, right)  # a drop is never negative, though its interval may be
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        space = 0.1 * (high[:, 1].max() - low[:, 1].min()) or 1.0
        bottom, top = low[:, 1].min() - space, high[:, 1].max() + 2.0 * space
        axes.set_ylim(bottom, top)
        axes.set_title(f"budget {show_tokens(budget)}")
        axes.set_xlabel(f"Neg: mean drop outside the target ({unit})")
        axes.text(line, top, " noise floor", va="top", fontsize=6, color=FAINT)
        across_bars = np.column_stack([low[:, 0], centres[:, 1], high[:, 0], centres[:, 1]])
        up_bars = np.column_stack([centres[:, 0], low[:, 1], centres[:, 0], high[:, 1]])
        lines = np.vstack([across_bars, up_bars, [line, bottom, line, top]])
        label_points(axes, centres, grid.allocators, colours, lines)
    panel[0].set_ylabel(f"On: gain of the target ({unit})")
    note = "Means over tasks and seeds, test split. Noise floor: Neg if nothing changed but the measurement."
    if len(grid.seeds) > 1:
        note += f" Bars: 95 % intervals over {len(grid.seeds)} seeds."
    footnote(figure, scene, note)
    return figure

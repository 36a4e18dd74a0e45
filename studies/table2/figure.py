"""On the target against drops beside it: what a method trades."""

import numpy as np

from readsim.plots.labels import label_points
from readsim.plots.style import GREY, Box, footnote, looks, panels
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens
from studies.common.compared import READ, place
from studies.common.study import Drawing


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
        f"{case}. Means over tasks and {len(grid.seeds)} seeds, test split; lower right is better. Bars: "
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

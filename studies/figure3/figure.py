"""Small panels, one per capability: score over budget on a logarithmic axis."""

import numpy as np
from matplotlib.ticker import NullFormatter

from readsim.plots.labels import label_right
from readsim.plots.style import Box, footnote, looks, panels, room_for
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens
from studies.common.compared import READ, by_task, place
from studies.common.study import Drawing


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
        f"{case}. Final score of the capability that the task is named after, by token budget; each point "
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

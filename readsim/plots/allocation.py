"""Figure: what each allocator trained on, step by step."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from readsim.arrays import Array
from readsim.plots.data import mean_allocation
from readsim.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    Box,
    panels,
    room_for,
    short,
)
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid
from readsim.token_counts import show_tokens

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)
TASKS = 4
GAP = 0.14  # between rows, in inches


def shown_sources(shares: Array, most: int = len(COLOURS)) -> list[int]:
    """Which of S sources get a colour: all, or the most used ones, one colour less for the rest.

    `shares` (..., S) may be NaN. In the order of the sources.
    """
    s = shares.shape[-1]
    if s <= most:
        return list(range(s))
    mean = np.nan_to_num(shares.reshape(-1, s)).mean(axis=0)
    return sorted(np.argsort(-mean, kind="stable")[: most - 1].tolist())


def draw_allocation(logs: Sequence[Log], grid: Grid) -> Figure:
    """Stacked shares at the largest budget: a row an allocator, a column a task, means over seeds."""
    budget = grid.budgets[-1]
    order = [*logs[0].header.capabilities, *grid.tasks]
    tasks = sorted(grid.tasks, key=order.index)[:TASKS]
    shares = {
        (log.header.allocator, log.header.task): mean_allocation(log)
        for log in logs
        if log.header.budget == budget and log.header.task in tasks
    }
    shown = shown_sources(np.stack(list(shares.values())))
    sources = [logs[0].header.sources[i] for i in shown]
    rest = len(logs[0].header.sources) - len(sources)
    legend = [*sources, f"{rest} others"] if rest else sources
    colours = [*COLOURS[: len(sources)], PALE]
    rows = len(grid.allocators)
    height = max(0.5, 0.17 * (len(legend) + 4) / rows - GAP)  # the legend fits next to the rows
    figure, panel = panels(
        rows * len(tasks),
        Box(1.25, height, left=0.2, right=0.0, top=GAP, bottom=0.0),
        columns=len(tasks),
        margins=Box(
            0, 0, room_for(grid.allocators), room_for([*legend, 13 * "m"]) + 0.35, 0.15, 0.4
        ),
    )
    cells = [(name, task) for name in grid.allocators for task in tasks]
    for axes, (name, task) in zip(panel, cells, strict=True):
        _stack(axes, shares[name, task], shown, colours)
        if name == grid.allocators[0]:
            axes.set_title(short(task))
        if task == tasks[0]:
            axes.set_ylabel(short(name), rotation=0, ha="right", va="center", fontsize=7)
            axes.set_yticks([0.0, 1.0], ["0", "1"])
        if name == grid.allocators[-1]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("step")
    n, r = len(grid.tasks), len(grid.seeds)
    some = f"{len(tasks)} of {n} tasks\n" if len(tasks) < n else ""
    mean = f"mean of {r} seeds" if r > 1 else f"seed {grid.seeds[0]}"
    about = f"share of tokens\nbudget {show_tokens(budget)}\n{some}{mean}"
    _legend(panel[len(tasks) - 1], about, legend, colours)
    return figure


def _legend(axes: Axes, title: str, names: Sequence[str], colours: Sequence[str]) -> None:
    """The sources' colours, right of the axes."""
    patches = [Patch(color=c, label=short(n)) for c, n in zip(colours, names, strict=False)]
    axes.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(1.03, 1.12),
        title=title,
        title_fontsize=7,
        alignment="left",
        handlelength=1.0,
        handleheight=1.0,
    )


def _stack(axes: Axes, shares: Array, shown: Sequence[int], colours: Sequence[str]) -> None:
    """Stacked steps: shares (T, S), each from the start of its step to the end."""
    drawn = np.nan_to_num(shares)
    rest = np.delete(drawn, shown, axis=1).sum(axis=1, keepdims=True)
    parts = np.concatenate([drawn[:, shown], rest], axis=1)
    used = [i for i in range(parts.shape[1]) if parts[:, i].any()]
    heights = np.vstack([parts, parts[-1:]])[:, used].T
    kept = [colours[i] for i in used]
    edges = np.arange(len(parts) + 1)
    axes.stackplot(edges, heights, colors=kept, step="post", lw=0.2, ec="white")
    axes.set_xlim(0, len(parts))
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.tick_params(labelbottom=False, length=2)

"""Figure: what each allocator trained on, step by step."""

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
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
MOST_STACKED = 12  # sources
SHADES = "Blues"
GAP = 0.14  # between rows, in inches
ROW = 0.08  # of a heat map, in inches
TALLEST = 100.0  # inches of all heat maps


def shown_sources(shares: Array, most: int = len(COLOURS)) -> list[int]:
    """Which of S sources get a colour: all, or the most used ones, one colour less for the rest.

    `shares` (..., S) may be NaN. In the order of the sources.
    """
    s = shares.shape[-1]
    if s <= most:
        return list(range(s))
    mean = np.nan_to_num(shares.reshape(-1, s)).mean(axis=0)
    return sorted(np.argsort(-mean, kind="stable")[: most - 1].tolist())


class CellShares(NamedTuple):
    """Token shares (T, S) at one budget by allocator and task, and how sources are drawn."""

    by_cell: dict[tuple[str, str], Array]
    shown: list[int]
    legend: list[str]
    colours: list[str]
    about: str
    sources: Sequence[str]

    @property
    def is_heat(self) -> bool:
        """Whether there are too many sources for colours: then a row each, and shades."""
        return len(self.sources) > MOST_STACKED


def draw_allocation(
    logs: Sequence[Log], grid: Grid, *, budget: int | None = None, most: int = TASKS
) -> Figure:
    """CellShares at a budget, the largest unless it is given: a row an allocator, a column a task (the first
    `most`), means over seeds. Up to 12 sources are stacked; of more each is a row of a heat map."""
    budget = grid.budgets[-1] if budget is None else budget
    tasks = ordered_tasks(logs, grid)[:most]
    shares = _shares(logs, grid, budget, tasks)
    rows = len(grid.allocators)
    height = _height(shares, rows, len(shares.legend) + 5)  # the legend fits next to the rows
    room = room_for([*shares.legend, 16 * "m"]) + 0.35
    figure, panel = panels(
        rows * len(tasks),
        Box(1.25, height, left=0.2, right=0.0, top=GAP, bottom=0.0),
        columns=len(tasks),
        margins=Box(0, 0, _side(shares, grid), room, 0.15, 0.4),
    )
    cells = [(name, task) for name in grid.allocators for task in tasks]
    for axes, (name, task) in zip(panel, cells, strict=True):
        _draw(axes, shares, grid, name, task, first=task == tasks[0])
    some = f"{len(tasks)} of {len(grid.tasks)} tasks\n" if len(tasks) < len(grid.tasks) else ""
    _legend(panel[len(tasks) - 1], shares, some)
    return figure


def allocation_panels(
    logs: Sequence[Log], grid: Grid, budget: int, tasks: Sequence[str]
) -> list[Figure]:
    """The legend, then each task's column of `draw_allocation`, as figures that a narrow page can stack."""
    shares = _shares(logs, grid, budget, tasks)
    rows = len(grid.allocators)
    lines = 0.17 * (len(shares.legend) + 5)
    width = room_for([*shares.legend, 16 * "m"]) + 0.35
    key, [axes] = panels(1, Box(0.01, lines, left=0.0, right=width, top=0.15, bottom=0.1))
    axes.set_axis_off()
    _legend(axes, shares, "", at=(0.0, 1.0))
    figures = [key]
    for task in tasks:
        figure, panel = panels(
            rows,
            Box(1.6, _height(shares, rows, 0), left=0.2, right=0.1, top=GAP, bottom=0.0),
            columns=1,
            margins=Box(0, 0, _side(shares, grid), 0.0, 0.15, 0.4),
        )
        for axes, name in zip(panel, grid.allocators, strict=True):
            _draw(axes, shares, grid, name, task, first=True)
        figures.append(figure)
    return figures


def ordered_tasks(logs: Sequence[Log], grid: Grid) -> list[str]:
    """Tasks in the order of the capabilities that they are named after, others behind."""
    return sorted(grid.tasks, key=[*logs[0].header.capabilities, *grid.tasks].index)


def _shares(logs: Sequence[Log], grid: Grid, budget: int, tasks: Sequence[str]) -> CellShares:
    by_cell = {
        (log.header.allocator, log.header.task): mean_allocation(log)
        for log in logs
        if log.header.budget == budget and log.header.task in tasks
    }
    header, r = logs[0].header, len(grid.seeds)
    mean = f"mean of {r} seeds" if r > 1 else f"seed {grid.seeds[0]}"
    scene = fill(header.scene, 24, break_on_hyphens=False)
    about = f"{scene}\nshare of tokens\nbudget {show_tokens(budget)}\n{mean}"
    if len(header.sources) > MOST_STACKED:
        levels = (0.0, 0.5, 1.0)
        top = max(float(np.nanmax(each)) for each in by_cell.values())
        shades = [to_hex(colormaps[SHADES](level)) for level in levels]
        names = [f"{100 * level * top:.0f} %" for level in levels]
        return CellShares(by_cell, [], names, shades, about, header.sources)
    shown = shown_sources(np.stack(list(by_cell.values())))
    legend = [header.sources[i] for i in shown]
    if rest := len(header.sources) - len(legend):
        legend.append(f"{rest} others")
    return CellShares(by_cell, shown, legend, [*COLOURS[: len(shown)], PALE], about, header.sources)


def _height(shares: CellShares, rows: int, lines: int) -> float:
    """Inches of a row of panels, so that `lines` of a legend fit beside all of them."""
    if shares.is_heat:
        return min(ROW, TALLEST / (rows * len(shares.sources))) * len(shares.sources)
    return max(0.5, 0.17 * lines / rows - GAP)


def _side(shares: CellShares, grid: Grid) -> float:
    """Inches for what stands left of the panels."""
    side = room_for(grid.allocators)
    return side + room_for(shares.sources, 5.0) if shares.is_heat else side


def _draw(axes: Axes, shares: CellShares, grid: Grid, name: str, task: str, *, first: bool) -> None:
    """One allocator on one task; `first` panels of a row have its name."""
    drawn = shares.by_cell[name, task]
    if shares.is_heat:
        top = max(float(np.nanmax(each)) for each in shares.by_cell.values())
        _heat(axes, drawn, top)
    else:
        _stack(axes, drawn, shares.shown, shares.colours)
    axes.set_xlim(0, len(drawn))
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.grid(visible=False)
    axes.tick_params(labelbottom=False, length=2)
    if name == grid.allocators[0]:
        axes.set_title(short(task))
    if first:
        axes.set_ylabel(short(name), rotation=0, ha="right", va="center", fontsize=7)
        if shares.is_heat:
            names = [short(source) for source in shares.sources]
            row = 72.0 * axes.get_window_extent().height / axes.figure.dpi / len(names)
            size = min(5.0, row)
            axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=size)
        else:
            axes.set_yticks([0.0, 1.0], ["0", "1"])
    if name == grid.allocators[-1]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("step")


def _legend(
    axes: Axes, shares: CellShares, some: str, at: tuple[float, float] = (1.03, 1.12)
) -> None:
    """The sources' colours, or the shares' shades; `at` in axes' widths and heights."""
    patches = [
        Patch(color=c, label=short(n)) for c, n in zip(shares.colours, shares.legend, strict=False)
    ]
    axes.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=at,
        title=f"{shares.about}\n{some}".rstrip(),
        title_fontsize=7,
        alignment="left",
        handlelength=1.0,
        handleheight=1.0,
    )


def _heat(axes: Axes, shares: Array, top: float) -> None:
    """A row a source, a column a step, darker for a larger share (T, S); `top` is the darkest."""
    axes.imshow(
        shares.T,
        cmap=SHADES,
        vmin=0.0,
        vmax=top,
        aspect="auto",
        interpolation="none",
        extent=(0, len(shares), shares.shape[1], 0),
    )
    axes.set_yticks([])


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
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])

"""Figures that several studies draw: effects with 95 % intervals over seeds, as dots or as a forest."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from readsim.arrays import Array
from readsim.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Box,
    footnote,
    panels,
    room_for,
)
from readsim.stats import t_interval
from readsim.stats.intervals import half_width

COLUMNS = 2
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, GREY)
MARKS = ("o", "s", "^", "D", "v")


def draw_dots(
    values: Array, names: Sequence[str], titles: Sequence[str], label: str, origin: str, note: str
) -> Figure:
    """Means of values (P, R, N) over seeds with 95 % intervals; panels share their scale.

    A filled mark is one whose interval leaves out 0.
    """
    mean, half = values.mean(axis=-1), np.nan_to_num(half_width(values))
    box = Box(2.3, 0.2 * len(names) + 0.15, left=0.15, right=0.1, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=room_for(names), right=0, top=0, bottom=0.3)
    figure, axes = panels(len(values), box, columns=COLUMNS, margins=margins)
    low, high = min(float((mean - half).min()), 0.0), max(float((mean + half).max()), 0.0)
    room = 0.05 * max(high - low, 1e-6)
    at = np.arange(len(names))[::-1]
    for p, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        axis.axvline(0.0, color=GREY, lw=0.8)
        axis.errorbar(mean[p], at, xerr=half[p], fmt="none", ecolor=BLUE, lw=1.0)
        clear = np.abs(mean[p]) > half[p]
        faces = np.where(clear, BLUE, "white")
        axis.scatter(mean[p], at, s=18, c=faces.tolist(), edgecolors=BLUE, lw=0.9, zorder=3)
        axis.set_yticks(at, names if p % COLUMNS == 0 else [""] * len(names))
        axis.tick_params(axis="y", length=0)
        axis.set_xlim(low - room, high + room)
        axis.set_ylim(-0.7, len(names) - 0.3)
        axis.set_title(title)
        axis.set_xlabel(label)
    footnote(figure, origin, f"{note} Bars: 95 % intervals over seeds; filled marks: 0 is outside.")
    return figure


def draw_forest(
    effects: Mapping[tuple[str, str], ArrayLike],
    unit: str,
    origin: str,
    note: str,
    *,
    least: float = 0.0,
) -> Figure:
    """effects (label, series) -> one value per seed (n,), labels from the top in order.

    The dotted line is at `least`; the series are named, in their colours, above the panel.
    """
    labels = list(dict.fromkeys(label for label, _ in effects))
    series = list(dict.fromkeys(name for _, name in effects))
    height = len(labels) * (0.12 + 0.09 * len(series))
    left = 0.2 + max(map(len, labels)) * 0.062
    box = Box(3.4, height, left=left, right=0.15, top=0.35, bottom=0.42)
    figure, (axes,) = panels(1, box, margins=Box(0, 0, 0, 0, 0, 0.3))
    gap = 0.62 / max(len(series), 1)
    for (label, name), values in effects.items():
        n, points = series.index(name), np.asarray(values, dtype=np.float64)
        y = labels.index(label) + (n - (len(series) - 1) / 2) * gap
        low, high = t_interval(points) if len(points) > 1 else (points[0], points[0])
        colour = COLOURS[n % len(COLOURS)]
        axes.plot([low, high], [y, y], color=colour, lw=1.0)
        axes.plot(points.mean(), y, MARKS[n % len(MARKS)], color=colour, ms=4)
    axes.axvline(least, color=FAINT, lw=0.8, ls=(0, (1, 2)), zorder=0)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(unit)
    footnote(figure, origin, note)
    _name_series(figure, series)
    return figure


def _name_series(figure: Figure, series: Sequence[str]) -> None:
    width, height = figure.get_size_inches()
    x = 0.1
    for n, name in enumerate(series):
        colour, mark = COLOURS[n % len(COLOURS)], MARKS[n % len(MARKS)]
        figure.add_artist(_mark(x / width, 1 - 0.16 / height, mark, colour))
        figure.text(
            (x + 0.1) / width,
            1 - 0.16 / height,
            name,
            fontsize=7,
            color=colour,
            va="center",
        )
        x += 0.3 + 0.066 * len(name)


def _mark(x: float, y: float, marker: str, colour: str) -> Line2D:
    return Line2D([x], [y], marker=marker, color=colour, ms=4, ls="")

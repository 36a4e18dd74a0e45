"""Figure: effects with intervals over seeds, one line per name, one panel per budget or reading."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import BLUE, GREY, Box, footnote, panels, room_for
from readsim.stats.intervals import half_width

COLUMNS = 2


def draw_dots(
    values: Array, names: Sequence[str], titles: Sequence[str], label: str, note: str
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
    footnote(figure, f"{note} Bars: 95 % intervals over seeds; filled marks: 0 is outside.")
    return figure

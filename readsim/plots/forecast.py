"""Figure: what a world foretold of one run, and what its test split measured."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.plots.style import BLUE, FAINT, SKY, VERMILION, Box, footnote, panels, room_for, short

ROW = 0.2  # inches a name


def draw_forecast(
    names: Sequence[str],
    mean: Array,
    low: Array,
    high: Array,
    measured: Array,
    error: Array,
    *,
    unit: str = "points",
) -> Figure:
    """A row per name (n,): the predicted interval as a bar with its mean, the measurement with two of its
    standard errors; a name whose measurement is outside is in another colour. All in `unit`."""
    room = room_for(names)
    box = Box(3.6, ROW * len(names) + 0.1, left=room + 0.15, right=0.15, top=0.1, bottom=0.4)
    figure, [panel] = panels(1, box, margins=Box(0, 0, left=0, right=0, top=0, bottom=0.3))
    rows = np.arange(len(names))[::-1]
    panel.barh(rows, high - low, 0.62, low, color=SKY, alpha=0.55, lw=0)
    panel.plot(mean, rows, "|", color=BLUE, ms=9, mew=1.5)
    panel.errorbar(
        measured, rows, xerr=1.96 * error, fmt="o", color=VERMILION, ms=3.2, lw=0.9, capsize=1.5
    )
    panel.set_yticks(rows, [short(name) for name in names])
    outside = ~inside(low, high, measured)
    for label, out in zip(panel.get_yticklabels(), outside, strict=True):
        label.set_color(VERMILION if out else FAINT)
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.grid(False, axis="y")
    panel.set_xlabel(f"test split, {unit}")
    footnote(
        figure,
        "Bars: a simulated world; dots: real training",
        "Bar: 95 % prediction interval of one run, line: its mean. Dot: measured, 95 % over test items. "
        f"{len(names) - int(outside.sum())} of {len(names)} measurements are inside; names of the "
        "others are in the dots' colour.",
    )
    return figure


def inside(low: Array, high: Array, measured: Array) -> NDArray[np.bool_]:
    """Which measurements (n,) lie in their intervals."""
    return (low <= measured) & (measured <= high)

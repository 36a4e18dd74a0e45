"""The figure: differences to the default, a row a setting."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import BLACK, GREY, VERMILION, Box, footnote, panels, room_for, short
from readsim.stats import half_width


def draw(shown: Mapping[str, Mapping[str, Array]]) -> Figure:
    """A panel per case; red where the interval leaves 0 out."""
    most = max(len(found) for found in shown.values())
    names = [name for found in shown.values() for name in found]
    box = Box(1.9, 0.16 * most + 0.2, left=room_for(names) + 0.1, right=0.15, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.35)
    figure, axes = panels(len(shown), box, columns=3, margins=margins)
    for axis, (case, found) in zip(axes, shown.items(), strict=True):
        for n, values in enumerate(found.values()):
            half, mean = float(np.nan_to_num(half_width(values))), float(values.mean())
            colour = VERMILION if abs(mean) > half > 0 else BLACK
            axis.errorbar(mean, -n, xerr=half, fmt="o", color=colour, ms=3.5, lw=1.0)
        axis.axvline(0.0, color=GREY, lw=0.8)
        axis.set_yticks(-np.arange(len(found)), [short(name) for name in found])
        axis.set_ylim(0.4 - len(found), 0.6)
        axis.set_title(case)
        axis.set_xlabel("utility minus default's (points)")
    footnote(
        figure,
        "One setting changed at a time; paired by seed, mean over tasks; bars are 95 % intervals, not "
        "corrected; red: 0 is outside. T: number of decisions.",
    )
    return figure

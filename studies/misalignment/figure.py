"""The figure: losses by way of being wrong."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import GREY, Box, footnote, looks, panels, room_for
from readsim.stats import half_width
from studies.misalignment.losses import BIAS, WAYS


def draw(lost: Mapping[str, Mapping[tuple[str, str], Array]]) -> Figure:
    """A panel per case, a row per way, a mark an allocator; cases of biased probes share the last panel."""
    grids = {case: some for case, some in lost.items() if all(way != BIAS for _, way in some)}
    bias = {
        (allocator, case): values
        for case, some in lost.items()
        for (allocator, way), values in some.items()
        if way == BIAS
    }
    shown: dict[str, Mapping[tuple[str, str], Array]] = {**grids}
    if bias:
        shown["biased probes"] = bias
    names = {row for some in shown.values() for _, row in some}
    box = Box(1.9, 1.2, left=room_for(names) + 0.15, right=0.15, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=0, right=0, top=0.25, bottom=0.35)
    figure, axes = panels(len(shown), box, columns=3, margins=margins)
    allocators = list(dict.fromkeys(a for some in shown.values() for a, _ in some))
    look = looks(allocators)
    for axis, (case, some) in zip(axes, shown.items(), strict=True):
        found = dict.fromkeys(row for _, row in some)
        rows = [way for way in WAYS if way in found] + [row for row in found if row not in WAYS]
        for (allocator, row), values in some.items():
            place = (
                len(rows) - 1 - rows.index(row) + (0.12 if allocator == allocators[0] else -0.12)
            )
            half = float(np.nan_to_num(half_width(values)))
            colour, _, marker, _ = look[allocator]
            axis.errorbar(values.mean(), place, xerr=half, fmt=marker, color=colour, ms=4, lw=1.0)
        axis.axvline(0.0, color=GREY, lw=0.8)
        axis.set_yticks(range(len(rows)), rows[::-1])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_title(case)
        axis.set_xlabel("utility lost (points)")
    width, height = figure.get_size_inches()
    for n, name in enumerate(allocators):
        figure.text((0.1 + n) / width, 1.0 - 0.17 / height, name, color=look[name].colour)
    footnote(
        figure,
        "True final utility, given the true requirement minus given another; 95 % intervals over seeds.",
    )
    return figure

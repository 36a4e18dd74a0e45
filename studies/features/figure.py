"""The figure of the study: what matters, and whether it predicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from studies.features.explain import Explanation
from studies.features.measure import FEATURES

COLOURS = (VERMILION, GREY)
KINDS = {"potential": BLUE, "flow": ORANGE, "separable": GREEN}


def draw_features(table: pd.DataFrame, explained: Mapping[str, Explanation]) -> Figure:
    """Left the slopes with intervals, right predictions for left-out worlds beside what came."""
    room = room_for(FEATURES)
    box = Box(2.6, 2.4, left=0.55, right=0.2, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=max(0.0, room - 0.45), right=0.1, top=0, bottom=0.3)
    figure, [left, right] = panels(2, box, columns=2, margins=margins)
    _draw_slopes(left, explained)
    _draw_predictions(right, table, *next(iter(explained.items())))
    footnote(
        figure,
        f"{len(table)} worlds of the random family, {table.attrs['seeds']} seeds each. Bars: 95 % bootstrap "
        "intervals over worlds. Right: each world predicted by the linear model fitted to others.",
    )
    return figure


def _draw_slopes(axes: Axes, explained: Mapping[str, Explanation]) -> None:
    places = np.arange(len(FEATURES), dtype=np.float64)
    for n, (name, each) in enumerate(explained.items()):
        y = places[[list(FEATURES).index(feature) for feature in each.features]]
        y = y + 0.24 * (n - (len(explained) - 1) / 2)
        axes.hlines(y, each.low, each.high, color=COLOURS[n], lw=1.5)
        axes.plot(each.slopes, y, "os"[n], color=COLOURS[n], ms=4.5, label=name)
    axes.axvline(0.0, color=FAINT, lw=0.7, zorder=1)
    axes.set_yticks(places, list(FEATURES))
    axes.set_ylim(len(FEATURES) + 1.0, -0.6)  # the legend gets the room below
    axes.set_xlabel("points per standard deviation")
    axes.set_title("what moves the difference")
    axes.legend(loc="lower left")


def _draw_predictions(axes: Axes, table: pd.DataFrame, name: str, explained: Explanation) -> None:
    actual = table[name].to_numpy(dtype=np.float64)
    for kind, colour in KINDS.items():
        mine = (table["dynamics"] == kind).to_numpy()
        if mine.any():
            axes.plot(explained.predicted[mine], actual[mine], "o", color=colour, ms=3, label=kind)
    both = np.concatenate([actual, explained.predicted])
    ends = [both.min(), both.max()]
    axes.plot(ends, ends, color=FAINT, lw=0.7, zorder=1)
    axes.axhline(0.0, color=FAINT, lw=0.7, ls=":", zorder=1)
    axes.set_xlabel("predicted, points")
    axes.set_ylabel(f"{name}, points")
    axes.set_title(f"worlds left out: R² {explained.linear:.2f}")
    axes.legend(loc="best")

"""The figure: how often saturation is reported, and how harm grows."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from readsim.plots.labels import label_right
from readsim.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Box,
    footnote,
    panels,
    room_for,
)
from readsim.token_counts import show_tokens

COUNTS = {"as the paper": (VERMILION, "o"), "slopes, split seeds": (BLUE, "s")}
COLOURS = (VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, GREY, BLACK)


def draw(returns: pd.DataFrame, spillover: pd.DataFrame) -> Figure:
    """Left a row per case: % of replicates that report saturation. Right NS by budget, a line per case."""
    names = list(returns["case"])
    side = room_for(names) + 0.15
    box = Box(2.5, max(1.8, 0.22 * len(names)), left=side, right=side, top=0.45, bottom=0.35)
    figure, (left, right) = panels(2, box, margins=Box(0, 0, left=0, right=0, top=0, bottom=0.45))
    _reports(left, returns, names)
    _harm(right, spillover, names, box.height)
    footnote(
        figure,
        "Left: the 3 targets with the largest gain in the first window, chosen in the replicate itself and "
        "gains compared in points (as the paper), or chosen in the other half of the replicates and slopes "
        "per token compared. Right: mean drop over all other capabilities; faint and dotted as measured, "
        "full minus what noise alone gives.",
    )
    return figure


def _reports(axes: Axes, returns: pd.DataFrame, names: list[str]) -> None:
    places = np.arange(len(names))[::-1]
    for n, (column, (colour, marker)) in enumerate(COUNTS.items()):
        axes.plot(returns[column], places, marker, color=colour, ms=5, clip_on=False)
        axes.text(n, 1.02, column, color=colour, ha=("left", "right")[n], transform=axes.transAxes)
    axes.axvline(50.0, color=GREY, lw=0.8, ls="--")
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("replicates that report saturation (%)")


def _harm(axes: Axes, spillover: pd.DataFrame, names: list[str], height: float) -> None:
    ends, colours = [], []
    for n, name in enumerate(names):
        lines = spillover[spillover["case"] == name]
        colour = COLOURS[n % len(COLOURS)]
        axes.plot(lines["budget"], lines["as measured"], ":", color=colour, lw=1.0, alpha=0.6)
        axes.plot(lines["budget"], lines["minus noise"], "-", color=colour, marker="o", ms=3)
        ends.append(float(lines["minus noise"].iloc[-1]))
        colours.append(colour)
    axes.xaxis.set_major_formatter(lambda tokens, _: show_tokens(tokens))
    axes.set_xlabel("tokens trained on the target")
    axes.set_title("mean drop of others (points)")
    axes.set_xlim(0.0, 1.02 * float(spillover["budget"].max()))
    axes.set_ylim(*axes.get_ylim())
    label_right(axes, np.array(ends), names, colours, height)

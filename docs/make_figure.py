"""Draw docs/images/decision.svg: `python docs/make_figure.py`. The same numbers give the same bytes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from readsim.plots.style import BLUE, FAINT, GREEN, ORANGE, PURPLE, SKY, VERMILION, sober

BOXES = (  # title, what it hands on, colour
    ("backend measures", "profile (K scores, with noise)", BLUE),
    ("environment", "context: requirement, profile,\nbudget left, last three steps", SKY),
    ("allocator", "shares of S sources", VERMILION),
    ("backend trains", "tokens of each source", BLUE),
    ("ledger", "tokens by kind, budget left", ORANGE),
    ("run log", "one line, on disk before\nthe next decision", GREEN),
)
READERS = "tables, figures, report,\nfitted worlds, theory:\nthey read the log only"


def draw() -> Figure:
    """Six boxes on an ellipse, clockwise from the top left, and those who read the log."""
    figure = Figure(figsize=(7.2, 3.7))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 9.2), ylim=(0, 4.8))
    axes.axis("off")
    places = [(1.5, 4.3), (4.6, 4.3), (7.7, 4.3), (7.7, 2.3), (4.6, 2.3), (1.5, 2.3)]
    for number, ((x, y), (title, handed, colour)) in enumerate(zip(places, BOXES, strict=True), 1):
        frame = {
            "boxstyle": "round,pad=0.5",
            "facecolor": "white",
            "edgecolor": colour,
            "linewidth": 1.6,
        }
        axes.text(x, y, f"{number}. {title}", ha="center", va="center", fontsize=9, bbox=frame)
        axes.text(x, y - 0.38, handed, ha="center", va="top", fontsize=7, color=FAINT)
    for here, there in zip(range(6), (1, 2, 3, 4, 5, 0), strict=True):
        start, end = np.array(places[here]), np.array(places[there])
        way = np.sign(end - start)
        first, last = (1.15, 1.15) if way[1] == 0 else (1.05, 0.47)  # room for boxes and texts
        axes.add_patch(_arrow(start + first * way, end - last * way))
    frame = {
        "boxstyle": "round,pad=0.5",
        "facecolor": "white",
        "edgecolor": PURPLE,
        "linewidth": 1.2,
    }
    axes.text(4.6, 0.62, READERS, ha="center", va="center", fontsize=8, bbox=frame)
    axes.add_patch(_arrow((1.5, 1.4), (3.2, 0.7)))
    return figure


def _arrow(start: ArrayLike, end: ArrayLike) -> FancyArrowPatch:
    return FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=FAINT)


if __name__ == "__main__":
    with sober():
        target = Path(__file__).parent / "images" / "decision.svg"
        draw().savefig(target, metadata={"Date": None}, facecolor="white")

"""The figure: predicted against observed rewards of single steps."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from readsim.plots.style import BLUE, GREY, ORANGE, Box, footnote, panels
from studies.proxy.steps import SMALL_MOVE


def draw(shown: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel per case: R over mu in points, small and large moves in two colours, the diagonal dashed."""
    box = Box(1.75, 1.75, left=0.5, right=0.2, top=0.3, bottom=0.4)
    columns = min(4, len(shown))
    margins = Box(0, 0, left=0, right=0, top=0.25, bottom=0.4)
    figure, axes = panels(len(shown), box, columns=columns, margins=margins)
    for axis, (case, steps) in zip(axes, shown.items(), strict=True):
        for marker, colour, some in (
            ("o", BLUE, steps[steps["move"] <= SMALL_MOVE]),
            ("^", ORANGE, steps[steps["move"] > SMALL_MOVE]),
        ):
            axis.plot(some["mu"], some["reward"], marker, color=colour, ms=2.5, mew=0, alpha=0.6)
        axis.axline((0.0, 0.0), slope=1.0, color=GREY, lw=0.8, ls="--")
        axis.set_title(case)
        axis.set_xlabel("predicted (points)")
        axis.set_ylabel("observed (points)")
    width, height = figure.get_size_inches()
    for x, colour, text in ((0.5, BLUE, "small moves"), (1.6, ORANGE, "large moves")):
        figure.text(x / width, 1.0 - 0.15 / height, text, color=colour, fontsize=8)
    footnote(
        figure,
        "Rewards of single steps as predicted before the step (mu) and as then measured on the probe split. "
        "Small moves: at most a quarter of the tokens goes elsewhere than in the step before. Dashed: equal.",
    )
    return figure

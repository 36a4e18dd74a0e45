"""Predicted against measured gains of utility, a name beside each."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from readsim.plots.labels import label_points
from readsim.plots.style import BLUE, FAINT, VERMILION, Box, footnote, panels
from studies.sim_to_real.predictors import LINEAR, WORLD


def draw_predicted(frame: pd.DataFrame) -> Figure:
    """One panel a predictor; on the dotted line the prediction is right."""
    box = Box(2.9, 3.0, left=0.5, right=0.1, top=0.25, bottom=0.42)
    figure, axes_of = panels(2, box, margins=Box(0, 0, 0, 0, 0, 0.25))
    values = frame[["measured", LINEAR, WORLD]].to_numpy()
    low, high = values.min() - 4.0, values.max() + 4.0
    for axes, name, colour in zip(axes_of, (WORLD, LINEAR), (VERMILION, BLUE), strict=True):
        points = frame[[name, "measured"]].to_numpy()
        axes.plot([low, high], [low, high], color=FAINT, lw=0.8, ls=(0, (1, 2)), zorder=0)
        axes.plot(points[:, 0], points[:, 1], "o", color=colour, ms=4)
        axes.set_xlim(low, high)
        axes.set_ylim(frame["measured"].min() - 3.0, frame["measured"].max() + 3.0)
        label_points(axes, points, list(frame["allocation"]), [colour] * len(frame), NOTHING)
        axes.set_title(f"predicted by: {name}")
        axes.set_xlabel("predicted gain of utility (points)")
    axes_of[0].set_ylabel("measured gain (points)")
    footnote(
        figure,
        "Static allocations, mean over seeds, test split. None was fitted to; one-hot was at 30K and 90K.",
    )
    return figure


NOTHING = np.zeros((0, 4))

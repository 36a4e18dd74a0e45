"""The caption of a fit's figures: how many runs, and how far off their predictions are."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from readsim.plots.held_out import draw_predicted, draw_residuals

DRAWN = pytest.mark.parametrize("draw", [draw_predicted, draw_residuals])


@DRAWN
def test_the_caption_counts_rows_and_gives_their_error(draw: Callable[..., Figure]) -> None:
    measured = np.array([[10.0, 20.0], [30.0, np.nan], [np.nan, np.nan], [50.0, 60.0]])
    figure = draw(measured + 3.0, measured, ("a", "b"), "points", "Rows of runs.csv")
    [note] = figure.texts
    said = " ".join(note.get_text().split())
    assert said.endswith("3 rows; held-out error 3 points (RMSE of all cells).")


@DRAWN
@pytest.mark.parametrize("many", [1, 5, 7])
def test_the_caption_is_close_below_the_panels(draw: Callable[..., Figure], many: int) -> None:
    values = np.random.default_rng(0).random((20, many))
    figure = draw(values, values, [f"c{n}" for n in range(many)], "points", "Rows of runs.csv")
    [note] = figure.texts
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    lowest = min(box.y0 for box in boxes if box is not None)
    gap = (lowest - note.get_window_extent().y1) / figure.dpi
    assert 0.0 <= gap < 0.15  # inches

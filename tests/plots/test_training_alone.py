"""The figure of one source alone: what is written in it is in it."""

from itertools import pairwise

import numpy as np
import pytest

from readsim.plots.style import sober
from readsim.plots.training_alone import draw_training_alone


@pytest.mark.parametrize("most", [999.0, 135e3, 123e6, 150e6, 1.35e12])
@pytest.mark.parametrize("sources", [1, 4])
def test_no_label_leaves_the_figure(most: float, sources: int) -> None:
    tokens = np.linspace(0.0, most, 5)
    change = np.repeat(np.linspace(0.0, 20.0, 5)[:, None, None], sources, axis=1)
    with sober():
        names = [f"s{n}" for n in range(sources)]
        figure = draw_training_alone(tokens, change, names, ["math"], "Simulated world x")
        figure.draw_without_rendering()
        width = figure.bbox.width
        labels = [label for axes in figure.axes for label in axes.get_xticklabels()]
        boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) == 3 * sources
    assert all(label.get_text() for label in labels)
    assert max(box.x1 for box in boxes) <= width
    assert min(box.x0 for box in boxes) >= 0
    for first, second in pairwise(boxes):  # nor do they touch
        assert second.x0 > first.x1 or second.x0 < first.x0

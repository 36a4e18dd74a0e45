"""Figures of the theory bench: what they draw is what was measured."""

import numpy as np

from readsim.plots.theory import draw_regret


def test_summed_regret_is_drawn_beside_its_bound() -> None:
    regret = np.cumsum([[0.1, 0.0, 0.2], [0.3, 0.1, 0.0]], axis=1)
    figure = draw_regret(regret, 2.0 * regret + 0.1, "a note")
    (axes,) = figure.axes
    bound, summed = (np.asarray(line.get_ydata()) for line in axes.lines)
    np.testing.assert_allclose(summed, regret.mean(axis=0))
    np.testing.assert_allclose(bound, 2.0 * regret.mean(axis=0) + 0.1)
    assert [text.get_text() for text in axes.texts] == ["bound", "regret"]

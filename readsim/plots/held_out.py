"""Figures of a fit: held-out predictions against measurements, and what is left over."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import BLUE, GREY, Box, footnote, panels, short

COLUMNS = 5
BOX = Box(1.25, 1.05, left=0.45, right=0.12, top=0.25, bottom=0.3)


def draw_predicted(
    predicted: Array, measured: Array, names: Sequence[str], unit: str, origin: str
) -> Figure:
    """Measured over predicted, (n, K) each in `unit`, a panel per capability; grey: equal."""
    figure, axes = panels(len(names), BOX, columns=COLUMNS)
    for j, (name, panel) in enumerate(zip(names, axes, strict=True)):
        p, m = predicted[:, j], measured[:, j]
        there = np.isfinite(p) & np.isfinite(m)
        if there.any():
            low, high = min(p[there].min(), m[there].min()), max(p[there].max(), m[there].max())
            panel.plot([low, high], [low, high], color=GREY, lw=0.8)
        panel.plot(p[there], m[there], ".", color=BLUE, ms=2.0)
        panel.set_title(short(name, 20))
        panel.locator_params(nbins=4)
    text = (
        f"Across: prediction of a fit that has not seen the run, in {unit}. Up: what was measured. "
        f"{_error(predicted, measured, unit)}"
    )
    footnote(figure, origin, text)
    return figure


def _error(predicted: Array, measured: Array, unit: str) -> str:
    """How many rows, and the root mean square of what is left over in all their cells."""
    there = np.isfinite(predicted) & np.isfinite(measured)
    many = int(there.any(axis=1).sum())
    rmse = np.sqrt(np.mean((measured - predicted)[there] ** 2)) if many else np.nan
    return f"{many} rows; held-out error {rmse:.3g} {unit} (RMSE of all cells)."


def draw_residuals(
    predicted: Array, measured: Array, names: Sequence[str], unit: str, origin: str
) -> Figure:
    """Measured minus predicted over predicted, (n, K) each in `unit`, a panel per capability."""
    figure, axes = panels(len(names), BOX, columns=COLUMNS)
    for j, (name, panel) in enumerate(zip(names, axes, strict=True)):
        there = np.isfinite(predicted[:, j]) & np.isfinite(measured[:, j])
        panel.axhline(0.0, color=GREY, lw=0.8)
        left = measured[there, j] - predicted[there, j]
        panel.plot(predicted[there, j], left, ".", color=BLUE, ms=2.0)
        panel.set_title(short(name, 20))
        panel.locator_params(nbins=4)
    footnote(
        figure,
        origin,
        f"Across: prediction of a fit that has not seen the run, in {unit}. Up: measured minus predicted; "
        f"a bend would be something that the law misses. {_error(predicted, measured, unit)}",
    )
    return figure

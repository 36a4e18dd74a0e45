"""Heat maps of the transfer matrix, one a budget."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from readsim.amounts import show_tokens
from readsim.plots.style import FAINT, Box, footnote, panels, room_for
from studies.transfer_matrix.measured import Measured

CELL = 0.36  # inches
COLOURS = "PuOr"  # orange below 0, violet above: told apart by colour-blind readers
PALE = 0.25


def draw_matrix(measured: Measured) -> Figure:
    """Rows are trained on, columns measured; points. Entries that may be 0 are pale."""
    points = 100.0 * measured.matrix
    most = max(float(np.abs(points).max()), 1e-9)
    norm, colours = TwoSlopeNorm(0.0, -most, most), colormaps[COLOURS]
    s, k = points.shape[1:]
    side = room_for(measured.sources) + 0.1
    box = Box(k * CELL, s * CELL, left=side, right=0.15, top=0.35, bottom=0.75)
    columns = len(points)
    figure, axes = panels(
        columns, box, columns=columns, margins=Box(0, 0, left=0, right=0, top=0, bottom=0.25)
    )
    for axis, table, real, budget in zip(
        axes, points, measured.significant, measured.budgets, strict=True
    ):
        image = colours(norm(table))
        image[..., 3] = np.where(real, 1.0, PALE)
        axis.imshow(image, aspect="equal")
        axis.grid(visible=False)
        axis.set_xticks(range(k), measured.capabilities, rotation=45, ha="right")
        axis.set_yticks(range(s), measured.sources)
        axis.tick_params(length=0)
        axis.set_title(f"{show_tokens(budget)} tokens")
        for i, j in np.ndindex(s, k):
            dark = real[i, j] and abs(table[i, j]) > 0.6 * most
            colour = "white" if dark else ("black" if real[i, j] else FAINT)
            text = f"{table[i, j]:+.0f}" if abs(table[i, j]) >= 9.95 else f"{table[i, j]:+.1f}"
            axis.text(j, i, text, ha="center", va="center", fontsize=6, color=colour)
    footnote(
        figure,
        "Change in points of the column's capability by training on the row's source alone; mean over "
        f"{measured.change.shape[2]} seeds, test split. Pale: not told apart from 0 (paired items, "
        "false discoveries at 10 %).",
    )
    return figure

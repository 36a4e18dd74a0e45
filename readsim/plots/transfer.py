"""Figure: heat maps of transfer matrices, one per budget (Figure 1 of the paper)."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from readsim.arrays import Array, Mask
from readsim.plots.style import FAINT, Box, footnote, panels, room_for
from readsim.token_counts import show_tokens

CELL = 0.36  # inches
COLOURS = "PuOr"  # orange below 0, violet above: told apart by colour-blind readers
PALE = 0.25


def draw_transfer(
    points: Array,
    significant: Mask,
    sources: Sequence[str],
    capabilities: Sequence[str],
    budgets: Sequence[int],
    origin: str,
    note: str,
) -> Figure:
    """Effects (B, S, K) in points, rows trained on, columns measured; what may be 0 is pale.

    `significant` (B, S, K) says which entries were significant; `note` how, below the figure.
    """
    most = max(float(np.abs(points).max()), 1e-9)
    norm, colours = TwoSlopeNorm(0.0, -most, most), colormaps[COLOURS]
    s, k = points.shape[1:]
    side = room_for(sources) + 0.1
    box = Box(k * CELL, s * CELL, left=side, right=0.15, top=0.35, bottom=0.75)
    columns = len(points)
    figure, axes = panels(
        columns, box, columns=columns, margins=Box(0, 0, left=0, right=0, top=0, bottom=0.25)
    )
    for axis, table, real, budget in zip(axes, points, significant, budgets, strict=True):
        image = colours(norm(table))
        image[..., 3] = np.where(real, 1.0, PALE)
        axis.imshow(image, aspect="equal")
        axis.grid(visible=False)
        axis.set_xticks(range(k), capabilities, rotation=45, ha="right")
        axis.set_yticks(range(s), sources)
        axis.tick_params(length=0)
        axis.set_title(f"{show_tokens(budget)} tokens")
        for i, j in np.ndindex(s, k):
            dark = real[i, j] and abs(table[i, j]) > 0.6 * most
            colour = "white" if dark else ("black" if real[i, j] else FAINT)
            text = f"{table[i, j]:+.0f}" if abs(table[i, j]) >= 9.95 else f"{table[i, j]:+.1f}"
            axis.text(j, i, text, ha="center", va="center", fontsize=6, color=colour)
    footnote(figure, origin, note)
    return figure

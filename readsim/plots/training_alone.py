"""Figure: what tokens of one source alone do to each capability, as they grow in number."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import BLUE, GREY, PALE, VERMILION, Box, footnote, panels, short
from readsim.token_counts import show_tokens

COLUMNS = 4
BOX = Box(1.45, 1.0, left=0.42, right=0.12, top=0.5, bottom=0.3)
MARGINS = Box(0, 0, left=0, right=0, top=0, bottom=0.15)


def draw_training_alone(
    tokens: Array,
    change: Array,
    sources: Sequence[str],
    capabilities: Sequence[str],
    scene: str,
) -> Figure:
    """`change` (B, S, K), as it is shown, after `tokens` (B,): a panel a source, a line a capability.

    Blue is what rises most in the panel, vermilion what falls most; both are named above it. `scene` is
    what is shown, for the small print.
    """
    figure, axes = panels(len(sources), BOX, columns=COLUMNS, margins=MARGINS)
    for i, (source, panel) in enumerate(zip(sources, axes, strict=True)):
        ends = change[-1, i]
        marked = {int(ends.argmax()): BLUE} if ends.max() > 0 else {}
        if ends.min() < 0:
            marked[int(ends.argmin())] = VERMILION
        panel.axhline(0.0, color=GREY, lw=0.6)
        for j in range(len(capabilities)):
            if j not in marked:
                panel.plot(tokens, change[:, i, j], color=PALE, lw=0.8)
        for row, (j, colour) in enumerate(marked.items()):
            panel.plot(tokens, change[:, i, j], color=colour, lw=1.4)
            text = f"{short(capabilities[j], 18)} {ends[j]:+.3g}"
            place = 1.14 - 0.11 * row
            panel.text(0.0, place, text, transform=panel.transAxes, fontsize=6, color=colour)
        panel.set_title(short(source, 24), pad=17)
        panel.set_xticks(np.linspace(0.0, tokens[-1], 3))
        panel.set_xlim(0.0, tokens[-1])
        panel.xaxis.set_major_formatter(lambda x, _: show_tokens(float(f"{x:.3g}")))
        last = panel.get_xticklabels()[-1]
        last.set_horizontalalignment("right")  # it stays within the figure, however long
        panel.locator_params(axis="y", nbins=4)
    footnote(figure, scene)
    return figure

"""Figure: what was set and what trained, of one run whose backend counts what it trained of each source."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from readsim.arrays import Array
from readsim.plots.style import BLUE, GREEN, GREY, ORANGE, VERMILION, Box, footnote, panels
from readsim.runs.rows import StepRow
from readsim.runs.trained_shares import achieved_shares

Line = tuple[str, Literal["-", "--", "-.", ":"], str, str]
# What a share is of: how it is drawn, and its name in the key.
LINES: dict[str, Line] = {
    "prompts": (ORANGE, ":", "s", "of the prompts"),
    "tokens": (BLUE, "-", "o", "of the supervised tokens"),
    "loss": (GREEN, "--", "^", "of the summed loss"),
    "gradient": (VERMILION, "-.", "D", "of the gradient norms"),
}

LINE_OF_KEY = 0.13  # inches


def shares_over_steps(steps: Sequence[StepRow]) -> dict[str, Array]:
    """Shares (T, S) by what they are of, and `set`, the allocation; nan where a share was not measured.

    T is the number of decisions with a record of what they trained, at least one.
    """
    rows = [row for row in steps if row.trained is not None]
    out = {"set": np.array([row.allocation for row in rows])}
    found = [achieved_shares(row.trained or ()) for row in rows]
    lacking = np.full(len(rows[0].allocation), np.nan)
    for name in LINES:
        each = [lacking if (share := one[name]) is None else share for one in found]
        out[name] = np.array(each)
    return out


def counts_what_it_trains(steps: Sequence[StepRow]) -> bool:
    """Whether any decision says what it trained of each source."""
    return any(row.trained is not None for row in steps)


def draw_trained_shares(sources: Sequence[str], steps: Sequence[StepRow], scene: str) -> Figure:
    """One small panel per source over the decisions: the share that was set (grey), and the shares of
    prompts, supervised tokens, summed loss and gradient norms that it came to.

    The decisions are those of one run, which counts what it trains (`counts_what_it_trains`); `scene` is
    what was run (`RunHeader.scene`).
    """
    numbers = np.array([row.step for row in steps if row.trained is not None])
    shares = shares_over_steps(steps)
    box = Box(1.7, 1.05, left=0.42, right=0.2, top=0.3, bottom=0.3)
    across = min(len(sources), 3)
    labels = ["share that was set", *(f"share {words}" for *_, words in LINES.values())]
    key = LINE_OF_KEY * -(-len(labels) // across) + 0.1
    margins = Box(0, 0, left=0, right=0, top=key, bottom=0.45)
    figure, axes = panels(len(sources), box, columns=4, margins=margins)
    most = max(float(np.nanmax(one)) for one in shares.values() if np.isfinite(one).any())
    for s, (name, panel) in enumerate(zip(sources, axes, strict=True)):
        panel.bar(numbers, shares["set"][:, s], 1.0, color=GREY, alpha=0.25, lw=0)
        for kind, (colour, dash, marker, _) in LINES.items():
            seen = np.isfinite(shares[kind][:, s])
            panel.plot(
                numbers[seen],
                shares[kind][seen, s],
                dash,
                color=colour,
                marker=marker,
                ms=2,
                lw=1.0,
            )
        panel.set_ylim(0.0, 1.05 * most)
        panel.set_title(name)
        panel.locator_params(axis="x", nbins=4, integer=True)
    handles: list[Artist] = [Patch(color=GREY, alpha=0.25, lw=0)]
    handles += [
        Line2D([], [], linestyle=dash, color=colour, marker=marker, ms=3)
        for colour, dash, marker, _ in LINES.values()
    ]
    figure.legend(handles, labels, loc="upper left", ncols=across, fontsize=6)
    footnote(
        figure,
        scene,
        "Shares over decisions. A loss share is of the sum over supervised tokens; a gradient "
        "share is of the norms of what each source adds to the gradient of an optimiser step, on the steps "
        "that were looked at, so decisions without one have no mark.",
    )
    return figure

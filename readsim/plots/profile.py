"""Figure: the measured score of every capability against the tokens spent, of one run."""

import numpy as np
from matplotlib.figure import Figure

from readsim.plots.style import BLUE, GREY, VERMILION, Box, footnote, panels
from readsim.runs.read_logs import Log
from readsim.token_counts import show_tokens


def draw_profile(log: Log, columns: int = 4) -> Figure:
    """One small panel per capability, `columns` in a row: the probe's score over tokens, the share of tokens
    its source got, and the change that the test split measured, with a 95 % interval.

    The log is of one run, which need not be over. Scores are shown in points, losses as they are.
    """
    header, shown = log.header, log.visible
    names = [header.capabilities[j] for j in shown]
    spent = np.array([0, *(row.spent for row in log.steps)])
    unit = header.scale.factor
    profile = unit * np.array([log.starts[0].profile, *(row.profile for row in log.steps)])
    box = Box(1.7, 1.05, left=0.42, right=0.28, top=0.3, bottom=0.28)
    margins = Box(0, 0, left=0, right=0, top=0, bottom=0.35)
    figure, axes = panels(len(names), box, columns=columns, margins=margins)
    marks = [
        (profile[0] + unit * row.final_change[shown], 1.96 * unit * row.final_change_sd[shown])
        for row in log.finals
    ]
    ends = [end for level, bar in marks for end in (level - bar, level + bar)]
    everything = np.concatenate([profile, *(end[None] for end in ends)])
    low, high = float(everything.min()), float(everything.max())
    room = max(0.08 * (high - low), 0.01 * unit)
    for k, (name, panel) in enumerate(zip(names, axes, strict=True)):
        if name in header.sources and log.steps:
            at = header.sources.index(name)
            shares = np.array([row.allocation[at] for row in log.steps])
            ground = low - room
            panel.bar(
                (spent[1:] + spent[:-1]) / 2,
                shares * (high - low + 2 * room),
                np.diff(spent),
                bottom=ground,
                color=GREY,
                alpha=0.25,
                lw=0,
            )
        panel.axhline(profile[0, k], color=GREY, lw=0.6, ls=":")
        panel.plot(spent, profile[:, k], color=BLUE, lw=1.4)
        for level, bar in marks:
            x, y = 1.05 * spent[-1], level[k]
            panel.errorbar(x, y, bar[k], fmt="o", color=VERMILION, ms=3, lw=0.8)
        panel.set_ylim(low - room, high + room)
        panel.set_title(name)
        panel.xaxis.set_major_formatter(lambda tokens, _: show_tokens(int(tokens)))
        panel.locator_params(axis="x", nbins=4)
    off = [
        name
        for k, name in enumerate(names)
        if any(abs(profile[-1, k] - level[k]) > bar[k] for level, bar in marks)
    ]
    apart = (
        f" Line and mark differ by more than this interval in {', '.join(off)}: the probe's items are "
        "others, and fewer, so it has its own luck and bias."
        if off
        else ""
    )
    footnote(
        figure,
        f"{header.scene}, {header.allocator}",
        f"Line: score on the probe split, in {header.scale.shown}, over student tokens; dotted: its start. "
        "Grey: share of the tokens that trained this capability's own source (full height: all). Mark: "
        f"start plus the change measured on the test split, 95 % interval over items.{apart}",
    )
    return figure

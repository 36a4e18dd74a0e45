"""The one figure of the suite: who is best on average, and how often how good."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readsim.allocators.registry import Family, family_of, is_oracle
from readsim.plots.labels import label_right
from readsim.plots.style import FAINT, PALE, Box, footnote, looks, panels, room_for, short
from readsim.stats import performance_profile
from readsim.suite.scores import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = np.linspace(-1.0, 0.9, 191)
NAMED = ("read", "task-static", "greedy", "grid", "one-hot", "oracle-static")  # and the best others
OTHERS = 3
ALL_NAMED = 12  # so many have a name each
LINE = 0.16  # inches a row


def draw_suite(scores: Scores, table: pd.DataFrame) -> "Figure":
    """Left the IQM of every allocator with its interval, right performance profiles.

    A profile shows which share of the runs ends above each score; the ones without a name are grey.
    """
    table = table[table["iqm"].notna()]
    names = table["allocator"].tolist() or list(scores.allocators)
    height = max(2.4, LINE * len(names))
    room = room_for(names)
    box = Box(2.8, height, left=0.55, right=0.25, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=max(0.0, room - 0.45), right=room, top=0, bottom=0.3)
    figure, [left, right] = panels(2, box, columns=2, margins=margins)
    _draw_means(left, table, scores.allocators)
    _draw_profiles(right, scores, names)
    footnote(figure, "Simulated worlds", _note(scores))
    return figure


def suite_panels(scores: Scores, table: pd.DataFrame) -> list["Figure"]:
    """The two panels of `draw_suite` as figures of their own, which a narrow page can stack."""
    table = table[table["iqm"].notna()]
    names = table["allocator"].tolist() or list(scores.allocators)
    height, room = max(2.4, LINE * len(names)), room_for(names)
    below = Box(0, 0, left=0, right=0, top=0, bottom=0.1)
    left, [axes] = panels(1, Box(2.6, height, room + 0.1, 0.15, 0.3, 0.4), margins=below)
    _draw_means(axes, table, scores.allocators)
    right, [axes] = panels(1, Box(2.6, height, 0.55, room + 0.25, 0.3, 0.4), margins=below)
    _draw_profiles(axes, scores, names)
    return [left, right]


def _note(scores: Scores) -> str:
    seeds, cases = scores.score.shape[1], int(scores.scored.sum())
    note = (
        f"0: uniform, 1: the best static mixture known for the case. {cases} cases, {seeds} seeds. Bars: 95 "
        "% bootstrap intervals over seeds, the worlds are fixed."
    )
    return note + (" Pale: the other allocators." if len(scores.allocators) > ALL_NAMED else "")


def shown_names(names: Sequence[str]) -> list[str]:
    """Of allocators, the best first: all of a few, else those of `NAMED`, the user's own, the best others."""
    if len(names) <= ALL_NAMED:
        return list(names)
    own = [name for name in names if family_of(name) is Family.OTHER]
    others = [n for n in names if n not in NAMED and n not in own and not is_oracle(n)]
    return [name for name in names if name in NAMED or name in own or name in others[:OTHERS]]


def _draw_means(axes: "Axes", table: pd.DataFrame, everyone: Sequence[str]) -> None:
    names = table["allocator"].tolist()
    look = looks(everyone)
    for y, (_, row) in enumerate(table.iterrows()):
        colour, _, marker, _ = look[row["allocator"]]
        axes.plot([row["iqm_low"], row["iqm_high"]], [y, y], color=colour, lw=1.5)
        axes.plot(row["iqm"], y, marker, color=colour, ms=5, mec="white", mew=0.3)
    for level in (0.0, 1.0):
        axes.axvline(level, color=FAINT, lw=0.7, zorder=1)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("score: interquartile mean")
    axes.set_title("middle half of all runs")


def _draw_profiles(axes: "Axes", scores: Scores, names: Sequence[str]) -> None:
    look = looks(scores.allocators)
    shown = shown_names(names)
    ends = []
    for name in sorted(names, key=lambda n: n in shown):
        values = scores.score[scores.allocators.index(name)]
        if np.isnan(values).all():
            continue
        profile = performance_profile(values[~np.isnan(values)][None], LEVELS)
        if name in shown:
            colour, dash, _, width = look[name]
            axes.plot(LEVELS, profile, dash, color=colour, lw=width, zorder=3, label=name)
            ends.append((name, float(profile[-1]), colour))
        else:
            axes.plot(LEVELS, profile, color=PALE, lw=0.7, zorder=2)
    axes.set_xlim(LEVELS[0], LEVELS[-1])
    axes.set_ylim(0.0, 1.0)
    axes.axvline(0.0, color=FAINT, lw=0.7, zorder=1)
    axes.set_xlabel("score")
    axes.set_ylabel("share of runs above it")
    axes.set_title("performance profiles")
    if not ends:  # no case was scored
        return
    labels, heights, colours = zip(*ends, strict=True)
    inches = axes.get_window_extent().height / axes.figure.dpi
    label_right(axes, np.array(heights), labels, colours, inches)

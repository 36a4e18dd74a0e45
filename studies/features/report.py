"""The table of the study, as Markdown, and its figure: what matters, and whether it predicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Box,
    footnote,
    panels,
    room_for,
)
from readsim.stats import half_width
from readsim.summary.show import fixed, markdown
from studies.features.explain import Explanation
from studies.features.measure import FEATURES

COLOURS = (VERMILION, GREY)
KINDS = {"potential": BLUE, "flow": ORANGE, "separable": GREEN}
MAIN = "read - task-static"
PARTS = 3
ONE_HOT = 0.95  # of a step's tokens, on average


def draw_features(table: pd.DataFrame, explained: Mapping[str, Explanation]) -> Figure:
    """Left the slopes with intervals, right predictions for left-out worlds beside what came."""
    room = room_for(FEATURES)
    box = Box(2.6, 2.4, left=0.55, right=0.2, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=max(0.0, room - 0.45), right=0.1, top=0, bottom=0.3)
    figure, [left, right] = panels(2, box, columns=2, margins=margins)
    _draw_slopes(left, explained)
    _draw_predictions(right, table, *next(iter(explained.items())))
    footnote(
        figure,
        "Simulated worlds",
        f"{len(table)} worlds of the random family, {table.attrs['seeds']} seeds each. Bars: 95 % bootstrap "
        "intervals over worlds. Right: each world predicted by the linear model fitted to others.",
    )
    return figure


def _draw_slopes(axes: Axes, explained: Mapping[str, Explanation]) -> None:
    places = np.arange(len(FEATURES), dtype=np.float64)
    for n, (name, each) in enumerate(explained.items()):
        y = places[[list(FEATURES).index(feature) for feature in each.features]]
        y = y + 0.24 * (n - (len(explained) - 1) / 2)
        axes.hlines(y, each.low, each.high, color=COLOURS[n], lw=1.5)
        axes.plot(each.slopes, y, "os"[n], color=COLOURS[n], ms=4.5, label=name)
    axes.axvline(0.0, color=FAINT, lw=0.7, zorder=1)
    axes.set_yticks(places, list(FEATURES))
    axes.set_ylim(len(FEATURES) + 1.0, -0.6)  # the legend gets the room below
    axes.set_xlabel("points per standard deviation")
    axes.set_title("what moves the difference")
    axes.legend(loc="lower left")


def _draw_predictions(axes: Axes, table: pd.DataFrame, name: str, explained: Explanation) -> None:
    actual = table[name].to_numpy(dtype=np.float64)
    for kind, colour in KINDS.items():
        mine = (table["dynamics"] == kind).to_numpy()
        if mine.any():
            axes.plot(explained.predicted[mine], actual[mine], "o", color=colour, ms=3, label=kind)
    both = np.concatenate([actual, explained.predicted])
    ends = [both.min(), both.max()]
    axes.plot(ends, ends, color=FAINT, lw=0.7, zorder=1)
    axes.axhline(0.0, color=FAINT, lw=0.7, ls=":", zorder=1)
    axes.set_xlabel("predicted, points")
    axes.set_ylabel(f"{name}, points")
    axes.set_title(f"worlds left out: R² {explained.linear:.2f}")
    axes.legend(loc="best")


def report(table: pd.DataFrame, explained: Mapping[str, Explanation]) -> str:
    """Where ReAD wins, by dynamics and by thirds of every feature; what explains it, and how well."""
    first = next(iter(explained.values()))
    lines = [[name, *map(str, row)] for name, row in by_dynamics(table)]
    head = ["worlds", "n", *(f"{name}, points" for name in explained), "ahead of task-static, %"]
    text = [markdown(head, lines, text=1)]
    rows = []
    for name in FEATURES:
        values = table[name].to_numpy(dtype=np.float64)
        edges = np.quantile(values, np.linspace(0.0, 1.0, PARTS + 1)[1:-1])
        part = np.searchsorted(edges, values, side="left")
        cells = [_mean(table[MAIN].to_numpy()[part == p]) for p in range(PARTS)]
        slopes = [_slope(e, name) for e in explained.values()]
        rows.append([f"{name}: {FEATURES[name]}", *cells, *slopes])
    head = ["feature", "lowest third", "middle", "highest third"]
    text.append(markdown([*head, *(f"slope, {name}" for name in explained)], rows, text=1))
    text.append(_concentration(table))
    text += [_judgement(name, e) for name, e in explained.items()]
    text.append(f"The tree of {next(iter(explained))} (points):\n\n```\n{first.rules}```\n")
    return "\n".join(text)


def by_dynamics(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """A row for all worlds and one for each kind: n, means with 95 % intervals over worlds, share won."""
    groups = [("all", table), *((str(kind), part) for kind, part in table.groupby("dynamics"))]
    out = []
    for name, part in groups:
        means = [_mean(part[f"read - {other}"].to_numpy()) for other in ("task-static", "uniform")]
        won = 100.0 * float((part[MAIN] > 0).mean())
        out.append((name, [str(len(part)), *means, fixed(won, 0)]))
    return out


def _concentration(table: pd.DataFrame) -> str:
    share = table["largest share"]
    return (
        f"ReAD gives {fixed(100.0 * float(share.mean()), 0)} % of a step's tokens to one source on "
        f"average; in {int((share > ONE_HOT).sum())} of {len(table)} worlds more than "
        f"{fixed(100.0 * ONE_HOT, 0)} %.\n"
    )


def _mean(values: Array) -> str:
    """Mean and half width of its interval over worlds."""
    if not len(values):
        return "-"
    half = float(half_width(values))
    text = fixed(float(values.mean()), 2, "+")
    return text if np.isnan(half) else f"{text} ± {fixed(half, 2)}"


def _slope(explained: Explanation, feature: str) -> str:
    if feature not in explained.features:
        return "-"
    f = explained.features.index(feature)
    low, high = fixed(explained.low[f], 2, "+"), fixed(explained.high[f], 2, "+")
    return f"{fixed(explained.slopes[f], 2, '+')} [{low}, {high}]"


def _judgement(name: str, explained: Explanation) -> str:
    return (
        f"{name}: R2 on left-out worlds {fixed(explained.linear, 2)} (linear) and "
        f"{fixed(explained.tree, 2)} (tree), by chance under {fixed(explained.chance, 2)}; the luck of the "
        f"seeds leaves {fixed(explained.ceiling, 2)} to explain. So these features explain "
        f"{fixed(100.0 * explained.share, 0)} % of what could be explained.\n"
    )

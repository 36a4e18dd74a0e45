"""Figures of the theory bench: orders, coverage against kappa, marginal gains."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from readsim.arrays import Array
from readsim.plots.labels import label_right
from readsim.plots.style import (
    BLACK,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Box,
    footnote,
    panels,
    room_for,
)

COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
DASHES = ("-", "--", ":", "-.")


class Ladder(NamedTuple):
    """Residuals (H,) at step sizes (H,), and the observed order in words."""

    steps: Array
    residuals: Array
    order: str


def _curves(axes: Axes, curves: Mapping[str, tuple[Array, Array]], inches: float) -> None:
    ends, colours = [], []
    for n, (x, y) in enumerate(curves.values()):
        colour = COLOURS[n % len(COLOURS)]
        dash = DASHES[n // len(COLOURS) % len(DASHES)]
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.2)
        ends.append(float(y[-1]))
        colours.append(colour)
    label_right(axes, np.array(ends), list(curves), colours, inches)


def draw_ladders(panels_of: Mapping[str, Mapping[str, Ladder]], origin: str, note: str) -> Figure:
    """One panel a title: residual against step, both logarithmic, each line with its order."""
    names = [f"{n}: {c.order}" for curves in panels_of.values() for n, c in curves.items()]
    box = Box(2.4, 2.2, left=0.75, right=room_for(names) + 0.3, top=0.3, bottom=0.45)
    figure, axes = panels(len(panels_of), box, margins=Box(0, 0, 0, 0, 0, 0.3))
    for place, (title, curves) in zip(axes, panels_of.items(), strict=True):
        place.set_xscale("log")
        place.set_yscale("log")
        for axis in (place.xaxis, place.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.set_minor_formatter(NullFormatter())
        shown = {}
        for name, c in curves.items():
            up, real = np.argsort(c.steps), c.residuals[np.argsort(c.steps)] > 0
            shown[f"{name}: {c.order}"] = (c.steps[up][real], c.residuals[up][real])
        _curves(place, {k: v for k, v in shown.items() if len(v[0])}, box.height)
        place.set_title(title)
        place.set_xlabel("step, relative to the largest")
        place.set_ylabel("residual")
    footnote(figure, origin, note)
    return figure


def draw_coverage(curves: Mapping[str, Array], kappas: Array, delta: float, origin: str) -> Figure:
    """Share of candidates with |q - mu| <= kappa sigma against kappa; names in the order at a quarter."""
    from scipy.stats import norm

    every = {**curves, "normal errors": 2 * norm.cdf(kappas) - 1}
    height = max(2.6, 0.17 * len(every))
    box = Box(3.4, height, left=0.55, right=room_for(every) + 0.5, top=0.2, bottom=0.45)
    figure, (axes,) = panels(1, box, margins=Box(0, 0, 0, 0, 0, 0.25))
    axes.axhline(1.0 - delta, color=FAINT, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 1.02)
    middle = len(kappas) // 4
    for n, name in enumerate(sorted(every, key=lambda c: -float(every[c][middle]))):
        dash = DASHES[n // len(COLOURS) % len(DASHES)]
        colour = COLOURS[n % len(COLOURS)]
        axes.plot(kappas, every[name], color=colour, linestyle=dash, linewidth=1.2, label=name)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0)
    axes.set_xlabel("kappa")
    axes.set_ylabel("coverage of q, share of candidates")
    footnote(
        figure,
        origin,
        f"Dotted: the coverage 1 - delta = {1 - delta:g} that calibrated uncertainty asks for.",
    )
    return figure


def draw_marginals(
    sources: Sequence[str],
    splits: Mapping[str, tuple[Array, Array]],
    multiplier: float,
    origin: str,
) -> Figure:
    """Marginal gain of each source, points a million tokens, at several splits of one budget.

    `splits` maps a name to (shares (S,), dU/db per token (S,)). Filled marks are sources that get
    tokens; the line is lambda at the optimum: filled marks of the optimum lie on it, open ones below.
    """
    scale = 100.0 * 1e6
    box = Box(3.4, max(2.0, 0.28 * len(sources)), left=1.1, right=0.3, top=0.55, bottom=0.45)
    figure, (axes,) = panels(1, box, margins=Box(0, 0, 0, 0, 0, 0.35))
    axes.axvline(scale * multiplier, color=FAINT, linewidth=0.8, linestyle=":")
    rows = np.arange(len(sources))
    for n, (name, (shares, slopes)) in enumerate(splits.items()):
        active = shares > 1e-9
        y = rows + 0.22 * (n - (len(splits) - 1) / 2)
        colour, marker = COLOURS[n], "osD^v"[n % 5]
        axes.plot(scale * slopes[active], y[active], marker, color=colour, markersize=4, label=name)
        axes.plot(
            scale * slopes[~active], y[~active], marker, color=colour, markersize=4, mfc="none"
        )
    axes.set_yticks(rows, list(sources))
    axes.invert_yaxis()
    axes.set_xlabel("marginal gain, points a million tokens")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=len(splits), borderaxespad=0)
    footnote(figure, origin, "Dotted: lambda of the optimum. Open marks: sources without tokens.")
    return figure


def draw_regret(regret: Array, bound: Array, origin: str) -> Figure:
    """Summed regret of runs (N, T) and its bound, means over runs with their range, against the step."""
    figure, axes = panels(1, Box(3.2, 2.4, left=0.75, right=0.6, top=0.3, bottom=0.45))
    (place,) = axes
    place.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    step = np.arange(1, regret.shape[1] + 1)
    for name, values, colour in (("bound", bound, BLUE), ("regret", regret, VERMILION)):
        place.fill_between(step, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        place.plot(step, values.mean(axis=0), color=colour, linewidth=1.2)
        end = (step[-1], float(values[:, -1].mean()))
        place.annotate(name, end, (4, 0), textcoords="offset points", color=colour, va="center")
    place.set_xlabel("decision")
    place.set_ylabel("summed, reward units")
    footnote(figure, origin)
    return figure

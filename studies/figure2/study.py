"""The study of Figure 2."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.labels import label_right
from readsim.plots.style import (
    BLACK,
    BLUE,
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
from readsim.token_counts import show_tokens
from studies.common.study import Drawing, Findings, Rows, Study
from studies.common.transfer import Transfer, negative_mass, noise_floor, others, transfer_of
from studies.figure2.claims import CLAIMS
from studies.figure2.returns import Windows, as_the_paper, falls, mean_of, strongest, windows_of
from studies.figure2.sweep import cases

COUNTS = {"as the paper": (VERMILION, "o"), "slopes, split seeds": (BLUE, "s")}
COLOURS = (VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, GREY, BLACK)


def draw(returns: pd.DataFrame, spillover: pd.DataFrame) -> Figure:
    """Left a row per case: % of replicates that report saturation. Right NS by budget, a line per case."""
    names = list(returns["case"])
    side = room_for(names) + 0.15
    box = Box(2.5, max(1.8, 0.22 * len(names)), left=side, right=side, top=0.45, bottom=0.35)
    figure, (left, right) = panels(2, box, margins=Box(0, 0, left=0, right=0, top=0, bottom=0.45))
    _reports(left, returns, names)
    _draw_harm(right, spillover, names, box.height)
    footnote(
        figure,
        "Simulated worlds",
        "Left: the 3 targets with the largest gain in the first window, chosen in the replicate itself and "
        "gains compared in points (as the paper), or chosen in the other half of the replicates and slopes "
        "per token compared. Right: mean drop over all other capabilities; faint and dotted as measured, "
        "full minus what noise alone gives.",
    )
    return figure


def _reports(axes: Axes, returns: pd.DataFrame, names: list[str]) -> None:
    places = np.arange(len(names))[::-1]
    for n, (column, (colour, marker)) in enumerate(COUNTS.items()):
        axes.plot(returns[column], places, marker, color=colour, ms=5, clip_on=False)
        axes.text(n, 1.02, column, color=colour, ha=("left", "right")[n], transform=axes.transAxes)
    axes.axvline(50.0, color=GREY, lw=0.8, ls="--")
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("replicates that report saturation (%)")


def _draw_harm(axes: Axes, spillover: pd.DataFrame, names: list[str], height: float) -> None:
    ends, colours = [], []
    for n, name in enumerate(names):
        lines = spillover[spillover["case"] == name]
        colour = COLOURS[n % len(COLOURS)]
        axes.plot(lines["budget"], lines["as measured"], ":", color=colour, lw=1.0, alpha=0.6)
        axes.plot(lines["budget"], lines["minus noise"], "-", color=colour, marker="o", ms=3)
        ends.append(float(lines["minus noise"].iloc[-1]))
        colours.append(colour)
    axes.xaxis.set_major_formatter(lambda tokens, _: show_tokens(tokens))
    axes.set_xlabel("tokens trained on the target")
    axes.set_title("mean drop of others (points)")
    axes.set_xlim(0.0, 1.02 * float(spillover["budget"].max()))
    axes.set_ylim(*axes.get_ylim())
    label_right(axes, np.array(ends), names, colours, height)


def analyse(rows: Rows) -> Findings:
    """Effects, two tables, one figure."""
    effects: dict[tuple[str, str], Array] = {}
    returns: list[dict[str, object]] = []
    spillover: list[dict[str, object]] = []
    for case, logs in rows.items():
        transfer = transfer_of(logs)
        windows = windows_of(transfer)
        effects |= {(claim, case): v for claim, v in _effects(transfer, windows).items()}
        returns.append({"case": case, **reports(windows)})
        spillover += _harm(case, transfer)
    tables = {
        "returns": ("replicates that report saturation, %", pd.DataFrame(returns)),
        "spillover": ("negative spillover by budget, points", pd.DataFrame(spillover)),
    }
    figure = draw(tables["returns"][1], tables["spillover"][1])
    worst = max(returns, key=lambda line: float(str(line["as the paper"])))
    alt = (
        "Left: the share of replicates that report saturation, as the paper counts and corrected, by case; "
        f"as the paper counts at most {worst['as the paper']:.0f} % ({worst['case']}). Right: mean drop of "
        "other capabilities by budget, as measured and minus its noise."
    )
    drawing = Drawing("Diminishing returns and negative spillover", figure, alt)
    note = (
        "Returns take each budget from a third of the seeds, spillover all budgets from every seed: a "
        "simulated seed has the same luck at every budget, which real runs do not."
    )
    return Findings(effects, tables, {"figure2": drawing}, [note])


def _effects(transfer: Transfer, windows: Windows) -> dict[str, Array]:
    other, fall = others(transfer), falls(windows)
    raw = negative_mass(transfer.change, other)
    net = raw - noise_floor(transfer.sd, other)
    paper = as_the_paper(windows)
    return {
        "saturates-paper": paper,
        "saturates": fall["all"],
        "saturates-split": fall["split"],
        "selection-bias": 100.0 * (paper > 0) - 100.0 * (fall["split"] > 0),
        "harm-raw": raw[-1],
        "harm": net[-1],
        "harm-grows": net[-1] - net[0],
    }


def reports(windows: Windows) -> dict[str, float]:
    """Share of replicates with a smaller second window, in %, by window's unit and choice of targets."""
    fall, (first, second) = falls(windows), windows.gain
    later = mean_of(first - second, strongest(windows.gain.sum(axis=0)))
    found = {
        "as the paper": as_the_paper(windows),
        "slopes": fall["same"],
        "slopes, split seeds": fall["split"],
        "slopes, all targets": fall["all"],
        "points, chosen by g1 + g2": later,
    }
    return {name: 100.0 * float(np.mean(values > 0)) for name, values in found.items()}


def _harm(case: str, transfer: Transfer) -> list[dict[str, object]]:
    other = others(transfer)
    raw, floor = negative_mass(transfer.change, other), noise_floor(transfer.sd, other)
    return [
        {
            "case": case,
            "budget": budget,
            "as measured": float(raw[b].mean()),
            "noise": float(floor[b].mean()),
            "minus noise": float((raw[b] - floor[b]).mean()),
        }
        for b, budget in enumerate(transfer.budgets)
    ]


STUDY = Study(
    name="figure2",
    title="Figure 2: diminishing returns and negative spillover",
    source="S2.3, App. B, Figure 2",
    question="Do gains saturate and harm grow with the budget, and would the paper's counts tell?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=150,
)

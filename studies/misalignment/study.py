"""The study of misalignment."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.plots.style import GREY, Box, footnote, looks, panels, room_for
from readsim.stats import half_width
from studies.common.study import Drawing, Findings, Rows, Study
from studies.misalignment.claims import CLAIMS
from studies.misalignment.losses import BIAS, TRUE, WAYS, losses, utilities
from studies.misalignment.sweep import cases

READ, STATIC = "read", "task-static"
DIRECT = {
    "permuted-read": (READ, "permuted"),
    "permuted-static": (STATIC, "permuted"),
    "uniform-costs": (READ, "uniform"),
    "stale-costs": (READ, "stale"),
    "bias-costs": (READ, BIAS),
    "bias-costs-static": (STATIC, BIAS),
}
BETWEEN = {
    "more-for-read": ((READ, "permuted"), (STATIC, "permuted")),
    "noise-costs": ((READ, "noisy:2"), (READ, "noisy:50")),
}
COLUMNS = ("case", "allocator", "way", "utility, true", "loss", "+-")


def draw(lost: Mapping[str, Mapping[tuple[str, str], Array]]) -> Figure:
    """A panel per case, a row per way, a mark an allocator; cases of biased probes share the last panel."""
    grids = {case: some for case, some in lost.items() if all(way != BIAS for _, way in some)}
    bias = {
        (allocator, case): values
        for case, some in lost.items()
        for (allocator, way), values in some.items()
        if way == BIAS
    }
    shown: dict[str, Mapping[tuple[str, str], Array]] = {**grids}
    if bias:
        shown["biased probes"] = bias
    names = {row for some in shown.values() for _, row in some}
    box = Box(1.9, 1.2, left=room_for(names) + 0.15, right=0.15, top=0.3, bottom=0.4)
    margins = Box(0, 0, left=0, right=0, top=0.25, bottom=0.35)
    figure, axes = panels(len(shown), box, columns=3, margins=margins)
    allocators = list(dict.fromkeys(a for some in shown.values() for a, _ in some))
    look = looks(allocators)
    for axis, (case, some) in zip(axes, shown.items(), strict=True):
        found = dict.fromkeys(row for _, row in some)
        rows = [way for way in WAYS if way in found] + [row for row in found if row not in WAYS]
        for (allocator, row), values in some.items():
            place = (
                len(rows) - 1 - rows.index(row) + (0.12 if allocator == allocators[0] else -0.12)
            )
            half = float(np.nan_to_num(half_width(values)))
            colour, _, marker, _ = look[allocator]
            axis.errorbar(values.mean(), place, xerr=half, fmt=marker, color=colour, ms=4, lw=1.0)
        axis.axvline(0.0, color=GREY, lw=0.8)
        axis.set_yticks(range(len(rows)), rows[::-1])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_title(case)
        axis.set_xlabel("utility lost (points)")
    footnote(
        figure,
        "Simulated worlds",
        "True final utility, told the truth minus told otherwise; 95 % intervals over seeds.",
    )
    width, height = figure.get_size_inches()
    for n, name in enumerate(allocators):
        figure.text((0.1 + n) / width, 1.0 - 0.17 / height, name, color=look[name].colour)
    return figure


class Line(NamedTuple):
    """A line of the table; `half` is half of the 95 % interval of `loss`."""

    case: str
    allocator: str
    way: str
    true: float
    loss: float
    half: float


def analyse(rows: Rows) -> Findings:
    """Effects, one table, one figure. Raises RunLogError for a case that holds one telling only."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[Line] = []
    lost: dict[str, dict[tuple[str, str], Array]] = {}
    for case, logs in rows.items():
        table = utilities(logs)
        lost[case] = losses(table)
        if not lost[case]:
            raise RunLogError(
                f"{case}: expected runs with the true requirement and runs with another"
            )
        for claim, key in DIRECT.items():
            if key in lost[case]:
                effects[claim, case] = lost[case][key]
        for claim, (one, other) in BETWEEN.items():
            if one in lost[case] and other in lost[case]:
                effects[claim, case] = lost[case][one] - lost[case][other]
        lines += _lines(case, table, lost[case])
    worst = max(lines, key=lambda line: line.loss)
    alt = (
        "Utility lost by way of being wrong, for ReAD and the static split, a panel per case. The largest "
        f"loss is {worst.loss:.1f} points, of {worst.allocator} in {worst.case} with {worst.way}."
    )
    figure = Drawing("What a wrong requirement costs", draw(lost), alt)
    title = "utility lost, points; +- is half of the 95 % interval"
    return Findings(
        effects, {"losses": (title, pd.DataFrame(lines, columns=COLUMNS))}, {"losses": figure}
    )


def _lines(case: str, table: pd.DataFrame, lost: dict[tuple[str, str], Array]) -> list[Line]:
    true = table["utility"].xs(TRUE, level="way").groupby("allocator").mean().to_dict()
    return [
        Line(
            case, allocator, way, true[allocator], float(np.mean(values)), float(half_width(values))
        )
        for (allocator, way), values in lost.items()
    ]


STUDY = Study(
    name="misalignment",
    title="Misalignment: a wrong requirement, biased probes",
    source="S3.1, S7 and App. H (limitations)",
    question="What do a wrong requirement and biased probes cost, and whom?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)

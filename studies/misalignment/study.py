"""The study of misalignment."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.stats import half_width
from studies.common.study import Drawing, Findings, Rows, Study
from studies.misalignment.claims import CLAIMS
from studies.misalignment.figure import draw
from studies.misalignment.losses import BIAS, TRUE, losses, utilities
from studies.misalignment.sweep import cases

# What a wrong requirement and biased probes cost, by allocator.

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

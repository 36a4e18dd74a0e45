"""What a wrong requirement and biased probes cost, by allocator."""

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.stats import half_width
from studies.misalignment.figure import draw
from studies.misalignment.losses import BIAS, TRUE, losses, utilities
from studies.paper.study import Drawing, Findings, Rows

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


def analyse(rows: Rows) -> Findings:
    """Effects, one table, one figure. Raises RunLogError for a case that holds one telling only."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    lost: dict[str, dict[tuple[str, str], Array]] = {}
    for case, logs in rows.items():
        table = utilities(logs)
        lost[case] = losses(table)
        if not lost[case]:
            raise RunLogError(f"{case}: expected runs told the truth and runs told otherwise")
        for claim, key in DIRECT.items():
            if key in lost[case]:
                effects[claim, case] = lost[case][key]
        for claim, (one, other) in BETWEEN.items():
            if one in lost[case] and other in lost[case]:
                effects[claim, case] = lost[case][one] - lost[case][other]
        lines += _lines(case, table, lost[case])
    frame = pd.DataFrame(lines)
    worst = frame.loc[frame["loss"].idxmax()]
    alt = (
        "Utility lost by way of being wrong, for ReAD and the static split, a panel a case. The largest loss "
        f"is {worst['loss']:.1f} points, of {worst['allocator']} in {worst['case']} with {worst['way']}."
    )
    figure = Drawing("What a wrong requirement costs", draw(lost), alt)
    title = "utility lost, points; +- is half of the 95 % interval"
    return Findings(effects, {"losses": (title, frame)}, {"losses": figure})


def _lines(
    case: str, table: pd.DataFrame, lost: dict[tuple[str, str], Array]
) -> list[dict[str, object]]:
    return [
        {
            "case": case,
            "allocator": allocator,
            "way": way,
            "utility, true": float(table.loc[(allocator, TRUE), "utility"].mean()),
            "loss": float(np.mean(values)),
            "+-": float(half_width(values)),
        }
        for (allocator, way), values in lost.items()
    ]

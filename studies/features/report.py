"""The table of the study, as Markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.stats import half_width
from readsim.summary.show import markdown, number
from studies.features.explain import Explanation
from studies.features.measure import FEATURES

MAIN = "read - task-static"
PARTS = 3
ONE_HOT = 0.95  # of a step's tokens, on average


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
        out.append((name, [str(len(part)), *means, number(won, 0)]))
    return out


def _concentration(table: pd.DataFrame) -> str:
    share = table["largest share"]
    return (
        f"ReAD gives {number(100.0 * float(share.mean()), 0)} % of a step's tokens to one source on "
        f"average; in {int((share > ONE_HOT).sum())} of {len(table)} worlds more than "
        f"{number(100.0 * ONE_HOT, 0)} %.\n"
    )


def _mean(values: Array) -> str:
    """Mean and half width of its interval over worlds."""
    if not len(values):
        return "-"
    half = float(half_width(values))
    text = number(float(values.mean()), 2, "+")
    return text if np.isnan(half) else f"{text} ± {number(half, 2)}"


def _slope(explained: Explanation, feature: str) -> str:
    if feature not in explained.features:
        return "-"
    f = explained.features.index(feature)
    low, high = number(explained.low[f], 2, "+"), number(explained.high[f], 2, "+")
    return f"{number(explained.slopes[f], 2, '+')} [{low}, {high}]"


def _judgement(name: str, explained: Explanation) -> str:
    return (
        f"{name}: R2 on left-out worlds {number(explained.linear, 2)} (linear) and "
        f"{number(explained.tree, 2)} (tree), by chance under {number(explained.chance, 2)}; the luck of the "
        f"seeds leaves {number(explained.ceiling, 2)} to explain. So these features explain "
        f"{number(100.0 * explained.share, 0)} % of what could be explained.\n"
    )

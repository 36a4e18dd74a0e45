"""The study of the local proxy validation."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import BLUE, GREY, ORANGE, Box, footnote, panels
from studies.common.study import Drawing, Findings, Rows, Study
from studies.proxy.claims import CLAIMS
from studies.proxy.steps import SMALL_MOVE, promises, read_runs, statistics, steps_of
from studies.proxy.sweep import cases

DIRECT = {
    "aligned": "Spearman",
    "aligned-within": "Spearman within a run",
    "small-moves": "Spearman of error and move",
    "unshrunk": "slope",
    "covered": "covered by kappa sigma",
    "dev-slope": "dev slope above 0, %",
}


def draw(shown: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel per case: R over mu in points, small and large moves in two colours, the diagonal dashed."""
    box = Box(1.75, 1.75, left=0.5, right=0.2, top=0.3, bottom=0.4)
    columns = min(4, len(shown))
    margins = Box(0, 0, left=0, right=0, top=0.25, bottom=0.4)
    figure, axes = panels(len(shown), box, columns=columns, margins=margins)
    for axis, (case, steps) in zip(axes, shown.items(), strict=True):
        for marker, colour, some in (
            ("o", BLUE, steps[steps["move"] <= SMALL_MOVE]),
            ("^", ORANGE, steps[steps["move"] > SMALL_MOVE]),
        ):
            axis.plot(some["mu"], some["reward"], marker, color=colour, ms=2.5, mew=0, alpha=0.6)
        axis.axline((0.0, 0.0), slope=1.0, color=GREY, lw=0.8, ls="--")
        axis.set_title(case)
        axis.set_xlabel("predicted (points)")
        axis.set_ylabel("observed (points)")
    footnote(
        figure,
        "Simulated worlds",
        "Rewards of single steps as predicted before the step (mu) and as then measured on the probe split. "
        "Small moves: at most a quarter of the tokens goes elsewhere than in the step before. Dashed: equal.",
    )
    width, height = figure.get_size_inches()
    for x, colour, text in ((0.5, BLUE, "small moves"), (1.6, ORANGE, "large moves")):
        figure.text(x / width, 1.0 - 0.15 / height, text, color=colour, fontsize=8)
    return figure


def analyse(rows: Rows) -> Findings:
    """Effects, two tables, a scatter a case."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    gains: list[dict[str, object]] = []
    shown: dict[str, pd.DataFrame] = {}
    for case, logs in rows.items():
        runs = read_runs(logs)
        steps = shown[case] = steps_of(runs)
        found = pd.DataFrame([statistics(s) for _, s in steps.groupby("seed")])
        effects |= {(claim, case): found[column].to_numpy() for claim, column in DIRECT.items()}
        means = zip(found.columns, found.mean().tolist(), strict=True)
        lines.append({"case": case, **dict(means)})
        gains += promises(case, runs)
    tables = {
        "proxy": ("predicted and observed rewards, points; means over seeds", pd.DataFrame(lines)),
        "promises": ("what proxies promise and the test split shows, points", pd.DataFrame(gains)),
    }
    ranks = ", ".join(f"{line['case']} {line['Spearman']:.2f}" for line in lines)
    alt = (
        f"Scatter of predicted and observed rewards, a panel per case. Rank correlations: {ranks}."
    )
    figure = Drawing("Predicted and observed rewards", draw(shown), alt)
    return Findings(effects, tables, {"proxy": figure})


STUDY = Study(
    name="proxy",
    title="Proxy validation: predicted and observed next-step rewards",
    source="S3.3, S6, Eq. (11)",
    question="Do ReAD's predictions of its next step come true, and does its proxy point the right way?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)

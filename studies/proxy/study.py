"""The study of the local proxy validation."""

import pandas as pd

from readsim.arrays import Array
from studies.common.study import Drawing, Findings, Rows, Study
from studies.proxy.claims import CLAIMS
from studies.proxy.figure import draw
from studies.proxy.steps import promises, read_runs, statistics, steps_of
from studies.proxy.sweep import cases

# Correlation, size and coverage of predictions, one number per seed.

DIRECT = {
    "aligned": "Spearman",
    "aligned-within": "Spearman within a run",
    "small-moves": "Spearman of error and move",
    "unshrunk": "slope",
    "covered": "covered by kappa sigma",
    "dev-slope": "dev slope above 0, %",
}


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

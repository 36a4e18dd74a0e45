"""The study of Figure 2."""

import numpy as np
import pandas as pd

from readsim.arrays import Array
from studies.common.study import Drawing, Findings, Rows, Study
from studies.common.transfer import Transfer, negative_mass, noise_floor, others, transfer_of
from studies.figure2.claims import CLAIMS
from studies.figure2.figure import draw
from studies.figure2.returns import Windows, as_the_paper, falls, mean_of, strongest, windows_of
from studies.figure2.sweep import cases

# Both diagnostics of Observation 2, each as the paper counts it and corrected.


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

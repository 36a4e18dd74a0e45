"""The study of Figure 1: transfer matrices by budget, and the statistics of Observation 1."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.plots.transfer import draw_transfer
from readsim.runs.read_logs import Log
from readsim.token_counts import show_tokens
from studies.common.study import Drawing, Findings, Rows, Study
from studies.common.transfer import (
    Transfer,
    diagonal,
    diffuseness,
    negative_mass,
    noise_floor,
    noise_mass,
    off_diagonal_mass,
    others,
    significant,
    transfer_of,
)
from studies.figure1.claims import CLAIMS
from studies.figure1.sweep import cases


def analyse(rows: Rows) -> Findings:
    """Effects, one table, and a figure per case."""
    effects: dict[tuple[str, str], Array] = {}
    lines: list[dict[str, object]] = []
    figures = {}
    for case, logs in rows.items():
        transfer = transfer_of(logs)
        effects |= {(claim, case): values for claim, values in _effects(transfer).items()}
        lines += _lines(case, transfer)
        figures[f"transfer-{_stem(case)}"] = _draw(case, transfer, logs)
    note = (
        "Off-diagonal mass and drops are shown as measured, next to what noise alone gives; claims "
        "subtract it. The paper does not say which training signal its Figure 1 shows; a simulated "
        "world has one."
    )
    table = ("transfer by budget, points", pd.DataFrame(lines))
    return Findings(effects, {"transfer": table}, figures, [note])


def _effects(transfer: Transfer) -> dict[str, Array]:
    change, other = transfer.change, others(transfer)
    mass = off_diagonal_mass(change, other) - noise_mass(transfer.sd, other)
    harm = negative_mass(change, other) - noise_floor(transfer.sd, other)
    spread, own = diffuseness(change), diagonal(change)
    return {
        "interdependence": mass.min(axis=0),
        "sharper-target": own[-1] - own[0],
        "more-harm": harm[-1] - harm[0],
        "less-diffuse": spread[0] - spread[-1],
    }


def _lines(case: str, transfer: Transfer) -> list[dict[str, object]]:
    change, other = transfer.change, others(transfer)
    columns = {
        "target": diagonal(change),
        "others, mean size": off_diagonal_mass(change, other),
        "noise": noise_mass(transfer.sd, other),
        "others, mean drop": negative_mass(change, other),
        "noise of drop": noise_floor(transfer.sd, other),
        "diffuseness": diffuseness(change),
    }
    return [
        {"case": case, "budget": budget, **{k: float(v[b].mean()) for k, v in columns.items()}}
        for b, budget in enumerate(transfer.budgets)
    ]


def _draw(case: str, transfer: Transfer, logs: Sequence[Log]) -> Drawing:
    points = transfer.change.mean(axis=-1)
    real = np.array([significant(table) for table in transfer.change])
    sources = transfer.names[: points.shape[1]]
    figure = draw_transfer(
        points,
        real,
        sources,
        transfer.names,
        transfer.budgets,
        f"Simulated world {case}",
        f"Change in points of the column's capability by training on the row's alone; mean over "
        f"{len(transfer.seeds)} seeds, test split. Pale: not significant (t test over seeds, false "
        "discoveries at 10 %).",
    )
    i, j = np.unravel_index(np.argmin(points[-1]), points[-1].shape)
    alt = (
        f"Heat maps of one-hot training in {case} at {', '.join(map(show_tokens, transfer.budgets))} tokens. "
        f"At the largest, targets gain {diagonal(transfer.change)[-1].mean():.1f} points on average; the "
        f"largest drop is {points[-1][i, j]:.1f} points of {transfer.names[j]} by training on {sources[i]}."
    )
    return Drawing(f"Transfer in {case}", figure, alt)


def _stem(case: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in case).strip("-")


STUDY = Study(
    name="figure1",
    title="Figure 1: transfer between capabilities, by budget",
    source="S2.3, App. B, Figure 1",
    question="What does training on one capability do to the others, and how does it grow?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=16,
)

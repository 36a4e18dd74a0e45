"""The graphs that Aioli measured beside those of the world fitted to them.

Each entry of the world's transfer matrix must lie within two standard errors of the seeds' mean, and a
world fitted to four seeds must predict the fifth as well as seeds predict each other.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from readsim.cli.common import need_target
from readsim.cli.output import Terminal
from readsim.tree_file import write_atomic
from studies.aioli.claims import CASE, CLAIMS
from studies.aioli.graphs import FILE, TOKENS, fit, load
from studies.aioli.left_out import effects, without
from studies.common.claim import judge
from studies.common.show import show_verdicts

OUT = Path(__file__).parent / "results.json"


def main(
    data: Annotated[Path, typer.Option(help="Aioli's measurements are in this file.")] = FILE,
    out: Annotated[Path, typer.Option(help="The result is written to this file.")] = OUT,
) -> None:
    """Compare the graphs that Aioli measured with those of the world fitted to them."""
    console = Terminal()
    need_target(out)
    graphs = load(data)
    mean, sd = graphs.drop.mean(axis=0), graphs.drop.std(axis=0, ddof=1)
    matrix = fit(graphs).world.transfer_matrix(TOKENS)
    seeds = len(graphs.drop)
    out_of = [without(graphs, n) for n in range(seeds)]
    left_out, between = [each.world for each in out_of], [each.mean for each in out_of]
    verdicts = [judge(claim, CASE, effects(out_of)[claim.id]) for claim in CLAIMS]
    result = {
        "measured": np.round(mean, 4).tolist(),
        "seed_sd": np.round(sd, 4).tolist(),
        "world": np.round(matrix, 4).tolist(),
        "largest_difference": float(f"{np.abs(matrix - mean).max():.3g}"),
        "largest_in_standard_errors": float(
            f"{(np.abs(matrix - mean) / (sd / seeds**0.5)).max():.3g}"
        ),
        "left_out_seed_rmse": float(f"{np.sqrt(np.mean(np.square(left_out))):.3g}"),
        "mean_of_others_rmse": float(f"{np.sqrt(np.mean(np.square(between))):.3g}"),
        "claims": {
            v.claim: [v.observed, *(round(x, 5) for x in (v.effect, v.low, v.high))]
            for v in verdicts
        },
    }
    write_atomic(out, (json.dumps(result, indent=1) + "\n").encode())
    table = Table("source", *graphs.names, title="relative drop: measured (seed sd) / world")
    for name, a, b, c in zip(graphs.names, mean, sd, matrix, strict=True):
        cells = [f"{x:.3f} ({y:.3f}) / {z:.3f}" for x, y, z in zip(a, b, c, strict=True)]
        table.add_row(name, *cells)
    console.print(table)
    show_verdicts(console, "Aioli's graphs", verdicts)
    for key in list(result)[3:-1]:
        console.print(f"{key.replace('_', ' ')}: {result[key]}")

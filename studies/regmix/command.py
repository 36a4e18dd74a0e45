"""Accuracy of the fitted law on RegMix's unseen runs, and allocator rankings in fitted worlds.

About three minutes on one core. The runs are pre-training runs of 1M and 60M parameters, not
distillation. LightGBM is left out where it is not installed. A law that predicts the same for all
runs (LightGBM with few) counts as rank correlation 0.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from readsim.cli.common import need_target
from readsim.cli.output import Terminal
from readsim.tree_file import write_atomic
from studies.regmix.accuracy import SIZES, curve
from studies.regmix.data import FOLDER, load
from studies.regmix.ranking import agreement, halves, picks

OUT = Path(__file__).parent / "results.json"
TASKS = ("average", "arxiv", "github", "pile_cc", "wikipedia_en", "stackexchange")


def main(
    folder: Annotated[
        Path, typer.Option("--data", help="RegMix's files are in this folder.")
    ] = FOLDER,
    out: Annotated[Path, typer.Option(help="The result is written to this file.")] = OUT,
) -> None:
    """Measure the fitted law on RegMix's unseen runs, and rank allocators in fitted worlds."""
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")  # its BLAS is another library than numpy's: load it to limit it
    console = Terminal()
    need_target(out)
    data = load(folder)
    with threadpool_limits(limits=1, user_api="blas"):
        rows = curve(data)
        train = data["train_1m"]
        (a, _), (b, unseen) = halves(train)
        found = agreement([a, b], list(TASKS))
        chosen = picks(a, train, unseen)
    result = {"accuracy": rows, "ranking": found, "picks": chosen}
    write_atomic(out, (json.dumps(result, indent=1) + "\n").encode())
    for size in ("1m", "60m"):
        table = Table("law", *map(str, SIZES), title=f"mean Spearman on 256 unseen {size} runs")
        for law in dict.fromkeys(row["law"] for row in rows):
            cells = [f"{r[f'spearman_{size}']:.4f}" for r in rows if r["law"] == law]
            table.add_row(str(law), *cells)
        console.print(table)
    console.print(
        f"allocator rankings of two halves: Kendall tau {found['mean_tau']} {found['interval']}, the "
        f"same best in {found['same_best']} of {len(TASKS)} tasks ({', '.join(found['allocators'])})"
    )
    table = Table("target", "hits of 10", "regret", "of a random run", title="unseen runs picked")
    for row in chosen:
        table.add_row(*map(str, row.values()))
    console.print(table)

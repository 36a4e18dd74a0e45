"""Make the runs of `studies.real_runs.design` that are missing, and the table of all that are done.

Each run has its own log under OUT/runs; finished ones are not repeated, so the same command resumes.
The table is written after each run: a part of it is as good as the runs it has.
"""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import Seeds, need_target, parse_seeds
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.token_counts import parse_tokens
from studies.real_runs.design import make_designs
from studies.real_runs.run import make
from studies.real_runs.table import write_table

KEPT = Path(__file__).parent


def main(
    out: Annotated[Path, typer.Option(help="The logs go into this folder.")] = Path(
        "results/real_runs"
    ),
    pair: Annotated[str, typer.Option(help="The models are this pair.")] = "nano",
    budgets: Annotated[
        str, typer.Option(help="The runs have these numbers of tokens, separated by commas.")
    ] = "10k,24k,60k",
    seeds: Seeds = "2",
    table: Annotated[
        Path | None,
        typer.Option(
            help="The table is written to this CSV file.", show_default="beside the study"
        ),
    ] = None,
) -> None:
    """Make sixty real runs of a pair, and write their table."""
    from studies.real_runs.lab import real_lab

    console = Terminal()
    target = table or KEPT / f"{pair}.csv"
    need_target(target)
    lab = real_lab(pair, out / "teacher.sqlite")
    designs = make_designs(lab.sources, [parse_tokens(text) for text in budgets.split(",")])
    numbers = parse_seeds(seeds)
    with interruptible(f"finished runs are in {out / 'runs'}; the same command resumes"):
        for seed in numbers:
            for design in designs:
                make(design, seed, lab, out)
                done = write_table(designs, numbers, lab, out, target)
                console.print(f"{done}/{len(designs) * len(numbers)}: {design.name}, {seed}")

"""What real distillation costs, as ratios measured in one run."""

import os
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from rich.progress import Progress
from rich.table import Table
from threadpoolctl import threadpool_limits

from readsim.cli.common import need_target, parse_list
from readsim.cli.output import Terminal
from readsim.errors import unknown
from readsim.tree_file import write_frame
from studies.speed_real import bare_loop, generation, gkd, lengths, memory, overhead, teacher_cache
from studies.speed_real.timing import Row

PARTS = {
    "bare": bare_loop.rows,
    "lengths": lengths.rows,
    "trl": gkd.rows,
    "generation": generation.rows,
    "memory": memory.rows,
    "overhead": overhead.rows,
    "cache": teacher_cache.rows,
}


def main(
    only: Annotated[
        str | None,
        typer.Option(help="Only these parts are run, separated by commas.", show_default="all"),
    ] = None,
    path: Annotated[Path, typer.Option("--csv", help="The table is written to this file.")] = Path(
        "results/speed_real.csv"
    ),
) -> None:
    """Measure, print one table, write it as CSV."""
    names = parse_list(only, "only") or list(PARTS)
    for name in names:
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    for library in ("OMP", "OPENBLAS"):  # those that are loaded later, and other processes
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    torch.set_num_threads(1)
    found: list[Row] = []
    console = Terminal()
    need_target(path)
    with threadpool_limits(1), Progress(console=Terminal(stderr=True)) as bar:
        job = bar.add_task("measuring", total=len(names))
        for part in names:
            found += PARTS[part]()
            bar.advance(job)
            write_frame(path, pd.DataFrame(found, columns=Row._fields))
    table = Table("what", "measured", "ratio in this run", "target", title="real runs, speed")
    for row in found:
        table.add_row(*row)
    console.print(table)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    console.print(f"one thread of {os.cpu_count()} cores, load {load}; written to {path}")

"""Time and disk of one run of each allocator, and of a million of them.

A run is 20 decisions in `read8-llama` at 20M tokens on one core, its log written and read back, which is
what a sweep's task does. Medians over seeds; the first run of each, which imports, is left out.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.table import Table

from readsim.cli.common import need_target, progress
from readsim.cli.output import Terminal
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.read_logs import read_log
from readsim.suite.plan import default_allocators
from readsim.tree_file import write_frame

MILLION = 1_000_000
COLUMNS = ("seconds a run", "KB a run", "core-hours a million", "GB a million")


def measure(allocator: str, runs: int, folder: Path) -> dict[str, object]:
    """Medians over `runs` runs of one seed each."""
    seconds, sizes = [], []
    for seed in range(runs + 1):
        [cell] = make_cells(
            "read8-llama",
            tasks=["math"],
            budgets=[20_000_000],
            allocators=[allocator],
            seeds=[seed],
        )
        start = time.perf_counter()
        path = folder / str(seed) / cell.file_name
        run_cell(cell, path)
        read_log(path)
        seconds.append(time.perf_counter() - start)
        sizes.append(path.stat().st_size)
    one, size = float(np.median(seconds[1:])), float(np.median(sizes[1:]))
    hours, disk = one * MILLION / 3600, size * MILLION / 1e9
    return {
        "allocator": allocator,
        **dict(zip(COLUMNS, (one, size / 1e3, hours, disk), strict=True)),
    }


def main(
    runs: Annotated[int, typer.Option(min=1, help="Each allocator has this many runs.")] = 5,
    out: Annotated[Path, typer.Option(help="The table is written to this file.")] = Path(
        "results/cost.csv"
    ),
) -> None:
    """Measure every allocator of the suite."""
    console = Terminal()
    need_target(out)
    rows: list[dict[str, object]] = []
    with progress(Terminal(stderr=True)) as bar, tempfile.TemporaryDirectory() as folder:
        job = bar.add_task("allocators", total=len(default_allocators()))
        for name in default_allocators():
            rows.append(measure(name, runs, Path(folder) / str(len(rows))))
            bar.advance(job)
    table = pd.DataFrame(rows).sort_values("seconds a run", ignore_index=True)
    write_frame(out, table)
    shown = Table("allocator", *COLUMNS)
    for row in table.itertuples(index=False):
        shown.add_row(str(row[0]), f"{row[1]:.4f}", *(f"{x:.0f}" for x in row[2:]))
    console.print(shown)
    console.print(f"also in {out}")

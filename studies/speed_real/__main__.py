"""`python -m studies.speed_real`: what real distillation costs, as ratios measured in one run."""

import argparse
import csv
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch and numpy: one core a measurement
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from studies.speed_real import bare_loop, gkd, memory, overhead, teacher_cache
from studies.speed_real.timing import Row

PARTS = {
    "bare": bare_loop.rows,
    "trl": gkd.rows,
    "memory": memory.rows,
    "overhead": overhead.rows,
    "cache": teacher_cache.rows,
}


def main() -> None:
    """Measure, print one table, write it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--csv", type=Path, default=Path("results/speed_real.csv"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Row] = []
    console = Console()
    chosen.csv.parent.mkdir(parents=True, exist_ok=True)
    with Progress(console=Console(stderr=True)) as bar:
        job = bar.add_task("measuring", total=len(chosen.only))
        for part in chosen.only:
            found += PARTS[part]()
            bar.advance(job)
            with chosen.csv.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([Row._fields, *found])
    table = Table("what", "measured", "ratio in this run", "target", title="real runs, speed")
    for row in found:
        table.add_row(*row)
    console.print(table)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    console.print(f"one thread of {os.cpu_count()} cores, load {load}; written to {chosen.csv}")


if __name__ == "__main__":
    main()

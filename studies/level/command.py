"""Do the 90 % intervals of `level` hold what they promise, on worlds and plans that it was not made on?

The claim, written before the first run: with 8 offline runs, between 85 and 95 % of the intervals hold the
truth, over decisions 0, 5, 10 and 15 of one run in each world, for the plans that it picks itself.
It failed on the first 64 worlds (seeds from 9000): 82 %. The room for what the model lacks (`SLACK`) was then
widened from .6 to 1 on the seeds 7000 to 7055, where 92 % are held with it, and on 64 other worlds (from
9100) the claim held: 89 %. Offline runs have kept one allocation each since then: once more, from 9200. The
prior's constants are of the seeds 20000 to 20299.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from readsim.allocators.level.allocator import Level
from readsim.cli.common import need_target, progress
from readsim.cli.output import Terminal
from readsim.suite.plan import task_of
from readsim.tree_file import write_frame
from readsim.worlds import load_world
from studies.level.coverage import Promise, coverage_table, promises

FIRST = 9200
BUDGETS = (20_000_000, 60_000_000, 150_000_000)
DECISIONS = (0, 5, 10, 15)


def main(
    worlds: Annotated[int, typer.Option(min=1, help="This many worlds are drawn.")] = 64,
    runs: Annotated[int, typer.Option(min=0, help="The rule asks for this many offline runs.")] = 8,
    out: Annotated[Path, typer.Option(help="The table is written to this file.")] = Path(
        "results/level.csv"
    ),
) -> None:
    """Measure the coverage of level's intervals on drawn worlds."""
    console = Terminal()
    need_target(out)
    found: list[Promise] = []
    with progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("worlds", total=worlds)
        for n in range(worlds):
            world = load_world(f"random:prior=broad,seed={FIRST + n}")
            budget = BUDGETS[n % len(BUDGETS)]
            found += promises(world, task_of(world, n), budget, Level(runs=runs), n, DECISIONS)
            bar.advance(job)
    table = coverage_table(found)
    write_frame(out, table.reset_index())
    shown = Table("decision", "plans", "promised", "brought", "covered", "below", "above")
    for step, row in table.iterrows():
        points = (f"{row[name]:+.2f}" for name in ("mean", "truth"))
        shares = (f"{row[name]:.0%}" for name in ("covered", "below", "above"))
        shown.add_row(str(step), f"{row['plans']:.0f}", *points, *shares)
    console.print(shown)
    console.print(f"also in {out}")

"""`readsim run`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from readsim.cli.common import (
    Requirement,
    Seeds,
    Steps,
    World,
    interruptible,
    parse_seeds,
    progress,
)
from readsim.runs.grid import make_cells, run_cell_durably
from readsim.runs.log_file import read_runlog
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world


def run(
    world: World = "read8-llama",
    task: Annotated[str | None, typer.Option(help="Task; the world's first.")] = None,
    budget: Annotated[str, typer.Option(help="Token budget.")] = "20M",
    steps: Steps = 20,
    seeds: Seeds = "1",
    allocator: Annotated[
        str, typer.Option(help="Name or module:Class; read+guard=0.02 sets one of its settings.")
    ] = "read",
    out: Annotated[Path, typer.Option(help="The run log to write.")] = Path("results/run.jsonl"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    requirement: Requirement = None,
) -> None:
    """Run one allocator with every decision on disk; `--resume` goes on after a kill."""
    console = Console()
    loaded = load_world(world)
    [cell] = make_cells(
        world,
        tasks=[task if task is not None else loaded.task_names[0]],
        budgets=[parse_tokens(budget)],
        steps=steps,
        allocators=[allocator],
        seeds=parse_seeds(seeds),
        requirement=requirement,
    )
    kept = f"every decision is in {out}, the same command with --resume goes on"
    with interruptible(kept), progress(Console(stderr=True)) as bar:
        job = bar.add_task("decisions", total=steps * len(cell.seeds))
        run_cell_durably(cell, out, resume=resume, on_step=lambda n: bar.advance(job, n))
    table = Table("seed", "decisions", "student tokens", "final utility")
    for row in read_runlog(out)[1]:
        if row["kind"] == "final":
            spent = show_tokens(row["totals"]["student"])
            table.add_row(str(row["seed"]), str(row["step"]), spent, f"{row['utility']:.4f}")
    console.print(table)
    console.print(f"log: {out}")

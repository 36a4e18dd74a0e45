"""`readsim run`."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from readsim.cli.common import interruptible, parse_seeds, progress
from readsim.runs.grid import make_cells, run_cell_durably
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world


def run(
    world: str,
    task: str | None,
    budget: str,
    steps: int,
    seeds: str,
    allocator: str,
    out: Path,
    resume: bool,
    requirement: str | None = None,
) -> None:
    """`readsim run`."""
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
    from readsim.runs.read_logs import read_log

    table = Table("seed", "decisions", "student tokens", "final utility")
    for row in read_log(out).finals:
        spent = show_tokens(row.totals["student"])
        table.add_row(str(row.seed), str(row.step), spent, f"{row.utility:.4f}")
    console.print(table)
    console.print(f"log: {out}")

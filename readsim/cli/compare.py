"""`readsim compare` and `readsim plot`."""

import os
from pathlib import Path

from rich.console import Console

from readsim.cli.common import interruptible, parse_list, parse_seeds, progress
from readsim.errors import ConfigError
from readsim.runs.folder import refuse_other_runs, write_timings
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.parallel import use_backend
from readsim.token_counts import parse_tokens
from readsim.worlds import load_world, save_world


def compare(
    world: str,
    tasks: str | None,
    budgets: str,
    steps: int,
    seeds: str,
    allocators: str,
    jobs: int | None,
    backend: str,
    out: Path,
    requirement: str | None = None,
) -> None:
    """`readsim compare`."""
    from readsim.plots import draw_all
    from readsim.summary import print_table, results, summarise

    console = Console()
    cells = make_cells(
        world,
        tasks=parse_list(tasks, "tasks"),
        budgets=[parse_tokens(b) for b in parse_list(budgets, "budgets") or []],
        steps=steps,
        allocators=parse_list(allocators, "allocators") or [],
        seeds=parse_seeds(seeds),
        requirement=requirement,
    )
    workers = jobs if jobs is not None else min(len(cells), os.cpu_count() or 1)
    if workers < 1:
        raise ConfigError(f"jobs = {workers!r}: at least 1")
    refuse_other_runs(out, cells)
    kept = f"what is finished is kept in {out}, the same command goes on"
    with (
        interruptible(kept),
        use_backend(backend, workers),
        progress(Console(stderr=True)) as bar,
    ):
        save_world(load_world(world), out / "world.toml")
        job = bar.add_task("runs", total=sum(len(c.seeds) for c in cells))
        seconds = run_cells(
            cells, out, jobs=workers, on_cell=lambda c, _: bar.advance(job, len(c.seeds))
        )
    write_timings(out / "timings.csv", seconds)
    frame = results(out)
    frame.to_csv(out / "results.csv", index=False)
    table, notes = summarise(frame, out / "timings.csv")
    print_table(console, table, notes)
    table.to_csv(out / "summary.csv", index=False)
    figures = draw_all(out)
    console.print(f"run logs, results.csv, summary.csv and {len(figures)} figures are in {out}")


def plot(folder: Path) -> None:
    """`readsim plot`."""
    from readsim.plots import draw_all

    for path in draw_all(folder):
        Console().print(str(path))

"""`readsim compare` and `readsim plot`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import (
    Fresh,
    Requirement,
    Seeds,
    Steps,
    World,
    interruptible,
    need_folder,
    need_target,
    parse_list,
    parse_seeds,
    parse_tasks,
    progress,
    say_read,
)
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.runs.cell import PAPER_ALLOCATORS
from readsim.runs.folder import refuse_other_runs, set_aside, write_timings
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.parallel import checked_jobs, use_backend
from readsim.tree_file import write_frame
from readsim.worlds import load_world, save_world


def compare(
    context: typer.Context,
    world: World = "read8-llama",
    tasks: Annotated[
        str | None,
        typer.Option(help="Names with commas, or weights: math=0.7,code=0.3; all."),
    ] = None,
    budgets: Annotated[str, typer.Option(help="Token budgets, separated by commas.")] = "20M,150M",
    steps: Steps = 20,
    seeds: Seeds = "8",
    allocators: Annotated[
        str,
        typer.Option(help="NAME or module:Class, with +key=value settings; separated by commas."),
    ] = ",".join(PAPER_ALLOCATORS),
    jobs: Annotated[
        int | None,
        typer.Option(help="Parallel processes; as many as cores. Results do not change."),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="What runs the jobs: loky (processes), ray or dask.")
    ] = "loky",
    out: Annotated[
        Path, typer.Option(help="Folder for logs, tables, figures; results/suite with --suite.")
    ] = Path("results/compare"),
    requirement: Requirement = None,
    fresh: Fresh = False,
    equal: Annotated[
        str,
        typer.Option(
            help="What a budget counts: student, the run's own tokens; total, also its searches and pools; "
            "shared, the same with one pool for all tasks."
        ),
    ] = "student",
    suite: Annotated[
        bool,
        typer.Option("--suite", help="All allocators on all presets and on drawn worlds."),
    ] = False,
) -> None:
    """Run allocators on the same seeds and compare them.

    Leaves a table, results.csv and figures.
    """
    if suite:
        _suite(context, allocators, seeds, jobs, backend, out, fresh)
        return
    from readsim.plots import draw_all
    from readsim.summary import print_table, results, summarise

    console = Terminal()
    cells = make_cells(
        world,
        tasks=parse_tasks(tasks),
        budgets=parse_list(budgets, "budgets") or [],
        steps=steps,
        allocators=parse_list(allocators, "allocators") or [],
        seeds=parse_seeds(seeds),
        requirement=requirement,
        equal=equal,
    )
    workers = checked_jobs(min(len(cells), os.cpu_count() or 1) if jobs is None else jobs)
    need_target(out / "results.csv")
    refuse_other_runs(out, cells)
    for note in set_aside(out, cells, fresh=fresh):
        console.print(note, highlight=False)
    kept = f"finished runs are kept in {out}, the same command resumes"
    with (
        interruptible(kept),
        use_backend(backend, workers),
        progress(Terminal(stderr=True)) as bar,
    ):
        save_world(load_world(world), out / "world.toml")
        job = bar.add_task("runs", total=sum(len(c.seeds) for c in cells))
        seconds = run_cells(
            cells, out, jobs=workers, on_cell=lambda c, _: bar.advance(job, len(c.seeds))
        )
    say_read(console, seconds)
    write_timings(out / "timings.csv", seconds)
    frame = results(out)
    write_frame(out / "results.csv", frame)
    table, notes = summarise(frame, out / "timings.csv")
    print_table(console, table, notes)
    write_frame(out / "summary.csv", table)
    figures = draw_all(out)
    console.print(f"run logs, results.csv, summary.csv and {len(figures)} figures are in {out}")


def _suite(
    context: typer.Context,
    allocators: str,
    seeds: str,
    jobs: int | None,
    backend: str,
    out: Path,
    fresh: bool,
) -> None:
    """`--suite`: what the suite chooses itself may not be given, and it has its own defaults."""
    from readsim.cli.suite import compare_suite

    given = {name for name in context.params if _is_given(context, name)}
    if fixed := sorted(given & {"world", "tasks", "budgets", "steps", "requirement", "equal"}):
        raise ConfigError(
            f"--{fixed[0]}: --suite chooses its worlds, tasks, budgets, steps, requirements and what "
            "budgets count"
        )
    compare_suite(
        allocators if "allocators" in given else None,
        seeds if "seeds" in given else None,
        jobs,
        backend,
        out if "out" in given else Path("results/suite"),
        fresh,
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was written on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def plot(
    folder: Annotated[Path, typer.Argument(help="A folder that `compare` wrote.")],
) -> None:
    """Draw the figures of a comparison again from its run logs."""
    need_folder(folder)
    if folder.is_dir():
        need_target(folder / "utility.pdf")
    from readsim.plots import draw_all

    for path in draw_all(folder):
        Terminal().print(str(path))

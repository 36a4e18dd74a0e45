"""What the subcommands do, without the option parsing."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from readsim.allocators.registry import allocator_names, describe, load_allocator
from readsim.allocators.shaping import Shaped
from readsim.amounts import parse_tokens, show_tokens
from readsim.errors import ConfigError
from readsim.experiment import (
    PAPER_ALLOCATORS,
    Cell,
    make_cells,
    run_cell_durably,
    run_cells,
    world_digest,
)
from readsim.parallel import use_backend
from readsim.worlds import World, load_world, optimum, preset_names, save_world

__all__ = ["PAPER_ALLOCATORS", "allocators", "compare", "plot", "run", "worlds"]


def parse_list(text: str | None, name: str) -> list[str] | None:
    """`"a,b"` -> `["a", "b"]`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ConfigError(f"--{name} {text!r}: names separated by commas")
    return parts


def parse_seeds(text: str) -> list[int]:
    """`"8"` -> 0..7; `"3,5"` -> 3 and 5."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--seeds {text!r}: a number of seeds, or seeds separated by commas"
        ) from error
    if len(numbers) > 1:
        return numbers
    if numbers[0] < 1:
        raise ConfigError(f"--seeds {text!r}: at least one seed")
    return list(range(numbers[0]))


def progress(console: Console) -> Progress:
    """The progress bar of every command that takes a while."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """On ctrl-C say how to go on; the exit code 130 is the command line's own."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print(f"interrupted: {advice}", markup=False)
        raise


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


def refuse_other_runs(out: Path, cells: Sequence[Cell]) -> None:
    """A folder holds one comparison: logs of cells that are not asked for are not mixed in."""
    wanted = {cell.file_name for cell in cells}
    others = sorted(p.name for p in (out / "runs").glob("*.jsonl") if p.name not in wanted)
    if others:
        raise ConfigError(
            f"--out {str(out)!r} holds {len(others)} run logs of another comparison "
            f"(such as {others[0]}): choose another folder"
        )
    if (out / "world.toml").is_file():
        here, asked = load_world(out / "world.toml"), load_world(cells[0].world)
        if world_digest(here) != world_digest(asked):
            raise ConfigError(
                f"--out {str(out)!r} holds runs in another world ({here.name}, not {asked.name}): "
                "choose another folder"
            )


def write_timings(path: Path, seconds: dict[Cell, float]) -> None:
    """Seconds in the allocator by cell; cells that were finished before keep their line."""
    import pandas as pd

    rows = [
        {
            "allocator": cell.allocator,
            "task": cell.task,
            "budget": cell.budget,
            "seconds": spent,
            "decisions": cell.steps * len(cell.seeds),
        }
        for cell, spent in seconds.items()
    ]
    table = pd.DataFrame(rows)
    if path.is_file():
        old = pd.read_csv(path).set_index(["allocator", "task", "budget"])["seconds"]
        keys = pd.MultiIndex.from_frame(table[["allocator", "task", "budget"]])
        before = old.reindex(keys).fillna(0.0).to_numpy()
        table["seconds"] = table["seconds"].where(table["seconds"] > 0, before)
    table.to_csv(path, index=False)


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
    from readsim.runlog import read_runlog

    table = Table("seed", "decisions", "student tokens", "final utility")
    for row in read_runlog(out)[1]:
        if row["kind"] == "final":
            spent = show_tokens(row["totals"]["student"])
            table.add_row(str(row["seed"]), str(row["step"]), spent, f"{row['utility']:.4f}")
    console.print(table)
    console.print(f"log: {out}")


def worlds(name: str | None, save: Path | None) -> None:
    """`readsim worlds`."""
    console = Console()
    if name is None:
        if save is not None:
            raise ConfigError("--save needs the name of a world")
        table = Table("world", "S", "K", "dynamics", "about")
        for preset in preset_names():
            world = load_world(preset)
            s, k = world.shape
            table.add_row(preset, str(s), str(k), world.dynamics, escape(world.description))
        console.print(table)
        return
    world = load_world(name)
    if save is not None:
        save_world(world, save)
        console.print(f"saved {world.name} to {save}")
        return
    show_world(console, world)


def show_world(console: Console, world: World) -> None:
    """Names, bounds, one-hot effects and optima of a world."""
    console.print(f"[bold]{world.name}[/]: {escape(world.description)}")
    console.print(f"dynamics {world.dynamics}, link {world.link}")
    table = Table("capability", "start", "floor", "ceiling", "probe items", "shown")
    for j, capability in enumerate(world.capabilities):
        numbers = [f"{v[j]:.4g}" for v in (world.start, world.floor, world.ceiling)]
        shown = "no" if capability in world.hidden else "yes"
        table.add_row(capability, *numbers, f"{world.items[j]:g}", shown)
    console.print(table)
    for budget in (b for b in (20_000_000, 150_000_000) if b <= world.horizon):
        if len(world.capabilities) <= 12:
            unit = "points" if world.is_score else "hundredths"
            table = Table(title=f"one-hot effects of {show_tokens(budget)} tokens, {unit}")
            for column in ("source", *world.capabilities):
                table.add_column(column, justify="left" if column == "source" else "right")
            for source, row in zip(world.sources, world.transfer_matrix(budget), strict=True):
                table.add_row(source, *(f"{100 * v:.1f}" for v in row))
            console.print(table)
        table = Table(title=f"best static allocation of {show_tokens(budget)} tokens")
        for column in ("task", "utility", "method", "allocation"):
            table.add_column(column)
        for name in world.task_names:
            best = optimum(world, world.task(name), budget)
            ranked = sorted(zip(best.allocation, world.sources, strict=True), reverse=True)
            parts = ", ".join(f"{s} {100 * a:.0f}%" for a, s in ranked if a >= 0.005)
            table.add_row(name, f"{best.utility:.4f}", best.method, parts)
        console.print(table)
    for key, text in world.provenance.items():
        console.print(f"[bold]{escape(key)}[/]: {escape(text)}")


def allocators(name: str | None) -> None:
    """`readsim allocators`."""
    console = Console()
    if name is None:
        table = Table("allocator", "rule")
        for known in allocator_names():
            table.add_row(known, escape(describe(known).splitlines()[0]))
        console.print(table)
        return
    allocator = load_allocator(name)
    rule = allocator.inner if isinstance(allocator, Shaped) else allocator
    console.print(f"[bold]{escape(name)}[/] ({type(rule).__module__}:{type(rule).__name__})")
    console.print(escape(describe(name)))
    if allocator.needs:
        console.print(f"needs: {', '.join(sorted(allocator.needs))}")
    rows = allocator.settings()
    if rows:
        table = Table("setting", "value", "provenance")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)


def plot(folder: Path) -> None:
    """`readsim plot`."""
    from readsim.plots import draw_all

    for path in draw_all(folder):
        Console().print(str(path))

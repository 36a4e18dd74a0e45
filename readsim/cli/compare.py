"""`readsim compare` and `readsim plot`."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from readsim.allocators.registry import allocator_names
from readsim.cli.common import (
    Fresh,
    Requirement,
    Steps,
    completed,
    need_folder,
    need_target,
    parse_list,
    parse_seeds,
    parse_tasks,
    progress,
    say_read,
)
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.files.json_text import digest_of
from readsim.runs.cell import PAPER_ALLOCATORS, PAPER_BUDGETS, Cell, folder_name
from readsim.runs.doubts import doubts_of
from readsim.runs.folder import refuse_other_runs, set_aside, write_timings
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.parallel import checked_jobs, use_backend
from readsim.runs.read_logs import run_folders
from readsim.suite.plan import SCALE, SEEDS, default_allocators, joint_plan, make_plan
from readsim.token_counts import parse_tokens
from readsim.tree_file import write_frame
from readsim.worlds import World, load_world, preset_names, save_world
from readsim.worlds.task import task_name, task_words

# What says which runs are made, and what it is where it is not said.
DEFAULTS = {
    "world": "read8-llama",
    "tasks": None,
    "budgets": None,
    "steps": 20,
    "requirement": None,
    "equal": "student",
}
LONG = 60  # letters of a folder's name
FEW_TASKS = 2  # whose weights are said before the table


def compare(
    world: Annotated[
        str,
        typer.Option(
            help="The world to simulate is a preset, a .toml or .json file, a .csv of measured effects, or "
            "random:seed=1,... (drawn at random); several worlds, separated by commas, give one joint table.",
            autocompletion=lambda incomplete: completed(incomplete, preset_names()),
        ),
    ] = "read8-llama",
    tasks: Annotated[
        str | None,
        typer.Option(
            help="These tasks are run: names separated by commas, or one task as weights, math=0.7,code=0.3.",
            show_default="all tasks of the world",
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(
            help="Each run trains on this many tokens; several budgets are separated by commas.",
            show_default="20M,150M; of several worlds, their own",
        ),
    ] = None,
    steps: Steps = 20,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Each run is repeated with this many seeds (8 means seeds 0 to 7), or with the "
            "seeds listed: 3,5, or `3,` for seed 3 alone.",
            show_default="8; 3 with --suite",
        ),
    ] = None,
    allocators: Annotated[
        str | None,
        typer.Option(
            help="These allocators are compared, separated by commas: names or module:Class, "
            "with settings such as +floor=0.05.",
            show_default="the paper's seven; with --suite all",
            autocompletion=lambda incomplete: completed(incomplete, allocator_names()),
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=SPEC runs the allocator SPEC as NAME, in its place where --allocators has it; "
            "the option may be repeated."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="This many processes work in parallel; results do not depend on it.",
            show_default="one for each core",
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="The jobs are run by loky (processes), ray or dask.")
    ] = "loky",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Logs, tables and figures go into this folder.",
            show_default="results/compare, named further by what is run",
        ),
    ] = None,
    requirement: Requirement = None,
    fresh: Fresh = False,
    equal: Annotated[
        str,
        typer.Option(
            help="Budgets are made equal in the tokens of the run itself (student), in those and "
            "the tokens of its searches and offline pools (total), or in total with one pool "
            "shared by all tasks (shared)."
        ),
    ] = "student",
    suite: Annotated[
        bool,
        typer.Option(
            "--suite", help="All allocators are run on all presets and on randomly drawn worlds."
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="The columns are explained below the table, as they are in the first run of a folder.",
        ),
    ] = False,
) -> None:
    """Run allocators on the same seeds and compare them.

    It prints a table, and writes results.csv and figures.
    """
    told: dict[str, object] = {"world": world, "tasks": tasks, "budgets": budgets, "steps": steps}
    told |= {"requirement": requirement, "equal": equal}
    changed = [name for name, value in told.items() if value != DEFAULTS[name]]
    if suite and changed:
        raise ConfigError(
            f"--{changed[0]}: --suite chooses its worlds, tasks, budgets, steps, requirements and what "
            "budgets count"
        )
    from readsim.cli.suite import compare_worlds

    aliases = parse_aliases(alias or [])
    chosen = parse_list(allocators, "allocators")
    given = [text for text in (seeds, allocators) if text is not None]
    shown = [*(str(told[name]) for name in changed), *given, *(alias or [])]
    folder = out or named_folder("suite" if suite else "compare", shown)
    worlds = parse_worlds(world)
    if not suite and len(worlds) == 1:
        cells = make_cells(
            world,
            tasks=parse_tasks(tasks),
            budgets=PAPER_BUDGETS if budgets is None else parse_list(budgets, "budgets") or [],
            steps=steps,
            allocators=with_aliases(chosen or PAPER_ALLOCATORS, aliases),
            seeds=parse_seeds("8" if seeds is None else seeds),
            requirement=requirement,
            equal=equal,
        )
        compare_cells(cells, folder, jobs=jobs, backend=backend, fresh=fresh, explain=explain)
        return
    if suite:
        plan = make_plan(
            with_aliases(chosen or default_allocators(), aliases) if chosen or aliases else None,
            seeds=SEEDS if seeds is None else parse_seeds(seeds),
        )
    else:
        plan = joint_plan(
            worlds,
            with_aliases(chosen or PAPER_ALLOCATORS, aliases),
            tasks=parse_tasks(tasks),
            budgets=parse_list(budgets, "budgets"),
            steps=steps,
            seeds=parse_seeds("8" if seeds is None else seeds),
            requirement=requirement,
            equal=equal,
        )
    compare_worlds(plan, folder, jobs=jobs, backend=backend, fresh=fresh, explain=explain)


def named_folder(kind: str, parts: Sequence[str]) -> Path:
    """`results/KIND` with what differs from the default command, so that no two comparisons meet there."""
    text = folder_name("-".join([kind, *parts]))
    if len(text) > LONG:
        text = f"{text[:LONG]}-{digest_of(list(parts))[:8]}"
    return Path("results") / text


def parse_worlds(text: str) -> list[str]:
    """`"a,b"` -> a and b; `random:seed=1,coupling=.2` and the name of a file are one world."""
    if Path(text).is_file():
        return [text]
    worlds: list[str] = []
    for part in text.split(","):
        if worlds and worlds[-1].startswith("random:") and re.match(r"\w+=", part):
            worlds[-1] += f",{part}"
        else:
            worlds.append(part.strip())
    if not all(worlds):
        raise ConfigError(f"--world {text!r}: expected names separated by commas")
    return worlds


def parse_aliases(texts: Sequence[str]) -> dict[str, str]:
    """`["mine=read+kappa=0.5"]` -> what each name stands for."""
    out: dict[str, str] = {}
    for text in texts:
        name, _, spec = (part.strip() for part in text.partition("="))
        if not name or not spec or set(name) & set("+:,"):
            raise ConfigError(f"--alias {text!r}: expected NAME=SPEC, such as mild=read+kappa=0.5")
        if name in allocator_names() or name in out:
            raise ConfigError(f"--alias {text!r}: {name!r} is already the name of an allocator")
        out[name] = spec
    return out


def with_aliases(names: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """What each name stands for: an alias takes the place of its SPEC among the names, else it comes first.

    What others are measured against (`SCALE`) stays under its own name as well.
    """
    if double := next((name for n, name in enumerate(names) if name in names[:n]), None):
        raise ConfigError(f"allocators: {double!r}: each may appear once")
    called: dict[str, list[str]] = {name: [] for name in names}
    for alias, spec in aliases.items():
        if spec in called and alias not in called:
            called[spec].append(alias)
    placed = {alias for some in called.values() for alias in some}
    wanted = [alias for alias in aliases if alias not in called and alias not in placed]
    for name, instead in called.items():
        wanted += [*instead, name] if name in SCALE else instead or [name]
    return {name: aliases.get(name, name) for name in wanted}


def compare_cells(
    cells: Sequence[Cell], out: Path, *, jobs: int | None, backend: str, fresh: bool, explain: bool
) -> None:
    """One world: run the cells into `out`, print the table, write tables and figures."""
    from readsim.cli.suite import about_aliases, notes_for, write_summary
    from readsim.plots import draw_all
    from readsim.summary import print_table, results, summarise, to_markdown
    from readsim.summary.lead import headline, simulated

    console = Terminal()
    loaded = load_world(cells[0].world)
    about = simulated(loaded.name, loaded)
    workers = checked_jobs(min(len(cells), os.cpu_count() or 1) if jobs is None else jobs)
    need_target(out / "results.csv")
    refuse_other_runs(out, cells)
    doubts = doubts_of(cells)  # refuses before anything is run
    tasks = {task_name(cell.task): cell.task for cell in cells}
    weighed = [
        task_words(task, loaded.task(task), loaded.capabilities)
        for task in tasks.values()
        if len(tasks) <= FEW_TASKS
    ]
    unmatched = no_source_is_asked_for(loaded, {str(cell.allocator) for cell in cells})
    for line in (about, *weighed, *unmatched):
        console.print(line, highlight=False)
    for note in set_aside(out, cells, fresh=fresh):
        console.print(note, highlight=False)
    kept = f"finished runs are kept in {out}, the same command resumes"
    with (
        interruptible(kept),
        use_backend(backend, workers),
        progress(Terminal(stderr=True)) as bar,
    ):
        save_world(loaded, out / "world.toml")
        job = bar.add_task("runs", total=sum(len(c.seeds) for c in cells))
        seconds = run_cells(
            cells, out, jobs=workers, on_cell=lambda c, _: bar.advance(job, len(c.seeds))
        )
    say_read(console, seconds)
    write_timings(out / "timings.csv", seconds)
    frame = results(out)
    write_frame(out / "results.csv", frame)
    table, notes = summarise(frame, out / "timings.csv")
    notes = [*notes, *about_aliases(cells), *doubts]
    lead = headline(table)
    for line in lead:
        console.print(line, highlight=False)
    print_table(console, table, notes_for(out, notes, explain))
    write_frame(out / "summary.csv", table)
    write_summary(out, [about, *weighed, *unmatched, *lead], to_markdown(table), notes)
    figures = draw_all(out)
    console.print(
        f"run logs, results.csv, summary.csv, summary.md and {len(figures)} figures are in {out}"
    )


def no_source_is_asked_for(world: World, allocators: Iterable[str]) -> list[str]:
    """A line where allocators that read shares off the task meet a world whose sources it does not name."""
    blind = [
        a for a in ("task-static", "front-loaded") if a in {n.split("+")[0] for n in allocators}
    ]
    if not blind or set(world.sources) & set(world.capabilities):
        return []
    names = " and ".join(blind)
    line = (
        f"No source of {world.name} is named like a capability ({', '.join(world.sources[:4])}; "
        f"{', '.join(world.capabilities[:4])}), so the task names no source: {names} "
        f"{'are' if len(blind) > 1 else 'is'} the uniform mixture here. Use the best mixture of the world: "
        "`readsim worlds FILE --task ... --budget ...`, or the allocator oracle-static."
    )
    return [line]


def plot(
    folder: Annotated[
        Path, typer.Argument(help="The folder was written by `compare` or `distill`.")
    ],
    tasks: Annotated[
        str | None,
        typer.Option(help="These tasks are drawn, separated by commas.", show_default="all"),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="These budgets are drawn, separated by commas.", show_default="all"),
    ] = None,
) -> None:
    """Redraw the figures of a comparison from its run logs.

    Where the folder holds several worlds, the figures of each are drawn into its own folder.
    """
    need_folder(folder)
    worlds = run_folders(folder)
    for each in worlds:
        if each.is_dir():
            need_target(each / "utility.pdf")
    from readsim.plots import draw_all

    amounts = (
        None if budgets is None else list(map(parse_tokens, parse_list(budgets, "budgets") or []))
    )
    for each in worlds:
        for path in draw_all(each, parse_list(tasks, "tasks"), amounts):
            Terminal().print(str(path))

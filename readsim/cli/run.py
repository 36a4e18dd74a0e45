"""`readsim run`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from readsim.cli.common import (
    From,
    KeepState,
    Requirement,
    Seeds,
    Steps,
    need_target,
    parse_seeds,
    progress,
)
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.envs.env import DEFAULT_BUDGET, DEFAULT_WORLD
from readsim.errors import ConfigError
from readsim.runs.cell import log_place
from readsim.runs.foreign import load_backend, run_backend
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.moved_state import read_state
from readsim.runs.one import resume_words
from readsim.runs.read_logs import read_log
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world
from readsim.worlds.task import task_words

OnStep = Callable[[int], None]


def run(
    world: Annotated[
        str | None,
        typer.Option(
            help="The run is simulated in this world, given as for `readsim compare`.",
            show_default="read8-llama where there is no --backend",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Your own backend trains instead of a simulated world: module:factory, with "
            "settings as +key=value."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="The run is scored on this task: a name, or weights (math=0.7,code=0.3).",
            show_default="the world's first; average for a backend",
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="The student trains on this many tokens.", show_default="20M")
    ] = None,
    steps: Steps = 20,
    seeds: Seeds = "1",
    allocator: Annotated[
        str,
        typer.Option(
            help="This allocator decides: a name or module:Class; read+guard=0.02 sets one of its settings."
        ),
    ] = "read",
    out: Annotated[
        Path,
        typer.Option(
            help="The run log is written to this .jsonl file, or into this folder, which `plot` "
            "and `report` read."
        ),
    ] = Path("results/run.jsonl"),
    resume: Annotated[
        bool, typer.Option("--resume", help="An interrupted run continues where its log ends.")
    ] = False,
    requirement: Requirement = None,
    began: From = None,
    keep_state: KeepState = None,
) -> None:
    """Run one allocator and log every decision.

    `--resume` continues a run that was interrupted.
    """
    console, numbers, chosen = Terminal(), parse_seeds(seeds), task
    tokens = None if budget is None else parse_tokens(budget)
    if keep_state is not None:
        if len(numbers) > 1:
            raise ConfigError(f"--keep-state: {len(numbers)} runs have a state each; give one seed")
        need_target(keep_state)
    moved: dict[str, Any] = {
        "began": None if began is None else read_state(began),
        "keep": keep_state,
    }
    if backend is None:
        name = world if world is not None else DEFAULT_WORLD
        [cell] = make_cells(
            name,
            tasks=[chosen if chosen is not None else load_world(name).task_names[0]],
            budgets=[DEFAULT_BUDGET if tokens is None else tokens],
            steps=steps,
            allocators=[allocator],
            seeds=numbers,
            requirement=requirement,
        )

        path, loaded = log_place(out, cell.file_name), load_world(cell.world)
        need_target(path)
        weighed = task_words(cell.task, loaded.task(cell.task), loaded.capabilities)
        console.print(weighed, highlight=False)
        if resume:
            console.print(resume_words(path, steps), highlight=False)

        def work(on_step: OnStep) -> list[Path]:
            run_cell(cell, path, resume=resume, durable=True, on_step=on_step, **moved)
            return [path]

    else:
        if world is not None:
            raise ConfigError(
                f"--world {world!r} and --backend {backend!r} exclude each other: give one of them"
            )
        if len(numbers) > 1 and log_place(out, "") == out:
            raise ConfigError(
                f"--out {str(out)!r}: {len(numbers)} runs of a backend have a log each; give a folder"
            )
        factory = load_backend(backend)

        said: list[str] = []  # the task is the same for each seed

        def say(text: str) -> None:
            if text not in said:
                console.print(text, highlight=False)
                said.append(text)

        need_target(log_place(out, "log.jsonl"))

        def work(on_step: OnStep) -> list[Path]:
            return [
                run_backend(
                    factory,
                    allocator,
                    seed,
                    out,
                    task="average" if chosen is None else chosen,
                    budget=tokens,
                    steps=steps,
                    requirement=requirement,
                    resume=resume,
                    on_step=on_step,
                    say=say,
                    **moved,
                )
                for seed in numbers
            ]

    kept = f"every decision is in {out}; the same command with --resume resumes the run"
    with interruptible(kept), progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("decisions", total=steps * len(numbers))
        paths = work(lambda n: bar.advance(job, n))
    table = Table("seed", "decisions", "student tokens", "final utility")
    for row in (row for path in paths for row in read_log(path).finals):
        spent = show_tokens(row.totals["student"])
        table.add_row(str(row.seed), str(row.step), spent, f"{row.utility:.4f}")
    console.print(table)
    for path in paths:
        console.print(f"log: {path}", highlight=False)

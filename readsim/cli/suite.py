"""`readsim compare` in several worlds: those that are named, or the suite's."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from readsim.cli.common import need_target, progress, say_read
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.runs.cell import Cell
from readsim.runs.doubts import doubts_of
from readsim.runs.parallel import checked_jobs, use_backend
from readsim.suite.plan import Comparison
from readsim.suite.run import Trouble, run_suite
from readsim.suite.scores import read_scores
from readsim.suite.table import (
    COLUMNS,
    SIMULATED_WORLDS,
    improvement_table,
    left_out_lines,
    suite_notes,
    suite_table,
    top_lines,
    world_columns,
    world_table,
)
from readsim.summary.show import Column, markdown, markdown_rows, print_fitting, text_table
from readsim.summary.table import about_training
from readsim.tree_file import write_atomic, write_frame
from readsim.worlds import load_world

SUMMARY = "summary.md"
BY_WORLD = "mean points minus task-static in each world, ± 95 % over seeds"


def compare_worlds(
    plan: Sequence[Comparison],
    out: Path,
    *,
    jobs: int | None,
    backend: str,
    fresh: bool = False,
    explain: bool = False,
) -> None:
    """Several worlds: `summary.csv`, `summary.md`, `problems.csv` and a figure in `out`."""
    console = Terminal()
    workers = checked_jobs(os.cpu_count() or 1 if jobs is None else jobs)
    need_target(out / "summary.csv")
    console.print(SIMULATED_WORLDS, highlight=False)
    console.print(about(plan), highlight=False)
    kept = f"finished runs are kept in {out}, the same command resumes"
    with (
        interruptible(kept),
        use_backend(backend, workers),
        progress(Terminal(stderr=True)) as bar,
    ):
        clock = Clock(plan, workers, bar)
        troubles = run_suite(
            plan, out, jobs=workers, fresh=fresh, on_cell=clock.cell, say=console.print
        )
    say_read(console, clock.seconds)
    report(console, plan, out, troubles, explain)


def about_aliases(cells: Sequence[Cell]) -> list[str]:
    """What names that the user gave stand for."""
    known = {cell.allocator_name: str(cell.allocator) for cell in cells}
    named = [f"{name} is {spec}" for name, spec in known.items() if name != spec]
    specs = [spec for name, spec in known.items() if name != spec]
    return [f"Names: {'; '.join(named)}.", *about_training(specs)] if named else []


def notes_for(out: Path, notes: Sequence[str], explain: bool) -> list[str]:
    """The notes of a table once a folder, and when they are asked for; else where they are."""
    written = out / SUMMARY
    if explain or not written.is_file():
        return list(notes)
    return [f"What the columns are: --explain, or {written}."]


def write_summary(out: Path, lead: Sequence[str], table: str, notes: Sequence[str]) -> None:
    """The table as Markdown, below what matters and above its notes."""
    parts = [*(f"{line}\n" for line in lead), table, *(f"* {note}" for note in notes), ""]
    write_atomic(out / SUMMARY, "\n".join(parts).encode())


def about(plan: Sequence[Comparison]) -> str:
    """What will be run, in words."""
    cells = [cell for comparison in plan for cell in comparison.cells]
    allocators = dict.fromkeys(cell.allocator_name for cell in cells)
    runs = sum(len(cell.seeds) for cell in cells)
    return (
        f"{len(plan)} worlds x {len(allocators)} allocators, {len(cells[0].seeds)} seeds: {len(cells)} "
        f"cells, {runs} runs of {cells[0].steps} steps. How long it takes is known after the first world."
    )


class Clock:
    """The progress bar, with the time left judged by what each allocator took so far."""

    def __init__(self, plan: Sequence[Comparison], jobs: int, bar: Progress) -> None:
        self.left = [cell for comparison in plan for cell in comparison.cells]
        self.jobs, self.bar = jobs, bar
        self.job = bar.add_task("cells", total=len(self.left))
        self.took: dict[str, list[float]] = {}
        self.seconds: dict[Cell, float] = {}

    def cell(self, cell: Cell, seconds: float) -> None:
        """A cell is over; `seconds` is 0 if it was before."""
        self.left.remove(cell)
        self.seconds[cell] = seconds
        if seconds > 0:
            self.took.setdefault(cell.allocator_name, []).append(seconds)
        self.bar.update(self.job, advance=1, description=self.words())

    def words(self) -> str:
        """`cells, about 4 min left`, once every allocator that is left was seen."""
        if not {cell.allocator_name for cell in self.left} <= self.took.keys():
            return "cells"
        mean = {name: sum(values) / len(values) for name, values in self.took.items()}
        seconds = sum(mean[cell.allocator_name] for cell in self.left) / self.jobs
        return f"cells, about {seconds / 60.0:.0f} min left"


def report(
    console: Console,
    plan: Sequence[Comparison],
    out: Path,
    troubles: Sequence[Trouble],
    explain: bool,
) -> None:
    """Table, figure and problems of finished runs in several worlds."""
    from readsim.plots.style import save, sober
    from readsim.suite.features import draw_features, feature_cases, feature_table
    from readsim.suite.figure import draw_suite

    scores = read_scores(plan, out)
    table = suite_table(scores)
    cells = [cell for comparison in plan for cell in comparison.cells]
    failed = {(trouble.folder, trouble.cell.file_name) for trouble in troubles}
    doubts = doubts_of(
        cell
        for comparison in plan
        for cell in comparison.cells
        if (comparison.folder, cell.file_name) not in failed
    )
    notes = [*suite_notes(scores), *about_aliases(cells), *doubts]
    lead = top_lines(table, scores)
    for line in lead:
        console.print(line, highlight=False)
    by_world = world_table(scores).set_index("allocator").loc[table["allocator"]].reset_index()
    worlds = world_columns(scores)
    shown = notes_for(out, notes, explain)
    if shown != notes:  # what is left out is said each time
        shown = [*left_out_lines(scores), *shown]
    text = ""
    for rows, columns, title in ((table, COLUMNS, None), (by_world, worlds, BY_WORLD)):
        if columns:
            print_fitting(console, columns, partial(_tables, rows, title), ())
            text += f"{title}:\n\n" if title else ""
            lines = markdown_rows(rows, columns, None)
            text += markdown(["allocator", *(c.header for c in columns)], lines, text=1) + "\n"
    for line in shown:
        console.print(line, highlight=False)
    write_frame(out / "summary.csv", table)
    write_frame(out / "worlds.csv", by_world)
    write_summary(out, [SIMULATED_WORLDS, *lead], text, notes)
    by_feature = feature_cases(scores, {c.folder: load_world(c.world) for c in plan})
    write_frame(out / "improvement.csv", improvement_table(scores))
    write_frame(out / "features.csv", feature_table(scores, by_feature))
    with sober():
        figures = save(draw_suite(scores, table), out / "suite")
        if by_feature:
            figures += save(draw_features(scores, table, by_feature), out / "features")
    _report_troubles(console, troubles, out)
    console.print(
        f"summary.csv, summary.md, worlds.csv, improvement.csv, features.csv and {len(figures)} figures are "
        f"in {out}, one comparison a world in its folders (`readsim plot` draws them)",
        highlight=False,
    )


def _tables(rows: pd.DataFrame, title: str | None, columns: Sequence[Column]) -> list[Table]:
    return [text_table(rows, columns, None, title)]


def _report_troubles(console: Console, troubles: Sequence[Trouble], out: Path) -> None:
    """What has no result, an allocator a line, and all of it in problems.csv."""
    rows = [
        {
            "allocator": t.cell.allocator_name,
            "world": t.folder,
            "task": t.cell.task_name,
            "budget": t.cell.budget,
            "outcome": "failed" if t.applicable else "not applicable here",
            "error": t.problem.kind,
            "message": t.problem.text,
        }
        for t in troubles
    ]
    names = ("allocator", "world", "task", "budget", "outcome", "error", "message")
    frame = pd.DataFrame(rows, columns=list(names))
    write_frame(out / "problems.csv", frame)
    for (name, outcome), part in frame.groupby(["allocator", "outcome"], sort=False):
        worlds = list(dict.fromkeys(part["world"]))
        shown = ", ".join(worlds[:3]) + (f" and {len(worlds) - 3} more" if len(worlds) > 3 else "")
        first = part.iloc[0]
        console.print(
            f"{name}: {outcome} ({shown}): {first['error']}: {first['message']}",
            highlight=False,
        )

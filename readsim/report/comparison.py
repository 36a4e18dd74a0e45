"""The part of a report that shows one comparison, from its run logs."""

from pathlib import Path

import pandas as pd

from readsim.plots import draw_allocation, draw_spillover, draw_utility
from readsim.plots.style import sober, to_svg
from readsim.report.changes import changes_section
from readsim.report.provenance import listed, provenance_section, world_beside
from readsim.report.reading import Group
from readsim.report.render import Figure, Part, Section
from readsim.report.statistics import results_section, statistics_section
from readsim.report.trained import trained_section
from readsim.report.transfer import transfer_section
from readsim.summary import summarise
from readsim.summary.grid import Grid, make_grid
from readsim.summary.lead import headline, origin
from readsim.summary.results import results_of
from readsim.summary.show import fixed
from readsim.token_counts import show_tokens


def comparison_part(group: Group, folder: Path, left_out: list[str]) -> Part:
    """All sections of one comparison. Raises RunLogError as `readsim.summary`."""
    frame = results_of(group.logs)
    grid = make_grid(frame)
    timings = folder / "timings.csv"
    table, notes = summarise(frame, timings if timings.is_file() else None)
    trained = trained_section(group.logs)
    return Part(
        title=_title(grid, group.is_real),
        kind="distillation" if group.is_real else "comparison",
        lead=[*headline(table), *_apart(group)],
        sections=[
            results_section(table, notes),
            _curves(group, grid, table),
            _allocation(group, grid),
            *([] if trained is None else [trained]),
            changes_section(group.logs, grid),
            _spillover(grid, table),
            transfer_section(group.logs, grid),
            statistics_section(table),
            provenance_section(group, folder),
        ],
        left_out=[*left_out, *group.left_out],
        origin=origin(group.logs[0].header, world_beside(folder, group.logs[0].header)),
    )


def _apart(group: Group) -> list[str]:
    if not group.apart:
        return []
    return [f"Not compared with the runs above: these differ in {listed(group.apart)}."]


def _title(grid: Grid, real: bool) -> str:
    """`read8-llama: 7 allocators, 8 tasks, ...`; real runs share one task and budget, which are named."""
    world = grid.frame["world"].iloc[0]
    if real:
        world = f"{world}, {grid.tasks[0]}, {show_tokens(grid.budgets[0])} tokens"
    counts = {
        "allocator": len(grid.allocators),
        "task": len(grid.tasks),
        "budget": len(grid.budgets),
    }
    counts = {"method": len(grid.allocators)} if real else counts
    counts["seed"] = len(grid.seeds)
    shown = [f"{n} {word}" + "s" * (n > 1) for word, n in counts.items()]
    return f"{world}: {', '.join(shown)}"


def _ends(table: pd.DataFrame, grid: Grid) -> str:
    """`At 150M: read 42.61, task-static 41.20, ...` for alternative texts."""
    rows = table[table["budget"] == grid.budgets[-1]].sort_values(
        "utility", ascending=False, kind="stable"
    )
    digits = 4 if table["unit"].iloc[0] == "loss" else 2
    shown = [f"{row['allocator']} {fixed(row['utility'], digits)}" for _, row in rows.iterrows()]
    return f"Final utility at {show_tokens(grid.budgets[-1])} tokens: {listed(shown)}."


def _curves(group: Group, grid: Grid, table: pd.DataFrame) -> Section:
    with sober():
        svg = to_svg(draw_utility(group.logs, grid))
    return Section(
        "How utility grew",
        (),
        [
            Figure(
                name="utility",
                title="Measured utility over tokens",
                alt=f"Lines: gain in measured utility over tokens trained on, a row per budget. "
                f"{_ends(table, grid)} All numbers are in the table of results.",
                caption="Left the gain since the start; right the paired difference to the reference.",
                svg=svg,
            )
        ],
    )


def _allocation(group: Group, grid: Grid) -> Section:
    with sober():
        svg = to_svg(draw_allocation(group.logs, grid))
    sources = listed(group.logs[0].header.sources)
    return Section(
        "What the tokens went to",
        (),
        [
            Figure(
                name="allocation",
                title="Allocation over steps",
                alt=f"Stacked areas: share of the tokens that each source got at each step at "
                f"{show_tokens(grid.budgets[-1])} tokens, a row an allocator, a column a task. "
                f"Sources: {sources}.",
                caption=f"Budget {show_tokens(grid.budgets[-1])}. A full column is all tokens of a step.",
                svg=svg,
            )
        ],
    )


def _spillover(grid: Grid, table: pd.DataFrame) -> Section:
    title = "Gain of the target, loss of the rest"
    if not grid.frame["negative"].notna().all():
        return Section(
            title, ["There is no capability beside the target, so nothing that could fall."]
        )
    with sober():
        svg = to_svg(draw_spillover(grid))
    rows = table[table["budget"] == grid.budgets[-1]]
    digits = 4 if table["unit"].iloc[0] == "loss" else 2
    shown = [
        f"{row['allocator']} {fixed(row['on_target'], digits, '+')} and {fixed(row['negative'], digits)}"
        for _, row in rows.iterrows()
    ]
    return Section(
        title,
        (),
        [
            Figure(
                name="spillover",
                title="Gain of the target against drops beside it",
                alt=f"A point an allocator: mean drop beside the target across, gain of the target up. At "
                f"{show_tokens(grid.budgets[-1])} tokens (gain and drop): {listed(shown)}.",
                caption="Up and left is better. Left of the dotted line drops are no more than noise shows.",
                svg=svg,
            )
        ],
    )

"""The part of a report that shows one comparison, from its run logs."""

from pathlib import Path

import pandas as pd

from readsim.plots import draw_spillover
from readsim.plots.allocation import allocation_panels, ordered_tasks
from readsim.plots.style import sober, to_svg
from readsim.plots.utility import luck_note, utility_panels
from readsim.report.changes import changes_section
from readsim.report.provenance import listed, provenance_section, world_beside
from readsim.report.reading import Group
from readsim.report.render import Figure, Part, Section
from readsim.report.statistics import results_section, statistics_section
from readsim.report.tasks import task_tables
from readsim.report.trained import trained_section
from readsim.report.transfer import transfer_section
from readsim.runs.comparing import method_of
from readsim.summary import summarise
from readsim.summary.grid import Grid, make_grid
from readsim.summary.lead import headline, origin
from readsim.summary.results import results_of
from readsim.summary.show import fixed
from readsim.token_counts import show_tokens

PANELS = 80  # of allocations on a page


def comparison_part(group: Group, folder: Path, left_out: list[str]) -> Part:
    """All sections of one comparison. Raises RunLogError as `readsim.summary`."""
    frame = results_of(group.logs)
    grid = make_grid(frame)
    timings = folder / "timings.csv"
    table, notes = summarise(frame, timings if timings.is_file() else None)
    trained = trained_section(group.logs)
    return Part(
        title=_title(grid, group),
        kind="distillation" if group.is_real else "comparison",
        lead=[*headline(table), *_apart(group)],
        sections=[
            results_section(table, notes),
            _curves(group, grid, table),
            _allocation(group, grid),
            *([] if trained is None else [trained]),
            changes_section(group.logs, grid),
            _spillover(group, grid, table),
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


def _title(grid: Grid, group: Group) -> str:
    """`read8-llama: 7 allocators, 8 tasks, ...`; real runs share one task and budget, which are named, and
    may be of several methods of distillation."""
    world = grid.frame["world"].iloc[0]
    counts = {
        "allocator": len(grid.allocators),
        "task": len(grid.tasks),
        "budget": len(grid.budgets),
    }
    if group.is_real:
        world = f"{world}, {grid.tasks[0]}, {show_tokens(grid.budgets[0])} tokens"
        headers = group.headers.values()
        counts = {"allocator": len({header.allocator for header in headers})}
        methods = {method_of(header) for header in headers}
        counts |= {"method": len(methods)} if len(methods) > 1 else {}
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
        svgs = [to_svg(panel) for panel in utility_panels(group.logs, grid)]
    figure = Figure(
        name="utility",
        title="Measured utility over tokens",
        alt=f"Lines: gain in measured utility over tokens trained on, of each budget. "
        f"{_ends(table, grid)} All numbers are in the table of results.",
        caption="The gain since the start, and the paired difference to the reference. Means over tasks "
        "and seeds. Lines: probe split. Marks: test split, other items, so a mark may lie off its line."
        f"{luck_note(group.logs)} Bands and bars: 95 % intervals over seeds, cut where they leave the panel; "
        "no bands of more than twelve.",
        svgs=svgs,
        names=grid.allocators,
    )
    return Section("How utility grew", (), [figure, *task_tables(grid)])


def _allocation(group: Group, grid: Grid) -> Section:
    """Small multiples, a panel a task, at the largest budget; as many as a page can bear."""
    budget, most = grid.budgets[-1], max(1, PANELS // len(grid.allocators))
    tasks = ordered_tasks(group.logs, grid)
    with sober():
        drawn = allocation_panels(group.logs, grid, budget, tasks[:most])
        svgs = [to_svg(figure) for figure in drawn]
    sources = listed(group.logs[0].header.sources)
    text = []
    if len(tasks) > most or len(grid.budgets) > 1:
        part = f"{most} of {len(tasks)} tasks" if len(tasks) > most else "all tasks"
        draws = f"readsim plot FOLDER --tasks NAME --budgets {show_tokens(grid.budgets[0])}"
        text = [f"Shown are {part} at {show_tokens(budget)} tokens; `{draws}` draws the others."]
    figure = Figure(
        name="allocation",
        title="Allocation over steps",
        alt=f"Share of the tokens that each source got at each step at {show_tokens(budget)} tokens, a row "
        f"an allocator, a panel a task. Sources: {sources}.",
        caption=f"Budget {show_tokens(budget)}. Up to 12 sources are stacked, and a full column is all "
        "tokens of a step; of more, each is a row, darker for a larger share.",
        svgs=svgs,
        names=[*grid.allocators, *group.logs[0].header.sources, *grid.tasks],
    )
    return Section("What the tokens went to", text, [figure])


def _spillover(group: Group, grid: Grid, table: pd.DataFrame) -> Section:
    title = "Gain of the target, loss of the rest"
    if not grid.frame["negative"].notna().all():
        return Section(
            title, ["There is no capability beside the target, so nothing that could fall."]
        )
    with sober():
        scene = group.logs[0].header.scene
        svgs = [to_svg(draw_spillover(grid.at_budget(b), scene)) for b in grid.budgets]
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
                svgs=svgs,
                names=grid.allocators,
            )
        ],
    )

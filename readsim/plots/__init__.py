"""Figures of a comparison, from its run logs alone."""

from collections.abc import Sequence
from pathlib import Path

import readsim.plots.any_backend  # noqa: F401  # before anything that loads matplotlib
from readsim.errors import unknown
from readsim.plots.allocation import draw_allocation
from readsim.plots.spillover import draw_spillover
from readsim.plots.style import save, sober
from readsim.plots.utility import draw_utility
from readsim.runs.cell import folder_name
from readsim.runs.read_logs import Log, read_logs
from readsim.summary.grid import make_grid
from readsim.summary.results import results_of
from readsim.token_counts import show_tokens

__all__ = ["draw_all", "draw_allocation", "draw_spillover", "draw_utility"]


def draw_all(
    folder: str | Path, tasks: Sequence[str] | None = None, budgets: Sequence[int] | None = None
) -> list[Path]:
    """Draw `utility`, `allocation` and `spillover` (.pdf, .png and .svg) into `folder`: the files.

    With `tasks` or `budgets` of these alone, each task and budget of the allocations, under names that say
    so (`utility-math-20M`).

    Without a capability other than the target there is no spillover, so no such figure. The same logs
    give the same files. Raises RunLogError for logs that are not one complete comparison, and
    UnknownNameError for a task or budget that it has not.
    """
    folder = Path(folder)
    logs = read_logs(folder)
    chosen = tasks is not None or budgets is not None
    if chosen:
        logs = _chosen(logs, tasks, budgets)
    grid = make_grid(results_of(logs))
    shown = [*(tasks or ()), *(show_tokens(budget) for budget in budgets or ())]
    end = folder_name("-".join(["", *shown])) if chosen else ""
    paths: list[Path] = []
    with sober():
        paths += save(draw_utility(logs, grid), folder / f"utility{end}")
        if chosen:
            for budget in grid.budgets:
                figure = draw_allocation(logs, grid, budget=budget, most=len(grid.tasks))
                at = f"-at-{show_tokens(budget)}" if len(grid.budgets) > 1 else ""
                paths += save(figure, folder / f"allocation{end}{at}")
        else:
            paths += save(draw_allocation(logs, grid), folder / "allocation")
        if grid.frame["negative"].notna().all():
            scene = logs[0].header.scene
            paths += save(draw_spillover(grid, scene), folder / f"spillover{end}")
    return paths


def _chosen(
    logs: Sequence[Log], tasks: Sequence[str] | None, budgets: Sequence[int] | None
) -> list[Log]:
    """The logs of some tasks and budgets. Raises UnknownNameError for one that none has."""
    known = {log.header.task for log in logs}
    amounts = {log.header.budget for log in logs}
    for task in tasks or ():
        if task not in known:
            raise unknown("task", task, sorted(known))
    for budget in budgets or ():
        if budget not in amounts:
            raise unknown("budget", show_tokens(budget), [show_tokens(b) for b in sorted(amounts)])
    return [
        log
        for log in logs
        if (tasks is None or log.header.task in tasks)
        and (budgets is None or log.header.budget in budgets)
    ]

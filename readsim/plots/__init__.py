"""Figures of a comparison, from its run logs alone."""

from pathlib import Path

import readsim.plots.any_backend  # noqa: F401  # before anything that loads matplotlib
from readsim.plots.allocation import draw_allocation
from readsim.plots.spillover import draw_spillover
from readsim.plots.style import save, sober
from readsim.plots.utility import draw_utility
from readsim.runs.read_logs import read_logs
from readsim.summary.grid import make_grid
from readsim.summary.results import results_of

__all__ = ["draw_all", "draw_allocation", "draw_spillover", "draw_utility"]


def draw_all(folder: str | Path) -> list[Path]:
    """Draw `utility`, `allocation` and `spillover` (.pdf, .png and .svg) into `folder`: the files.

    Without a capability other than the target there is no spillover, so no such figure. The same logs
    give the same files. Raises RunLogError for logs that are not one complete comparison.
    """
    folder = Path(folder)
    logs = read_logs(folder)
    grid = make_grid(results_of(logs))
    paths: list[Path] = []
    with sober():
        paths += save(draw_utility(logs, grid), folder / "utility")
        paths += save(draw_allocation(logs, grid), folder / "allocation")
        if grid.frame["negative"].notna().all():
            paths += save(draw_spillover(grid), folder / "spillover")
    return paths

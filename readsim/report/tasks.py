"""Tables: what each allocator gained over the reference on each task."""

import numpy as np
import pandas as pd

from readsim.report.changes import Effects, coloured, decimals_of
from readsim.report.render import Table, text_cells
from readsim.stats import benjamini_hochberg, t_test
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.summary.results import declared_scale
from readsim.summary.table import REFERENCE
from readsim.token_counts import show_tokens


def task_tables(grid: Grid) -> list[Table]:
    """A table a budget of each task's mean difference to the reference; none of one task, or without it."""
    if len(grid.tasks) < 2 or REFERENCE not in grid.allocators:
        return []
    declared = declared_scale(grid.frame)
    lengths = [len(axis) for axis in grid[1:]]
    utility = declared.factor * grid.frame["utility"].to_numpy(dtype=float).reshape(lengths)
    apart = utility - utility[:, [grid.allocators.index(REFERENCE)]]
    tables = []
    for b, budget in enumerate(grid.budgets):
        each = np.moveaxis(apart[b], 1, 2)  # allocators, tasks, seeds
        p = np.array([t_test(d) for d in each.reshape(-1, each.shape[-1])]).reshape(each.shape[:2])
        half = half_width(each)
        found = Effects(each.mean(axis=-1), half, p, benjamini_hochberg(p), "seeds")
        cells = coloured(found, 1.0, decimals_of(found.mean))
        rows = [[*text_cells([n]), *line] for n, line in zip(grid.allocators, cells, strict=True)]
        index = pd.MultiIndex.from_product(
            [grid.allocators, grid.tasks], names=["allocator", "task"]
        )
        numbers = index.to_frame(index=False)
        numbers["difference"], numbers["half_width"] = found.mean.ravel(), half.ravel()
        numbers["p_value"], numbers["p_adjusted"] = p.ravel(), found.adjusted.ravel()
        tables.append(
            Table(
                name=f"tasks-{show_tokens(budget)}",
                caption=f"Final utility on each task minus {REFERENCE}, {declared.shown}, budget "
                f"{show_tokens(budget)}",
                headers=["allocator", *grid.tasks],
                rows=rows,
                heads=1,
                numbers=numbers,
                notes=[found.about()],
                is_map=True,
            )
        )
    return tables

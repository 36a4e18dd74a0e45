"""Section: what training on one source alone does to every capability."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.report.changes import coloured, decimals_of, effects, final_changes, names_of
from readsim.report.render import Section, Table, text_cells
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid
from readsim.summary.results import declared_scale
from readsim.token_counts import show_tokens

TITLE = "Transfer"
ONE_HOT = "one-hot"


def transfer_section(logs: Sequence[Log], grid: Grid) -> Section:
    """A heat map per budget from the runs of `one-hot`; in words why, where there are none."""
    alone = trained_alone(logs)
    if not alone:
        return Section(
            TITLE,
            [
                f"No heat map: no run of {ONE_HOT} here trained on one source alone; it takes one per source."
            ],
        )
    sources = [s for s in logs[0].header.sources if s in alone.values()]
    missing = [s for s in logs[0].header.sources if s not in sources]
    text = [
        "Rows: the one source trained on (runs of one-hot). Columns: change on the test split; - is harm."
    ]
    if missing:
        shown = ", ".join(missing[:5]) + (
            f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        )
        text.append(
            f"{len(sources)} of {len(sources) + len(missing)} sources were trained on alone; rows of {shown} "
            "are missing."
        )
    return Section(
        TITLE, text, [_map(logs, grid, alone, sources, b) for b in range(len(grid.budgets))]
    )


def trained_alone(logs: Sequence[Log]) -> dict[str, str]:
    """Task -> the one source that all steps of all runs of one-hot on it were spent on."""
    used: dict[str, set[str]] = {}
    for log in logs:
        if log.header.allocator == ONE_HOT:
            names = log.header.sources
            for row in log.steps:
                if row.tokens > 0:
                    share = row.allocation
                    one = share.max() >= 1.0 - 1e-9
                    used.setdefault(log.header.task, set()).add(
                        names[int(share.argmax())] if one else ""
                    )
    return {task: next(iter(s)) for task, s in used.items() if len(s) == 1 and "" not in s}


def matrix(
    change: Array, alone: dict[str, str], tasks: Sequence[str], sources: Sequence[str]
) -> Array:
    """From changes (tasks, R, K) those of each source (S, R, K), over tasks that train on it."""
    by_source = [
        np.mean([change[t] for t, task in enumerate(tasks) if alone.get(task) == source], axis=0)
        for source in sources
    ]
    return np.array(by_source)


def _map(
    logs: Sequence[Log], grid: Grid, alone: dict[str, str], sources: Sequence[str], b: int
) -> Table:
    header, budget = logs[0].header, grid.budgets[b]
    declared = declared_scale(grid.frame)
    scale, unit = declared.factor, declared.shown
    change, sd = (part[b, grid.allocators.index(ONE_HOT)] for part in final_changes(logs, grid))
    found = effects(
        matrix(change, alone, grid.tasks, sources), matrix(sd, alone, grid.tasks, sources)
    )
    names = names_of(header.capabilities, header.hidden)
    cells = coloured(found, scale, decimals_of(scale * found.mean))
    numbers = np.stack([scale * found.mean, scale * found.half, found.p, found.adjusted])
    columns = ("effect", "half_width", "p_value", "p_adjusted")
    frame = pd.MultiIndex.from_product(
        [list(sources), names], names=["source", "capability"]
    ).to_frame(index=False)
    for name, values in zip(columns, numbers, strict=True):
        frame[name] = values.ravel()
    return Table(
        name=f"transfer-{show_tokens(budget)}",
        caption=f"Effect of {show_tokens(budget)} tokens of one source on each capability, {unit}",
        headers=["source", *names],
        rows=[[*text_cells([s]), *line] for s, line in zip(sources, cells, strict=True)],
        heads=1,
        numbers=frame,
        notes=[found.about()],
        is_map=True,
    )

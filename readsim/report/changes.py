"""Section: which capability rose or fell under which allocator, by how much, and which drops are sure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.report.effects import Effects, coloured, decimals_of, effects, names_of
from readsim.report.render import Section, Table, text_cells
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid
from readsim.summary.results import is_loss
from readsim.summary.show import number
from readsim.token_counts import show_tokens

MOST = 25  # drops on the page


def final_changes(logs: Sequence[Log], grid: Grid) -> tuple[Array, Array]:
    """The change that the test split measured, and its standard error: (B, A, tasks, R, K) each."""
    shape = tuple(len(axis) for axis in (grid.budgets, grid.allocators, grid.tasks, grid.seeds))
    k = len(logs[0].header.capabilities)
    change, sd = np.empty((*shape, k)), np.empty((*shape, k))
    for log in logs:
        b = grid.budgets.index(log.header.budget)
        a = grid.allocators.index(log.header.allocator)
        t = grid.tasks.index(log.header.task)
        for row in log.finals:
            r = grid.seeds.index(row.seed)
            change[b, a, t, r] = row.final_change
            sd[b, a, t, r] = row.final_change_sd
    return change, sd


def changes_section(logs: Sequence[Log], grid: Grid) -> Section:
    """A heat map a budget of means over tasks; the drops on single tasks that are told apart from zero."""
    change, sd = final_changes(logs, grid)
    scale, unit = (1.0, "loss") if is_loss(grid.frame) else (100.0, "points")
    maps = [_map(logs, grid, b, change[b], sd[b], scale, unit) for b in range(len(grid.budgets))]
    single = effects(change, sd)  # over budgets, allocators, tasks and capabilities
    return Section(
        "What rose and what fell", _words(single), [*maps, _drops(logs, grid, single, scale, unit)]
    )


def _map(
    logs: Sequence[Log], grid: Grid, b: int, change: Array, sd: Array, scale: float, unit: str
) -> Table:
    header, budget = logs[0].header, grid.budgets[b]
    mean_sd = np.sqrt((sd**2).sum(axis=1)) / len(grid.tasks)  # tasks are trained and tested apart
    found = effects(change.mean(axis=1), mean_sd)
    names = names_of(header.capabilities, header.hidden)
    cells = coloured(found, scale, decimals_of(scale * found.mean))
    over = f"means over {len(grid.tasks)} tasks" if len(grid.tasks) > 1 else f"task {grid.tasks[0]}"
    rows = [[*text_cells([name]), *line] for name, line in zip(grid.allocators, cells, strict=True)]
    return Table(
        name=f"changes-{show_tokens(budget)}",
        caption=f"Change of each capability from start to end, {unit}, budget {show_tokens(budget)}; {over}",
        headers=["allocator", *names],
        rows=rows,
        heads=1,
        numbers=_numbers(found, scale, {"allocator": grid.allocators}, names),
        notes=[found.about()],
        is_map=True,
    )


def _numbers(
    found: Effects, scale: float, axis: dict[str, list[str]], names: Sequence[str]
) -> pd.DataFrame:
    """A row an entry of effects (N, K)."""
    [(title, values)] = axis.items()
    n, k = found.mean.shape
    return pd.DataFrame(
        {
            title: np.repeat(np.array(values, dtype=object), k),
            "capability": list(names) * n,
            "change": scale * found.mean.ravel(),
            "half_width": scale * found.half.ravel(),
            "p_value": found.p.ravel(),
            "p_adjusted": found.adjusted.ravel(),
        }
    )


def _words(single: Effects) -> list[str]:
    entries = int(np.isfinite(single.p).sum())
    fell = int((single.sure & (single.mean < 0)).sum())
    rose = int((single.sure & (single.mean > 0)).sum())
    text = (
        f"Of {entries} changes (budget, allocator, task, capability) {rose} are rises and {fell} are drops "
        f"that are told apart from zero; the other {entries - rose - fell} are not."
    )
    return [text]


def _drops(logs: Sequence[Log], grid: Grid, single: Effects, scale: float, unit: str) -> Table:
    """The drops that are told apart from zero, largest first; all changes in the file of numbers."""
    header = logs[0].header
    names = names_of(header.capabilities, header.hidden)
    index = pd.MultiIndex.from_product(
        [grid.budgets, grid.allocators, grid.tasks, names],
        names=["budget", "allocator", "task", "capability"],
    )
    numbers = index.to_frame(index=False)
    numbers["change"], numbers["half_width"] = (
        scale * single.mean.ravel(),
        scale * single.half.ravel(),
    )
    numbers["p_value"], numbers["p_adjusted"] = single.p.ravel(), single.adjusted.ravel()
    numbers["significant"] = single.sure.ravel()
    drops = numbers[numbers["significant"] & (numbers["change"] < 0)].sort_values(
        "change", kind="stable"
    )
    digits = decimals_of(numbers["change"].to_numpy()) + 1
    rows = [
        text_cells(
            [
                show_tokens(row["budget"]),
                str(row["allocator"]),
                str(row["task"]),
                str(row["capability"]),
                number(row["change"], digits, "+"),
                interval_text(row["change"], row["half_width"], digits),
                p_text(row["p_adjusted"]),
            ]
        )
        for _, row in drops.iterrows()
    ]
    return Table(
        name="drops",
        caption=f"Drops that are told apart from zero, largest first, {unit}",
        headers=[
            "budget",
            "allocator",
            "task",
            "capability",
            "change",
            "95 % interval",
            "adjusted p",
        ],
        rows=rows,
        heads=4,
        numbers=numbers,
        most=MOST,
        notes=[single.about(), "The CSV file has every change, significant or not."],
    )


def interval_text(mean: float, half: float, digits: int) -> str:
    """`-1.20 to -0.40`."""
    return f"{number(mean - half, digits, '+')} to {number(mean + half, digits, '+')}"


def p_text(p: float) -> str:
    """`.012`, `< .001`, a dash if missing."""
    if np.isnan(p):
        return "-"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")

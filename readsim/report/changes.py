"""Which capability rose or fell, by how much, with intervals, and which changes are significant."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.arrays import Array, Mask
from readsim.report.render import TONES, Section, Table, TableCell, text_cells
from readsim.runs.read_logs import Log
from readsim.stats import benjamini_hochberg, t_test
from readsim.stats.intervals import half_width
from readsim.summary.grid import Grid
from readsim.summary.results import declared_scale
from readsim.summary.show import fixed, interval_text, p_text
from readsim.token_counts import show_tokens

FALSE = 0.10  # share of false discoveries among marked entries
SEEDS = 3  # from so many on, intervals are over seeds
MOST = 25  # drops on the page


class Effects(NamedTuple):
    """Changes (..., K): mean, half width of the 95 % interval, p, and p after Benjamini and Hochberg's
    correction over all entries. `over` is "seeds" or "items"."""

    mean: Array
    half: Array
    p: Array
    adjusted: Array
    over: str

    @property
    def sure(self) -> Mask:
        out: Mask = self.adjusted <= FALSE
        return out

    def about(self) -> str:
        """What the intervals and marks are."""
        over = (
            "Student t over seeds"
            if self.over == "seeds"
            else "normal, from the test items: with fewer than three seeds they say nothing about others"
        )
        return (
            f"95 % intervals: {over}. *: significant, Benjamini-Hochberg over the "
            f"{np.isfinite(self.p).sum()} entries, false discoveries at most {100 * FALSE:.0f} %."
        )


def effects(change: Array, sd: Array) -> Effects:
    """From changes (..., R, K) of R seeds and the standard errors that the test items leave them.

    With three seeds and more, t intervals and paired t tests over seeds. With fewer, normal ones with
    the mean standard error: seeds share their test items, so errors do not average out. An entry
    whose items all stayed as they were has no scale: p is 1.
    """
    mean = change.mean(axis=-2)
    if change.shape[-2] >= SEEDS:
        each = np.moveaxis(change, -2, -1)
        p = np.array([t_test(d) for d in each.reshape(-1, each.shape[-1])]).reshape(mean.shape)
        return Effects(mean, half_width(each), p, benjamini_hochberg(p), "seeds")
    from scipy.special import ndtr

    error = sd.mean(axis=-2)
    z = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 0)
    p = 2.0 * ndtr(-z)
    return Effects(mean, 1.959964 * error, p, benjamini_hochberg(p), "items")


def coloured(found: Effects, scale: float, decimals: int) -> list[list[TableCell]]:
    """Cells (N, K) of a heat map: sign and number, a star if it is significant, colour by size."""
    shown = scale * found.mean
    most = float(np.abs(shown).max()) or 1.0
    return [
        [_cell(x, most, bool(sure), decimals) for x, sure in zip(row, mask, strict=True)]
        for row, mask in zip(shown, found.sure, strict=True)
    ]


def _cell(value: float, most: float, sure: bool, decimals: int) -> TableCell:
    step = np.ceil(TONES * np.sqrt(abs(value) / most) - 1e-12)  # the root: small ones are seen too
    tone = int(np.sign(value) * step)
    return TableCell(fixed(value, decimals, "+") + ("*" if sure else ""), tone, sure)


def decimals_of(shown: Array) -> int:
    """So many that the largest has about three digits."""
    most = float(np.abs(shown).max()) if shown.size else 1.0
    return 1 if most >= 1.0 else 2 if most >= 0.1 else 4


def names_of(capabilities: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """Capabilities as headers, those that no probe shows marked."""
    return [f"{name} (hidden)" if name in hidden else name for name in capabilities]


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
    """A heat map per budget of means over tasks; the drops on single tasks that are significant."""
    change, sd = final_changes(logs, grid)
    declared = declared_scale(grid.frame)
    scale, unit = declared.factor, declared.shown
    maps = [_map(logs, grid, b, change[b], sd[b], scale, unit) for b in range(len(grid.budgets))]
    single = effects(change, sd)  # over budgets, allocators, tasks and capabilities
    return Section(
        "What rose and what fell",
        counts_in_words(single),
        [*maps, _drops(logs, grid, single, scale, unit)],
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


def counts_in_words(single: Effects) -> list[str]:
    """How many changes are significant rises, drops and neither: a sentence."""
    entries = int(np.isfinite(single.p).sum())
    fell = int((single.sure & (single.mean < 0)).sum())
    rose = int((single.sure & (single.mean > 0)).sum())
    found = [_counted(rose, "a significant rise"), _counted(fell, "a significant drop")]
    if rest := entries - rose - fell:
        found.append(f"{rest} {'is' if rest == 1 else 'are'} not significant")
    changes = "1 change" if entries == 1 else f"{entries} changes"
    listed = f"{', '.join(found[:-1])} and {found[-1]}"
    return [f"Of {changes} (budget, allocator, task, capability) {listed}."]


def _counted(count: int, one: str) -> str:
    """`15 are significant rises`, `1 is a significant drop`, `none is a significant drop`."""
    if count > 1:
        return f"{count} are {one.removeprefix('a ')}s"
    return f"{count or 'none'} is {one}"


def _drops(logs: Sequence[Log], grid: Grid, single: Effects, scale: float, unit: str) -> Table:
    """The drops that are significant, largest first; all changes in the file of numbers."""
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
                fixed(row["change"], digits, "+"),
                interval_text(row["change"], row["half_width"], digits),
                p_text(row["p_adjusted"]),
            ]
        )
        for _, row in drops.iterrows()
    ]
    return Table(
        name="drops",
        caption=f"Drops that are significant, largest first, {unit}",
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

"""What the figures need from the logs' rows, as arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.runs.read_logs import Log
from readsim.summary.grid import Grid


class Curves(NamedTuple):
    """Gains in measured utility r . (p - p_start), averaged over tasks; B budgets, A allocators, R seeds.

    tokens (B, T + 1), on the probe split: gain (B, A, R, T + 1), on the test split: final (B, A, R).
    """

    tokens: Array
    gain: Array
    final: Array


def utility_curves(logs: Sequence[Log], grid: Grid) -> Curves:
    """The mean gain over tokens spent.

    Gains and not levels: the luck of a probe's items is shared by all measurements of a run, and
    would hide what the allocators differ in. Runs that spend in other portions are interpolated
    between their measurements; one that stopped early stays where it was.
    """
    steps = logs[0].header.steps
    shape = (len(grid.budgets), len(grid.allocators), len(grid.seeds))
    tokens = np.array(grid.budgets)[:, None] * np.linspace(0.0, 1.0, steps + 1)
    gain, final = np.zeros((*shape, steps + 1)), np.zeros(shape)
    for log in logs:
        requirement = np.array(log.header.requirement)
        b = grid.budgets.index(log.header.budget)
        a = grid.allocators.index(log.header.allocator)
        for seed, run in log.runs.items():
            r = grid.seeds.index(seed)
            spent = [0, *(row.spent for row in run.steps)]
            level = run.profiles @ requirement
            gain[b, a, r] += np.interp(tokens[b], spent, level - level[0])
            final[b, a, r] += run.final.final_change[log.visible] @ requirement
    return Curves(tokens, gain / len(grid.tasks), final / len(grid.tasks))


def mean_allocation(log: Log) -> Array:
    """Token shares (T, S) at each step, averaged over the runs that trained then; NaN where none did."""
    total = np.zeros((log.header.steps, len(log.header.sources)))
    count = np.zeros(len(total))
    for row in log.steps:
        if row.tokens > 0:
            total[row.step - 1] += row.allocation
            count[row.step - 1] += 1
    with np.errstate(invalid="ignore"):
        return total / count[:, None]

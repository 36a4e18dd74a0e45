"""Lemma on greedy blocks: with concave gains each next block to the largest marginal gain is optimal.

Known failure: S-shaped gains, where the first blocks of the best source earn nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np

from readsim.theory.result import PaperStatement, Result

Returns = Callable[[float], float]


def greedy(curves: Sequence[Returns], budget: float, blocks: int) -> float:
    """sum_i h_i(b_i) after giving every block to the largest marginal return (ties: lower index)."""
    given, unit = [0] * len(curves), budget / blocks
    for _ in range(blocks):
        more = [h((n + 1) * unit) - h(n * unit) for h, n in zip(curves, given, strict=True)]
        given[int(np.argmax(more))] += 1
    return sum(h(n * unit) for h, n in zip(curves, given, strict=True))


def best_of_blocks(curves: Sequence[Returns], budget: float, blocks: int) -> float:
    """The best split of equal blocks, by dynamic programming over sources."""
    unit = budget / blocks
    best = np.array([curves[0](n * unit) for n in range(blocks + 1)])
    for h in curves[1:]:
        own = np.array([h(n * unit) for n in range(blocks + 1)])
        best = np.array([np.max(best[: n + 1] + own[n::-1]) for n in range(blocks + 1)])
    return float(best[-1])


def check(curves: Sequence[Returns], budget: float, blocks: int, subject: str) -> Result:
    """What the best split of blocks earns beyond the greedy one."""
    return Result(
        statement=PaperStatement.GREEDY_BLOCKS,
        subject=subject,
        measure="best split of blocks minus the greedy one, score units",
        statistic=best_of_blocks(curves, budget, blocks) - greedy(curves, budget, blocks),
        bound=1e-9,
        sense="<=",
        advice="slow starts: greedy steps miss them, plan over more than one block",
    )

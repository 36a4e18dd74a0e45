"""Lemma on spillover: Proposition 4.5 holds for h_i = w_i g_i + sum_j w_j x_ij, lambda of any sign.

With "at most B" the optimum stops where max_i h_i' reaches 0: less than B is spent exactly when the
multiplier of the problem that must spend B is negative, if all h_i are concave (identity link). Behind
a saturating link the worst is over at some point: lambda may be positive though stopping early wins.
What is lost by spending all is budget waste.
"""

from readsim.theory.result import PaperStatement, Result, points
from readsim.worlds.optimum import optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World

TOLERANCE = 1e-9  # score units


def check(world: World, task: Task, budget: float) -> Result:
    """Utility lost by having to spend all of the budget; 0 where lambda >= 0."""
    forced = optimum(world, task, budget)
    free = optimum(world, task, budget, spend_all=False)
    lost = free.utility - forced.utility
    return Result(
        statement=PaperStatement.SPILLOVER,
        subject=world.name,
        measure="utility lost by spending the whole budget, score units",
        statistic=lost,
        bound=TOLERANCE,
        sense="<=",
        effect=points(lost, f"after {free.spent:.1%} of the budget"),
        advice=f"stop at {free.spent:.1%} of the budget: later tokens harm more than they help"
        if lost > TOLERANCE
        else "spend all of the budget: no token of the best split harms",
        detail={"lambda": forced.multiplier, "spent": free.spent},
    )

"""Static dominance: where U depends on cumulative tokens alone, no policy ends above the best constant split.

U(S_T) <= max_b U(b), tokens left unspent allowed on both sides where some harm. So adaptivity is worth
exactly what it learns. It survives a learning rate, overtraining and limits of harm: every schedule that
spends all shares out the same sum of tokens times rate. Known failure: state (`flow` worlds; so rehearsal
and formats), where the gap is what planning is worth.
"""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array
from readsim.theory.result import PaperStatement, Result, needs, points
from readsim.worlds.optimum import optimum
from readsim.worlds.schedule import best_schedule
from readsim.worlds.task import Task
from readsim.worlds.world import STEPS, World

PHASES = 4  # of the planned schedule


def greedy_schedule(world: World, task: Task, budget: float, steps: int = STEPS) -> list[Array]:
    """An adaptive policy that knows the world: each interval where utility rises most at once."""
    done: list[Array] = []
    tries = np.eye(len(world.sources)) * budget / steps
    for _ in range(steps):
        before = [np.broadcast_to(d, tries.shape) for d in done]
        worth = task.utility(world.profile_after([*before, tries], budget))
        done.append(tries[int(np.argmax(worth))])
    return done


def block_schedules(sources: int, budget: float, steps: int = STEPS) -> list[list[Array]]:
    """One source for a first part of the budget, another for the rest: what gateways reward.

    In `steps` equal intervals, as the constant split that they are compared with: in `flow` worlds
    with forgetting two long intervals alone move the utility by up to 1e-3.
    """
    e = np.eye(sources) * budget / steps
    return [
        [e[i]] * round(part * steps) + [e[k]] * (steps - round(part * steps))
        for i in range(sources)
        for k in range(sources)
        if i != k
        for part in (0.25, 0.5, 0.75)
    ]


def excess(world: World, task: Task, budget: float, schedules: Sequence[Sequence[Array]]) -> float:
    """The highest utility of the schedules minus that of the best constant split, unspent allowed."""
    best = optimum(world, task, budget, spend_all=False).utility
    ends = [float(task.utility(world.profile_after(schedule, budget))) for schedule in schedules]
    return max(ends) - best


def check(world: World, task: Task, budget: float, *, draws: int = 20, seed: int = 0) -> Result:
    """Greedy, two-block, random and (with state) planned schedules against the best constant split.

    Raises CapabilityMissingError for the demo's dynamics: there the number of steps counts, not tokens.
    """
    if world.dynamics == "artifact":
        needs(
            PaperStatement.STATIC_DOMINANCE,
            world,
            "a response to tokens, not to steps (dynamics 'artifact')",
        )
    rng, s = np.random.default_rng(seed), len(world.sources)
    schedules = [greedy_schedule(world, task, budget), *block_schedules(s, budget)]
    for _ in range(draws):
        phases = rng.dirichlet(np.full(s, 0.5), PHASES) * budget / STEPS
        schedules.append(list(np.repeat(phases, STEPS // PHASES, axis=0)))
    if not world.cumulative:
        plan = best_schedule(world, task, budget, STEPS, PHASES)
        schedules.append(list(plan.by_decision * budget / STEPS))
    lead = excess(world, task, budget, schedules)
    return Result(
        statement=PaperStatement.STATIC_DOMINANCE,
        subject=world.name,
        measure="best schedule minus best constant split, score units",
        statistic=lead,
        bound=1e-7,
        sense="<=",
        effect=points(lead),
        advice="a schedule beats every constant split: plan over steps",
    )

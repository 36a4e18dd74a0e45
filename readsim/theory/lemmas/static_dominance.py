"""Lemma L1: where U depends on cumulative tokens alone, no policy ends above the best constant split.

U(S_T) <= max_b U(b), tokens left unspent allowed on both sides where some harm. So adaptivity is worth
exactly what it learns. Known failure: state (`flow` worlds), where the gap is what planning is worth.
"""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array
from readsim.theory.result import Result, needs
from readsim.worlds.optimum import optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World

STEPS = 8


def greedy_schedule(world: World, task: Task, budget: float, steps: int = STEPS) -> list[Array]:
    """An adaptive policy that knows the world: each interval where utility rises most at once."""
    done: list[Array] = []
    for _ in range(steps):
        tries = np.eye(len(world.sources)) * budget / steps
        worth = [float(task.utility(world.profile_after([*done, t]))) for t in tries]
        done.append(tries[int(np.argmax(worth))])
    return done


def block_schedules(sources: int, budget: float) -> list[list[Array]]:
    """One source for a first part of the budget, another for the rest: what gateways reward."""
    e = np.eye(sources)
    return [
        [part * budget * e[i], (1 - part) * budget * e[k]]
        for i in range(sources)
        for k in range(sources)
        if i != k
        for part in (0.25, 0.5, 0.75)
    ]


def excess(world: World, task: Task, budget: float, schedules: Sequence[Sequence[Array]]) -> float:
    """The highest utility of the schedules minus that of the best constant split, unspent allowed."""
    best = optimum(world, task, budget, spend_all=False).utility
    ends = [float(task.utility(world.profile_after(schedule))) for schedule in schedules]
    return max(ends) - best


def check(world: World, task: Task, budget: float, *, draws: int = 20, seed: int = 0) -> Result:
    """Greedy, two-block and random schedules against the best constant split, score units.

    Raises CapabilityMissingError for the demo's dynamics: there the number of steps counts, not tokens.
    """
    if world.dynamics == "artifact":
        needs("L1", world, "a response to tokens, not to steps (dynamics 'artifact')")
    rng, s = np.random.default_rng(seed), len(world.sources)
    schedules = [greedy_schedule(world, task, budget), *block_schedules(s, budget)]
    for _ in range(draws):
        cuts = rng.dirichlet(np.ones(4)) * budget
        schedules.append([c * rng.dirichlet(np.full(s, 0.5)) for c in cuts])
    return Result(
        statement="L1",
        subject=world.name,
        measure="best schedule minus best constant split, score units",
        statistic=excess(world, task, budget, schedules),
        bound=1e-7,
        sense="<=",
        advice="a schedule beats every constant split: plan over steps",
    )

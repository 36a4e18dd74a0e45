"""Assumption 4.4 (concave task-aligned gains): U = U_0 + sum_i w_i g_i(b_i), g_i concave, nondecreasing.

U must depend on the run through the cumulative tokens b (S,) alone, add up over sources, never fall,
and bend downwards along each of them. It excludes negative transfer to required capabilities, S-shaped
("emergent") gains, cross effects through a curved link, order effects and forgetting. g_i must be
continuous at 0, or a best split may not exist.
"""

from collections.abc import Callable, Sequence

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory.result import Result, Statement, needs
from readsim.worlds.task import Task
from readsim.worlds.world import World

Utility = Callable[[Sequence[Array]], float]  # of a schedule: intervals of tokens (S,) each
TOLERANCE = 1e-9  # score units


def interaction(
    value: Callable[[Array], float], b: Array, i: int, s: float, j: int, t: float
) -> float:
    """U(b + s e_i + t e_j) - U(b + s e_i) - U(b + t e_j) + U(b): 0 where U adds up (i != j)."""
    e = np.eye(len(b))
    both, one, other = b + s * e[i] + t * e[j], b + s * e[i], b + t * e[j]
    return value(both) - value(one) - value(other) + value(b)


def sag(value: Callable[[Array], float], b: Array, i: int, width: float) -> float:
    """(U(b) + U(b + 2 w e_i)) / 2 - U(b + w e_i): above 0 where U is not concave along source i."""
    e = np.eye(len(b))[i]
    return 0.5 * (value(b) + value(b + 2 * width * e)) - value(b + width * e)


def fall(value: Callable[[Array], float], b: Array, i: int, width: float) -> float:
    """U(b) - U(b + w e_i): above 0 where more of source i costs utility."""
    return value(b) - value(b + width * np.eye(len(b))[i])


def utility_order_gap(utility: Utility, first: Array, second: Array) -> float:
    """|U(first, then second) - U(second, then first)|."""
    return abs(utility([first, second]) - utility([second, first]))


def check(
    utility: Utility, sources: int, budget: float, subject: str, *, draws: int = 64, seed: int = 0
) -> list[Result]:
    """The four parts of the assumption at `draws` random points within the budget, in score units.

    `utility` is of a schedule, without noise (see `world_utility`). Each statistic is the largest violation
    found: a search can refute, and only fail to refute.
    """
    if sources < 1 or not budget > 0:
        raise ConfigError(f"sources = {sources}, budget = {budget}: both above 0")
    rng = np.random.default_rng(seed)

    def value(b: Array) -> float:
        return utility([b])

    worst = dict.fromkeys(("adds up", "concave", "nondecreasing", "order-free"), 0.0)
    for _ in range(draws):
        b = budget / 3 * rng.dirichlet(np.ones(sources)) * rng.random()
        i, width = int(rng.integers(sources)), budget / 3 * float(rng.uniform(0.05, 1.0))
        if sources > 1:
            j = (i + int(rng.integers(1, sources))) % sources
            other = budget / 3 * float(rng.uniform(0.05, 1.0))
            gap = abs(interaction(value, b, i, width, j, other))
            worst["adds up"] = max(worst["adds up"], gap)
            e = np.eye(sources)
            swapped = utility_order_gap(utility, width * e[i], other * e[j])
            worst["order-free"] = max(worst["order-free"], swapped)
        worst["concave"] = max(worst["concave"], sag(value, b, i, width))
        worst["nondecreasing"] = max(worst["nondecreasing"], fall(value, b, i, width))
    return [
        Result(
            statement=f"{Statement.CONCAVE_GAINS}: {part}",
            subject=subject,
            measure="largest violation found, score units",
            statistic=found,
            bound=TOLERANCE,
            sense="<=",
            advice=ADVICE[part],
        )
        for part, found in worst.items()
    ]


ADVICE = {
    "adds up": "sources interact in U: the optimum is numeric, marginal gains depend on the others",
    "concave": "slow starts: greedy steps can be far from the best plan",
    "nondecreasing": "some tokens harm: allow the run to stop early",
    "order-free": "the order matters: adaptive schedules can beat every constant mixture",
}


def world_utility(world: World, task: Task, budget: float | None = None) -> Utility:
    """The noise-free utility of a schedule in a world, under its learning rate over `budget` tokens."""

    def utility(schedule: Sequence[Array]) -> float:
        return float(task.utility(world.profile_after(schedule, budget)))

    return utility


def check_world_gains(world: World, task: Task, budget: float, *, draws: int = 64) -> list[Result]:
    """`check` on a world, within its horizon.

    Raises CapabilityMissingError for the demo's dynamics: there the number of steps counts, not tokens.
    """
    if world.dynamics == "artifact":
        needs(
            Statement.CONCAVE_GAINS,
            world,
            "a response to tokens, not to steps (dynamics 'artifact')",
        )
    within = min(budget, world.horizon)
    utility = world_utility(world, task, within)
    return check(utility, len(world.sources), within, world.name, draws=draws)

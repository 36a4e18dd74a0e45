"""Features of a world that may decide whether adapting pays, measured on the world itself."""

import numpy as np

from readsim.arrays import Array
from readsim.envs.episode import source_prior
from readsim.worlds import World, optimum
from readsim.worlds.task import Task

# name: what it is, for the table
FEATURES = {
    "spillover": "mean size of an off-diagonal effect / mean own effect, one-hot runs of the budget",
    "harm": "share of off-diagonal effects below 0",
    "saturation": "1 - second half's gain / first half's, own effect (0: straight)",
    "signal": "log10 of one step's gain / its measurement noise, task-static's first step",
    "order": "what swapping the first and second half of task-static's sources moves, points",
    "headroom": "oracle-static - task-static, points",
    "task mix": "task-static - uniform, points",
}


def features_of(world: World, task: Task, budget: int, steps: int) -> dict[str, float]:
    """`FEATURES` of a world, all noise-free; points are 100 x score.

    Own effects are those of source i on capability i, i < min(S, K).
    """
    s = len(world.sources)
    prior = source_prior(task.requirement, world.visible, world.sources)
    uniform = np.full(s, 1.0 / s)

    def value(shares: Array) -> float:
        return float(task.utility(world.static_profile(shares, budget, steps)))

    best = optimum(world, task, budget, steps=steps).utility
    return {
        **_effects(world, budget, steps),
        "signal": _signal(world, task, prior, budget / steps),
        "order": 100.0 * _order(world, task, prior, budget, steps),
        "headroom": 100.0 * (best - value(prior)),
        "task mix": 100.0 * (value(prior) - value(uniform)),
    }


def _effects(world: World, budget: int, steps: int) -> dict[str, float]:
    whole = world.transfer_matrix(budget, steps)
    half = np.diagonal(world.transfer_matrix(budget / 2, steps))
    own = np.diagonal(whole)
    beside = whole[~np.eye(*whole.shape, dtype=np.bool_)]
    return {
        "spillover": float(np.abs(beside).mean() / own.mean()),
        "harm": float((beside < 0).mean()),
        "saturation": float(1.0 - (own - half).mean() / half.mean()),
    }


def _signal(world: World, task: Task, prior: Array, tokens: float) -> float:
    """log10 of |r . change| / sd(r . measured change) after one step of task-static."""
    after = world.static_profile(prior, tokens, 1)
    sd = world.probe("probe").difference_deviation(world.start, after)
    noise = float(np.sqrt((task.weights**2 * sd**2).sum()))
    gain = abs(float(task.weights @ (after - world.start)))
    return float(np.log10(gain / noise))


def _order(world: World, task: Task, prior: Array, budget: int, steps: int) -> float:
    """|U(one half of task-static's sources first) - U(the other half first)|; 0 where order is free."""
    half = len(prior) // 2
    first, second = prior.copy(), prior.copy()
    first[half:] = 0.0
    second[:half] = 0.0
    parts = [share * (2.0 * budget / steps) for share in (first, second)]
    ends = [
        float(task.utility(world.profile_after([a] * (steps // 2) + [b] * (steps // 2))))
        for a, b in (parts, parts[::-1])
    ]
    return abs(ends[0] - ends[1])

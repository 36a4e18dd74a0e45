"""Lemma of the one-hot bound: without positive transfer nothing beats the specialist on its own capability.

If g_i is nondecreasing and all cross effects x_ji <= 0, then p_i(b) <= p_i(B e_i) for every b with
sum b <= B. Beating it needs sum_j x_ji(b_j) > g_i(B) - g_i(b_i), order effects, or better data.
"""

import numpy as np

from readsim.arrays import Array
from readsim.theory.adversary import find_worst, hard_points, point_text
from readsim.theory.result import PaperStatement, Result, points
from readsim.worlds.world import World


def own_capability(world: World) -> list[tuple[int, int]]:
    """(source, capability) pairs of one name."""
    names = world.capabilities
    return [(i, names.index(n)) for i, n in enumerate(world.sources) if n in names]


def lead(world: World, split: Array, budget: float) -> Array:
    """p_i(b) - p_i(B e_i) of each capability that has a source of its name."""
    mixed = world.static_profile(split, budget)
    specialists = world.static_profile(np.eye(len(world.sources)), budget)
    return np.array([mixed[j] - specialists[i, j] for i, j in own_capability(world)])


def check(world: World, budget: float, *, draws: int = 24, seed: int = 0) -> Result:
    """The largest lead of a mixture over a specialist, at corners, edges, draws and by search.

    The lemma needs worlds without positive transfer.
    """
    largest, where = 0.0, "nowhere"
    if own_capability(world):
        at, largest = find_worst(
            lambda splits: np.array([lead(world, b, budget).max() for b in splits]),
            hard_points(len(world.sources), draws, seed),
            seed=seed,
        )
        where = f"alpha = {point_text(at, world.sources)}"
    return Result(
        statement=PaperStatement.ONE_HOT_BOUND,
        subject=world.name,
        measure="largest lead of a mixture over a specialist, score units",
        statistic=largest,
        bound=1e-12,
        sense="<=",
        effect=points(largest, where),
        advice="positive transfer: a mixture can beat the specialist on its own capability",
    )

"""An offline pool of one-step transitions from random allocations."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs.episode import Setting
from readsim.streams import seed_sequence
from readsim.worlds.world import World


class Pool(NamedTuple):
    """n transitions.

    Rows with the same `parent` are one training measured again with other items: what is learned
    from them is bootstrapped and held out by parent. None: every row is a training of its own.
    """

    profile: Array  # (n, V) before the step
    budget_left: Array  # (n,) before the step
    history: Array  # (n, H (S+V+2)) as in the observation
    allocation: Array  # (n, S)
    change: Array  # (n, V)
    tokens: Array  # (n,)
    parent: NDArray[np.int64] | None = None  # (n,)


@runtime_checkable
class OffersTransitions(Protocol):
    """A backend that can collect a pool itself, by short trainings that it undoes."""

    def transitions(self, setting: Setting, size: int, seed: int) -> tuple[Pool, Mapping[str, int]]:
        """Exactly `size` transitions, and the tokens that they took, by kind."""
        ...


def random_allocations(rng: np.random.Generator, n: int, sources: int) -> Array:
    """Dirichlet(1) weights on a random support of 1, 2, 3 or all sources: (n, S)."""
    sizes = rng.choice(np.minimum([1, 2, 3, sources], sources), size=n)
    ranks = np.argsort(rng.random((n, sources)), axis=1)
    draws = rng.standard_exponential((n, sources)) * (ranks < sizes[:, None])
    total: Array = draws / draws.sum(axis=1, keepdims=True)
    return total


def collect_pool(world: World, setting: Setting, size: int, seed: int) -> Pool:
    """At least one and exactly `size` transitions of random-policy runs in `world`.

    The runs use streams of their own, derived from `(seed, "data")`: what the pool sees is another
    student with other luck than the run it is for.
    """
    from readsim.envs.vector_env import DistillVectorEnv

    runs = -(-size // setting.steps)
    children = seed_sequence(seed, "data").generate_state(runs + 1)
    rng = np.random.default_rng(int(children[-1]))
    env = DistillVectorEnv(
        runs,
        world,
        setting.task,
        setting.budget,
        steps=setting.steps,
        history=setting.history,
        reward=setting.reward,
    )
    observation, _ = env.reset(seed=[int(c) for c in children[:-1]])
    parts: list[tuple[Array, ...]] = []
    for _ in range(setting.steps):
        action = random_allocations(rng, runs, len(setting.sources))
        before = observation
        observation, _, _, _, info = env.step(action)
        parts.append(
            (
                before["profile"],
                before["budget_left"][:, 0],
                before["history"] if setting.history else np.zeros((runs, 0)),
                info["allocation"],
                info["change"],
                info["tokens"].astype(np.float64),
            )
        )
    # (T, runs, ...) -> run by run, then cut to size
    stacked = [np.stack([p[i] for p in parts], axis=1) for i in range(6)]
    a, b, c, d, e, f = (a.reshape(runs * setting.steps, *a.shape[2:])[:size] for a in stacked)
    return Pool(a, b, c, d, e, f)

"""Allocators without an environment: setups by hand, driven along given profiles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.envs.reward import RewardConfig
from readsim.runs.loop import rollout
from readsim.worlds import World
from tests.support.helpers import allocations
from tests.support.made_worlds import made

Numbers = Sequence[float]


def setup(
    requirement: Numbers = (1 / 3, 1 / 3, 1 / 3),
    sources: Sequence[str] | None = None,
    *,
    scores: bool = True,
    teacher: Array | None = None,
    **fields: Any,
) -> Setup:
    """Capabilities a, b, c, ... with this requirement; sources of the same names unless given."""
    capabilities = tuple("abcdefghij"[: len(requirement)])
    named = capabilities if sources is None else tuple(sources)
    r = np.array(requirement, dtype=np.float64)
    base: dict[str, Any] = {
        "sources": named,
        "capabilities": capabilities,
        "requirement": r,
        "prior": source_prior(r, capabilities, named),
        "budget": 20_000,
        "steps": 20,
        "reward": RewardConfig(),
        "history": 3,
        "seed": 0,
        "scores": scores,
        "teacher": None if teacher is None else lambda: teacher,
        "pools": np.full(len(named), np.inf),
    }
    return Setup(**{**base, **fields})


def drive(
    allocator: Allocator,
    chosen: Setup,
    profiles: Sequence[Numbers],
    *,
    rewards: Numbers | None = None,
    dev: Mapping[int, Numbers] | None = None,
) -> tuple[Array, Any]:
    """What is played, (T, S), when probes show these profiles (T, V), the first before training.

    One decision more than there are transitions: the last row is what would be played next. Also the
    last state.
    """
    state = allocator.init(chosen)
    previous, played = chosen.prior, []
    for step, profile in enumerate(profiles):
        context = Context(
            setup=chosen,
            step=step,
            profile=np.array(profile, dtype=np.float64),
            budget_left=1.0 - step / chosen.steps,
            history=np.zeros(0),
            previous=previous,
        )
        previous = np.asarray(allocator.select(state, context), dtype=np.float64)
        played.append(previous)
        if step + 1 < len(profiles):
            after = np.array(profiles[step + 1], dtype=np.float64)
            state = allocator.update(
                state,
                Transition(
                    context,
                    previous,
                    rewards[step] if rewards is not None else 0.0,
                    after - context.profile,
                    after,
                    chosen.budget // chosen.steps,
                    np.array(dev[step + 1]) if dev is not None and step + 1 in dev else None,
                ),
            )
    return np.array(played), state


def clean_world(**changes: Any) -> World:
    """Three capabilities without measurement noise: a lags far behind, b and c have arrived."""
    fields: dict[str, Any] = {
        "capabilities": ["a", "b", "c"],
        "start": [0.2, 0.88, 0.88],
        "help": [[0.5, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01]],
        "items": 0,
    }
    return made(**{**fields, **changes})


# what all tokens of a run bring on one source: .05, .4 / 3 and .2 / 3 of utility
LINEAR = [[0.1, 0.05, 0.0], [0.2, 0.1, 0.1], [0.0, 0.1, 0.1]]


def linear_world(**changes: Any) -> World:
    """Up to 20M tokens rewards are linear in the allocation, whatever was trained; no noise."""
    fields = {"dynamics": "separable", "gain": "broken", "scale_tokens": 2e7, "help": LINEAR}
    return clean_world(**{**fields, "start": [0.2, 0.2, 0.2], **changes})


def ends(
    world: World, allocator: Allocator, task: dict[str, float] | None = None, **env: Any
) -> tuple[float, Array]:
    """Utility of a run with equal requirements (or `task`), and mean shares (S,)."""
    required = task if task is not None else dict.fromkeys(world.visible, 1.0)
    made_env = DistillEnv(world, required, env.pop("budget", 20_000_000), **env)
    rows, _ = rollout([made_env], allocator, [0])
    return float(rows[-1]["utility"]), allocations(rows).mean(axis=0)


HUB = [[0.1, 0.3, 0.3], [0.0, 0.02, 0.0], [0.0, 0.0, 0.02]]  # a teaches the others


def stale_hub(after_tokens: float) -> World:
    """What a teaches before the drift only b and c teach after it."""
    later = [[0, 0, 0], [0, 0.3, 0], [0, 0, 0.3]]
    drift = {"after_tokens": after_tokens, "help": later}
    return clean_world(dynamics="flow", start=[0.3, 0.3, 0.3], help=HUB, drift=drift)

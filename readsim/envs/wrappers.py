"""Wrappers for agents that want a list of actions or a flat observation.

`FlatObservation` is Gymnasium's own `FlattenObservation`: requirement, profile, budget and history
in one vector (for `make_vec`: `gymnasium.wrappers.vector.FlattenObservation`).
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorActionWrapper, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import FlattenObservation as FlatObservation
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs.candidates import sparse_set
from readsim.envs.episode import EpisodeConfig, source_prior
from readsim.errors import AllocationError, ConfigError

__all__ = ["DiscreteCandidates", "FlatObservation", "VectorDiscreteCandidates"]


def fixed_candidates(episode: EpisodeConfig, candidates: Array | None) -> Array:
    """The given allocations (A, S), or uniform and the sparse actions on the top of the prior."""
    s = len(episode.sources)
    if candidates is None:
        prior = source_prior(episode.task.requirement, episode.visible, episode.sources)
        rows = sparse_set(prior)
    else:
        rows = np.array(candidates, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != s or not len(rows):
        raise ConfigError(f"candidates of shape {rows.shape}: expected (A, {s}) with A >= 1")
    if episode.allow_stop:  # the last action stops
        rows = np.block([[rows, np.zeros((len(rows), 1))], [np.zeros((1, s)), np.ones((1, 1))]])
    return rows


class DiscreteCandidates(
    gym.ActionWrapper[Any, int | np.int64, Array], gym.utils.RecordConstructorArgs
):
    """Actions 0..A-1 are fixed allocations; with `allow_stop` a last one stops.

    `candidates` (A, S): by default uniform, then one-hots and pairs on the grid of the top sources.
    The rows are in the attribute of that name.
    """

    def __init__(self, env: gym.Env[Any, Array], candidates: Array | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, candidates=candidates)
        super().__init__(env)
        self.candidates = fixed_candidates(_setting(env.unwrapped), candidates)
        self.action_space = gym.spaces.Discrete(len(self.candidates))

    def action(self, action: int | np.int64) -> Array:
        if not 0 <= int(action) < len(self.candidates):
            raise AllocationError(
                f"action = {action!r}: expected a number from 0 to {len(self.candidates) - 1}"
            )
        row: Array = self.candidates[int(action)]
        return row


class VectorDiscreteCandidates(VectorActionWrapper[Any, NDArray[np.int64], Any, Any]):
    """`DiscreteCandidates` for `gymnasium.make_vec`."""

    def __init__(self, env: VectorEnv[Any, Array, Any], candidates: Array | None = None) -> None:
        super().__init__(env)
        self.candidates = fixed_candidates(_setting(env.unwrapped), candidates)
        self.single_action_space = gym.spaces.Discrete(len(self.candidates))
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def actions(self, actions: NDArray[np.int64]) -> Array:
        chosen = np.asarray(actions)
        if chosen.min() < 0 or chosen.max() >= len(self.candidates):
            raise AllocationError(
                f"actions = {chosen!r}: expected a number from 0 to {len(self.candidates) - 1}"
            )
        rows: Array = self.candidates[chosen]
        return rows


def _setting(env: object) -> EpisodeConfig:
    episode = getattr(env, "episode", None)
    if not isinstance(episode, EpisodeConfig):
        raise ConfigError(f"{env!r} is not a readsim environment")
    return episode

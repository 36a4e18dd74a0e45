"""Discrete actions, flat observations, and Stable-Baselines3 on top of them."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from readsim.envs.env import DistillEnv
from readsim.envs.wrappers import DiscreteCandidates, FlatObservation
from readsim.errors import AllocationError, ConfigError
from tests.support.helpers import ENV


def test_discrete_candidates_are_allocations() -> None:
    env = DiscreteCandidates(gym.make(ENV, world="random", allow_stop=True))
    check_env(env.unwrapped, skip_render_check=True)
    rows = env.candidates
    assert np.allclose(rows[:-1, :-1].sum(axis=1), 1.0)
    env.reset(seed=0)
    assert np.allclose(env.step(0)[-1]["allocation"], 1 / 8)
    assert env.step(len(rows) - 1)[2]
    env.reset(seed=0)
    with pytest.raises(AllocationError, match="action = 99"):
        env.step(99)
    with pytest.raises(ConfigError, match=r"expected \(A, 8\)"):
        DiscreteCandidates(gym.make(ENV, world="random"), np.ones((2, 3)))
    with pytest.raises(ConfigError, match="not a readsim environment"):
        DiscreteCandidates(gym.make("CartPole-v1"))


def test_flat_observation_holds_everything() -> None:
    env = FlatObservation(gym.make(ENV, world="random"))
    flat, _ = env.reset(seed=0)
    parts, _ = DistillEnv("random").reset(seed=0)
    assert flat.shape == (sum(v.size for v in parts.values()),)
    assert np.array_equal(
        np.sort(flat), np.sort(np.concatenate([v.ravel() for v in parts.values()]))
    )


@pytest.mark.slow
@pytest.mark.extra("stable_baselines3")
@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric:UserWarning")
@pytest.mark.parametrize("wrapped", [False, True])
def test_stable_baselines3_checker_and_ppo(wrapped: bool) -> None:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env as check_sb3

    env = gym.make(ENV, world="random")
    if wrapped:
        env = DiscreteCandidates(FlatObservation(env))
    check_sb3(env)
    policy = "MlpPolicy" if wrapped else "MultiInputPolicy"
    agent = PPO(policy, env, n_steps=64, batch_size=32, n_epochs=2, seed=0, device="cpu")
    before = [p.detach().clone() for p in agent.policy.parameters()]
    agent.learn(256)
    after = list(agent.policy.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(torch.isfinite(p).all() for p in after)

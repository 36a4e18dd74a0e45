"""Gymnasium's `np_random`, touched or set whenever its interface allows, however an environment was made."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics

import readsim
from readsim.envs.wrappers import DiscreteCandidates

ENV = readsim.ENV_ID
SETTINGS: dict[str, Any] = {"world": "random", "budget": 1_000_000, "steps": 4}
More = dict[str, Any]


def single(**more: Any) -> Any:
    return gym.make(ENV, **SETTINGS, **more)


def wrapped(**more: Any) -> Any:
    return RecordEpisodeStatistics(FlattenObservation(DiscreteCandidates(single(**more))))


def own_vector(**more: Any) -> Any:
    return gym.make_vec(
        ENV, num_envs=2, vectorization_mode="vector_entry_point", **SETTINGS, **more
    )


def synchronous(**more: Any) -> Any:
    return gym.make_vec(ENV, num_envs=2, vectorization_mode="sync", **SETTINGS, **more)


EVERY = (single, wrapped, own_vector, synchronous)
SETTABLE = (
    single,
    wrapped,
    own_vector,
)  # a synchronous vector has one generator for each environment
Make = Callable[..., Any]


def profile(observation: Any) -> list[float]:
    seen = observation["profile"] if isinstance(observation, dict) else observation
    return np.asarray(seen, dtype=float).ravel().tolist()


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("more", [{}, {"requirement": "noisy:20"}])
def test_touching_the_generator_changes_nothing(make: Make, more: More) -> None:
    env = make(**more)
    assert env.np_random is not None  # before the first reset
    first, _ = env.reset()
    assert profile(env.reset()[0]) != profile(first)

    seen = []
    for touches in (False, True):
        env = make(**more)
        env.reset(seed=3)
        if touches:
            assert env.np_random is not None
        seen.append([profile(env.reset()[0]) for _ in range(2)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("make", SETTABLE)
@pytest.mark.parametrize("more", [{}, {"requirement": "noisy:20"}])
@pytest.mark.parametrize("after_a_reset", [False, True])
def test_runs_come_from_the_generator_that_was_set(
    make: Make, more: More, after_a_reset: bool
) -> None:
    seen = []
    for seed in (3, 3, 4):
        env = make(**more)
        if after_a_reset:
            env.reset(seed=1)
        env.np_random = np.random.default_rng(seed)
        seen.append([profile(env.reset()[0]) for _ in range(2)])
        assert env.np_random_seed == -1
    assert seen[0] == seen[1] != seen[2]
    assert seen[0][0] != seen[0][1]  # the next run goes on in the same streams


@pytest.mark.parametrize("make", SETTABLE)
def test_the_seed_that_is_recorded_gives_the_runs_again(make: Make) -> None:
    one, other = make(), make()
    unseeded = [profile(one.reset()[0]) for _ in range(2)]
    seed = one.np_random_seed
    again = [profile(other.reset(seed=seed)[0]), profile(other.reset()[0])]
    assert unseeded == again
    one.reset(seed=11)
    assert one.np_random_seed == 11
    assert one.np_random.integers(10**9) == gym.utils.seeding.np_random(11)[0].integers(10**9)


def test_a_seed_for_each_run_is_no_seed_of_the_generator() -> None:
    env = own_vector()
    first, _ = env.reset(seed=[5, 9])
    assert env.np_random is not None
    assert env.np_random_seed == -1
    both = [readsim.make_env(**SETTINGS).reset(seed=s)[0]["profile"] for s in (5, 9)]
    np.testing.assert_allclose(first["profile"], both, atol=1e-9)


def test_gymnasiums_checker_passes_after_the_generator_was_set() -> None:
    env = single()
    env.np_random = np.random.default_rng(0)
    check_env(env.unwrapped, skip_render_check=True)

"""The vector environment against Gymnasium's own vectorisation of the single one."""

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import FlattenObservation, RecordEpisodeStatistics

from readsim.envs.vector_env import DistillVectorEnv
from readsim.envs.wrappers import VectorDiscreteCandidates
from readsim.errors import AllocationError, ConfigError, UnknownNameError
from tests.support.helpers import ENV

TOLERANCE = 1e-9


def assert_close(a: Any, b: Any, place: str) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys(), place
        for key in a:
            assert_close(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, tuple):
        assert len(a) == len(b), place
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_close(x, y, f"{place}[{n}]")
    elif isinstance(a, np.ndarray) and a.dtype == object:
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            assert (x is None) == (y is None), place
            if x is not None:
                assert_close(x, y, f"{place}[{n}]")
    elif isinstance(a, str):
        assert a == b, place
    else:
        assert np.shape(a) == np.shape(b), place
        assert np.allclose(a, b, rtol=0, atol=TOLERANCE), place


CASES: list[dict[str, Any]] = [
    {"world": "random:seed=1"},
    {"world": "random:seed=2,dynamics=flow,sources=3,capabilities=5", "history": 0},
    {"world": "random:seed=3,capabilities=4,dynamics=separable", "history": 5, "steps": 4},
    {"world": "random:seed=4,capabilities=1", "steps": 1},
]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("limit", [None, 3])
def test_equals_gymnasiums_sync_vector_env(
    mode: AutoresetMode, case: dict[str, Any], stop: bool, limit: int | None
) -> None:
    settings = {**case, "allow_stop": stop, "budget": 1_000_003}
    ours = gym.make_vec(
        ENV,
        num_envs=5,
        vectorization_mode="vector_entry_point",
        autoreset_mode=mode,
        max_episode_steps=limit,
        **settings,
    )
    single: dict[str, Any] = {} if limit is None else {"max_episode_steps": limit}
    reference = SyncVectorEnv(
        [lambda: gym.make(ENV, **single, **settings) for _ in range(5)], autoreset_mode=mode
    )
    assert ours.observation_space == reference.observation_space
    assert ours.action_space == reference.action_space
    assert_close(ours.reset(seed=11), reference.reset(seed=11), "reset")
    rng = np.random.default_rng(0)
    for step in range(50):
        actions = rng.random(ours.action_space.shape)
        if stop:
            actions[:, -1] *= 0.6  # stops about one time in six
        assert_close(ours.step(actions), reference.step(actions), f"step {step}")


def test_disabled_mode_resets_what_the_mask_says() -> None:
    settings: dict[str, Any] = {"world": "random:capabilities=3", "steps": 4, "allow_stop": True}
    mode = AutoresetMode.DISABLED
    ours = DistillVectorEnv(4, autoreset_mode=mode, **settings)
    reference = SyncVectorEnv(
        [lambda: gym.make(ENV, **settings) for _ in range(4)], autoreset_mode=mode
    )
    assert_close(ours.reset(seed=0), reference.reset(seed=0), "reset")
    rng = np.random.default_rng(0)
    for step in range(30):
        actions = rng.random((4, 4)) * [1, 1, 1, 0.7]
        a, b = ours.step(actions), reference.step(actions)
        assert_close(a, b, f"step {step}")
        ended = a[2] | a[3]
        if ended.any():
            with pytest.raises(ResetNeeded, match="are over"):
                ours.step(actions)
            first, second = (
                env.reset(options={"reset_mask": ended.copy()}) for env in (ours, reference)
            )
            assert_close(first, second, f"reset after step {step}")


def test_a_list_of_seeds_is_one_seed_each() -> None:
    env = DistillVectorEnv(3, "random")
    first, _ = env.reset(seed=[5, 9, 5])
    assert np.array_equal(first["profile"][0], first["profile"][2])
    alone, _ = gym.make(ENV, world="random").reset(seed=9)
    assert np.allclose(first["profile"][1], alone["profile"], rtol=0, atol=TOLERANCE)


def test_runs_do_not_depend_on_their_company() -> None:
    small, large = DistillVectorEnv(2, "random"), DistillVectorEnv(9, "random")
    for env in (small, large):
        env.reset(seed=0)
    for _ in range(30):
        a, b = small.step(np.ones((2, 8))), large.step(np.ones((9, 8)))
        assert np.allclose(a[0]["profile"], b[0]["profile"][:2], rtol=0, atol=TOLERANCE)


def test_earlier_observations_keep_their_numbers() -> None:
    env = DistillVectorEnv(3, "random", steps=7)
    kept = [env.reset(seed=0)[0]]
    copies = [{k: v.copy() for k, v in kept[0].items()}]
    for _ in range(60):
        observation, *_ = env.step(np.random.default_rng(0).random((3, 8)))
        kept.append(observation)
        copies.append({k: v.copy() for k, v in observation.items()})
    for old, copy in zip(kept, copies, strict=True):
        assert all(np.array_equal(old[k], copy[k]) for k in old)
    with pytest.raises(ValueError, match="read-only"):
        kept[-1]["history"][:] = 0.0


def test_gymnasiums_vector_wrappers_and_discrete_actions() -> None:
    env = gym.make_vec(ENV, num_envs=3, world="random", vectorization_mode="vector_entry_point")
    wrapped = FlattenObservation(RecordEpisodeStatistics(VectorDiscreteCandidates(env)))
    flat, _ = wrapped.reset(seed=0)
    assert flat.shape == wrapped.observation_space.shape
    for _ in range(45):
        flat, *_ = wrapped.step(np.array([0, 1, 2]))
    assert wrapped.observation_space.contains(flat)
    with pytest.raises(AllocationError, match="actions"):
        wrapped.step(np.array([0, 1, 99]))


def test_pickle() -> None:
    env = DistillVectorEnv(3, "random", steps=4)
    env.reset(seed=0)
    env.step(np.ones((3, 8)))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(7):
        assert_close(env.step(np.ones((3, 8))), copy.step(np.ones((3, 8))), "step")


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"num_envs": 0}, "num_envs = 0"),
        ({"max_episode_steps": 0}, "max_episode_steps = 0"),
        ({"budget": -5}, "budget = -5"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        DistillVectorEnv(**{"num_envs": 2, "world": "random", **arguments})


def test_bad_calls() -> None:
    env = DistillVectorEnv(2, "random", strict=True)
    with pytest.raises(ResetNeeded):
        env.step(np.ones((2, 8)))
    env.reset(seed=0)
    with pytest.raises(AllocationError, match=r"\(8,\): expected \(2, 8\)"):
        env.step(np.ones(8))
    with pytest.raises(AllocationError, match=r"row 1.*skill_3=nan"):
        env.step(np.where(np.arange(16).reshape(2, 8) == 11, np.nan, 1 / 8))
    with pytest.raises(AllocationError, match="sums to"):
        env.step(np.ones((2, 8)))
    with pytest.raises(ConfigError, match="reset_mask"):
        env.reset(options={"reset_mask": np.zeros(2, dtype=bool)})
    with pytest.raises(UnknownNameError, match="reset option 'what'"):
        env.reset(options={"what": 1})
    with pytest.raises(ConfigError, match="seed"):
        env.reset(seed=[1, 2, 3])

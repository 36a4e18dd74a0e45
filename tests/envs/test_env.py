"""The single environment: Gymnasium's contract and ours."""

import pickle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import readsim
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.testing.backend_checks import same
from readsim.tree_file import load_tree, save_tree
from tests.support.helpers import ENV, play

WORLDS = [
    "random:seed=1",
    "random:seed=2,dynamics=flow,sources=3,capabilities=5",
    "random:seed=3,capabilities=1",
    "random:seed=4,capabilities=4,dynamics=separable,noise=0",
]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("stop", [False, True])
def test_gymnasium_checker(world: str, stop: bool) -> None:
    check_env(DistillEnv(world, allow_stop=stop), skip_render_check=True)


@pytest.mark.parametrize("world", WORLDS)
def test_two_envs_with_one_seed_agree_exactly(world: str) -> None:
    first, second = (play(gym.make(ENV, world=world), 7, np.random.default_rng(0)) for _ in "ab")
    assert same(first, second)


def test_a_second_episode_differs_but_is_reproducible() -> None:
    runs = []
    for _ in range(2):
        env = gym.make(ENV, world="random")
        play(env, 3, np.random.default_rng(0))
        observation, _ = env.reset()
        runs.append(observation["profile"])
    fresh, _ = gym.make(ENV, world="random").reset(seed=3)
    assert np.array_equal(*runs)
    assert not np.array_equal(runs[0], fresh["profile"])


def test_an_unseeded_reset_records_its_seed() -> None:
    env = DistillEnv("random")
    observation, _ = env.reset()
    again, _ = DistillEnv("random").reset(seed=None)
    assert not np.array_equal(observation["profile"], again["profile"])
    repeated, _ = DistillEnv("random").reset(seed=env.np_random_seed)
    np.testing.assert_array_equal(observation["profile"], repeated["profile"])


@pytest.mark.parametrize("world", WORLDS)
def test_observations_stay_in_their_space_and_tokens_add_up(world: str) -> None:
    env = DistillEnv(world, budget=1_000_003, steps=7)
    episode = play(env, 0, np.random.default_rng(1))
    assert all(env.observation_space.contains(o) for o, *_ in episode)
    assert len(episode) == 8
    assert sum(info["tokens"] for *_, info in episode[1:]) == 1_000_003
    assert env.ledger.remaining == 0
    assert episode[-1][0]["budget_left"][0] == 0.0


def test_history_is_newest_first_and_padded() -> None:
    env = DistillEnv("random:capabilities=3", history=3)
    observation, _ = env.reset(seed=0)
    assert not observation["history"].any()
    rows: list[Array] = []
    for action in np.eye(3)[[0, 1, 2, 0]]:
        observation, reward, _, _, info = env.step(action)
        rows.insert(0, np.concatenate([action, info["change"], [reward, 1.0]]))
        shown = observation["history"].reshape(3, -1)
        expected = np.zeros_like(shown)
        expected[: min(3, len(rows))] = rows[:3]
        assert np.array_equal(shown, expected)


def test_without_history_the_context_is_equation_16() -> None:
    env = DistillEnv("random", history=0)
    assert set(env.observation_space) == {"requirement", "profile", "budget_left"}
    assert env.observation_space.contains(env.reset(seed=0)[0])


@pytest.mark.filterwarnings("ignore:budget = .* tokens. did you mean")
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 10**9))
def test_the_schedule_spends_the_budget_exactly(seed: int, steps: int, extra: int) -> None:
    env = DistillEnv("random:capabilities=2,noise=0", budget=steps + extra, steps=steps)
    assert sum(env.episode.schedule) == steps + extra
    assert max(env.episode.schedule) - min(env.episode.schedule) <= 1


def test_what_is_handed_out_can_be_changed_without_harm() -> None:
    clean, abused = (DistillEnv("random") for _ in "ab")
    for env in (clean, abused):
        env.reset(seed=1)
    for _ in range(5):
        a, *_ = clean.step(np.ones(8))
        b, _, _, _, info = abused.step(np.ones(8))
        assert same(a, b)
        for value in (*b.values(), *(v for v in info.values() if isinstance(v, np.ndarray))):
            value.fill(0.0)


def test_stopping_leaves_tokens_unspent() -> None:
    env = DistillEnv("random", allow_stop=True, budget=1000)
    env.reset(seed=0)
    env.step(np.r_[np.ones(8), 0.0])
    _, reward, terminated, _, info = env.step(np.r_[np.ones(8), 1.0])
    assert terminated
    assert reward == 0.0
    assert info["spent"] == 50
    assert "utility" in info


def test_an_outer_limit_truncates() -> None:
    env = gym.make(ENV, world="random", max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(np.ones(8))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_hidden_capabilities_show_only_at_the_end() -> None:
    world = readsim.load_world("random:capabilities=4,noise=0").replace(
        hidden=("skill_3",), sources=("skill_0", "skill_1", "skill_2", "skill_x")
    )
    env = DistillEnv(world)
    episode = play(env, 0, np.random.default_rng(0))
    for observation, _, ended, info in episode:
        assert observation["profile"].shape == (3,)
        if not ended:
            assert not any(key.startswith("final") or key == "utility" for key in info)
            assert all(np.size(v) in (1, 3, 4) for v in info.values())
            assert len(info.get("change", np.zeros(3))) == 3
    assert episode[-1][3]["final_profile"].shape == (4,)


def test_pickle_in_the_middle_of_an_episode() -> None:
    env = gym.make(ENV, world="random:dynamics=flow")
    env.reset(seed=5)
    env.step(np.ones(8))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        assert same(env.step(np.ones(8)), copy.step(np.ones(8)))


@pytest.mark.parametrize("world", WORLDS)
def test_snapshot_through_a_file_continues_exactly(world: str, tmp_path: Path) -> None:
    env = DistillEnv(world, steps=6)
    env.reset(seed=2)
    s = len(env.episode.sources)
    env.step(np.ones(s))
    save_tree(tmp_path / "state", env.snapshot())
    rest = [env.step(np.eye(s)[t % s]) for t in range(5)]
    other = DistillEnv(world, steps=6)
    other.restore(load_tree(tmp_path / "state"))
    assert same(rest, [other.step(np.eye(s)[t % s]) for t in range(5)])


def test_a_trial_is_undone_and_charged() -> None:
    env = DistillEnv("random", budget=1000)
    env.reset(seed=0)
    reference = DistillEnv("random", budget=1000)
    reference.reset(seed=0)
    change = env.trial(np.eye(8)[0], 500, charge=False)
    assert change.shape == (8,)
    assert env.ledger.totals["search"] == 500
    assert env.ledger.spent == 0
    assert same(env.step(np.ones(8)), reference.step(np.ones(8)))
    env.trial(np.eye(8)[0], 900, charge=True)
    assert env.ledger.remaining == 50

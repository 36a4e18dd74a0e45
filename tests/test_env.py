"""The single environment: Gymnasium's contract, ours, and what bad input gets."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import readsim
from readsim.backend import Final, Outcome
from readsim.checkpoint import load_tree, save_tree
from readsim.env import DistillEnv
from readsim.errors import (
    AllocationError,
    CapabilityMissingError,
    ConfigError,
    UnknownNameError,
)
from readsim.reward import RewardConfig
from readsim.wrappers import DiscreteCandidates, FlatObservation

ENV = "readsim/Distill-v0"
WORLDS = [
    "random:seed=1",
    "random:seed=2,dynamics=flow,sources=3,capabilities=5",
    "random:seed=3,capabilities=1",
    "random:seed=4,capabilities=4,dynamics=separable,noise=0",
]


def play(env: gym.Env, seed: int, actions: np.random.Generator):
    """All (observation, reward, ended, info) of one episode with random actions."""
    size = env.action_space.shape[0]
    observation, _ = env.reset(seed=seed)
    out = [(observation, 0.0, False, {})]
    while not out[-1][2]:
        observation, reward, ended, _, info = env.step(actions.random(size))
        out.append((observation, reward, ended, info))
    return out


def same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("stop", [False, True])
def test_gymnasium_checker(world, stop):
    check_env(DistillEnv(world, allow_stop=stop), skip_render_check=True)


@pytest.mark.parametrize("world", WORLDS)
def test_two_envs_with_one_seed_agree_exactly(world):
    first, second = (play(gym.make(ENV, world=world), 7, np.random.default_rng(0)) for _ in "ab")
    assert same(first, second)


def test_a_second_episode_differs_but_is_reproducible():
    runs = []
    for _ in range(2):
        env = gym.make(ENV, world="random")
        play(env, 3, np.random.default_rng(0))
        observation, _ = env.reset()
        runs.append(observation["profile"])
    fresh, _ = gym.make(ENV, world="random").reset(seed=3)
    assert np.array_equal(*runs)
    assert not np.array_equal(runs[0], fresh["profile"])


def test_an_unseeded_reset_records_its_seed():
    env = DistillEnv("random")
    observation, _ = env.reset()
    again, _ = DistillEnv("random").reset(seed=None)
    assert env.np_random_seed is not None
    assert not np.array_equal(observation["profile"], again["profile"])


@pytest.mark.parametrize("world", WORLDS)
def test_observations_stay_in_their_space_and_tokens_add_up(world):
    env = DistillEnv(world, budget=1_000_003, steps=7)
    episode = play(env, 0, np.random.default_rng(1))
    assert all(env.observation_space.contains(o) for o, *_ in episode)
    assert len(episode) == 8
    assert sum(info["tokens"] for *_, info in episode[1:]) == 1_000_003
    assert env.ledger.remaining == 0
    assert episode[-1][0]["budget_left"][0] == 0.0


def test_history_is_newest_first_and_padded():
    env = DistillEnv("random:capabilities=3", history=3)
    observation, _ = env.reset(seed=0)
    assert not observation["history"].any()
    rows = []
    for action in np.eye(3)[[0, 1, 2, 0]]:
        observation, reward, _, _, info = env.step(action)
        rows.insert(0, np.concatenate([action, info["change"], [reward, 1.0]]))
        shown = observation["history"].reshape(3, -1)
        expected = np.zeros_like(shown)
        expected[: min(3, len(rows))] = rows[:3]
        assert np.array_equal(shown, expected)


def test_without_history_the_context_is_equation_16():
    env = DistillEnv("random", history=0)
    assert set(env.observation_space) == {"requirement", "profile", "budget_left"}
    assert env.observation_space.contains(env.reset(seed=0)[0])


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 10**9))
def test_the_schedule_spends_the_budget_exactly(seed, steps, extra):
    env = DistillEnv("random:capabilities=2,noise=0", budget=steps + extra, steps=steps)
    assert sum(env.setting.schedule) == steps + extra
    assert max(env.setting.schedule) - min(env.setting.schedule) <= 1


def test_what_is_handed_out_can_be_changed_without_harm():
    clean, abused = (DistillEnv("random") for _ in "ab")
    for env in (clean, abused):
        env.reset(seed=1)
    for _ in range(5):
        a, *_ = clean.step(np.ones(8))
        b, _, _, _, info = abused.step(np.ones(8))
        assert same(a, b)
        for value in (*b.values(), *(v for v in info.values() if isinstance(v, np.ndarray))):
            value *= 0.0


def test_stopping_leaves_tokens_unspent():
    env = DistillEnv("random", allow_stop=True, budget=1000)
    env.reset(seed=0)
    env.step(np.r_[np.ones(8), 0.0])
    _, reward, terminated, _, info = env.step(np.r_[np.ones(8), 1.0])
    assert terminated
    assert reward == 0.0
    assert info["spent"] == 50
    assert "utility" in info


def test_an_outer_limit_truncates():
    env = gym.make(ENV, world="random", max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(np.ones(8))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_hidden_capabilities_show_only_at_the_end():
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


def test_pickle_in_the_middle_of_an_episode():
    env = gym.make(ENV, world="random:dynamics=flow")
    env.reset(seed=5)
    env.step(np.ones(8))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        assert same(env.step(np.ones(8)), copy.step(np.ones(8)))


@pytest.mark.parametrize("world", WORLDS)
def test_snapshot_through_a_file_continues_exactly(world, tmp_path):
    env = DistillEnv(world, steps=6)
    env.reset(seed=2)
    s = len(env.setting.sources)
    env.step(np.ones(s))
    save_tree(tmp_path / "state", env.snapshot())
    rest = [env.step(np.eye(s)[t % s]) for t in range(5)]
    other = DistillEnv(world, steps=6)
    other.restore(load_tree(tmp_path / "state"))
    assert same(rest, [other.step(np.eye(s)[t % s]) for t in range(5)])


def test_a_trial_is_undone_and_charged():
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


# ------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "fragments"),
    [
        ({"world": "randon"}, UnknownNameError, ["'randon'", "did you mean 'random'"]),
        ({"task": "skill_9"}, UnknownNameError, ["unknown task 'skill_9'", "skill_0"]),
        ({"budget": 0}, ConfigError, ["budget = 0"]),
        ({"budget": 2.5e7}, ConfigError, ["budget = 25000000.0", "whole number"]),
        ({"steps": 0}, ConfigError, ["steps = 0"]),
        ({"steps": 30, "budget": 20}, ConfigError, ["steps = 30", "20 tokens"]),
        ({"history": -1}, ConfigError, ["history = -1"]),
        ({"render_mode": "human"}, ConfigError, ["render_mode = 'human'"]),
        ({"backend": object()}, ConfigError, ["either `world` or `backend`"]),
        ({"task": {"nonsense": 1.0}}, ConfigError, ["nonsense", "skill_0"]),
        ({"task": {"skill_0": -1.0}}, ConfigError, ["skill_0 = -1.0"]),
    ],
)
def test_bad_arguments(arguments, error, fragments):
    with pytest.raises(error) as caught:
        DistillEnv(**{"world": "random", **arguments})
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"essential": 0}, "essential = 0"),
        ({"spill": -1}, "spill = -1"),
        ({"cost": float("nan")}, "cost = nan"),
        ({"spill_weights": "requirment"}, "did you mean 'requirement'"),
    ],
)
def test_bad_reward_settings(arguments, fragment):
    with pytest.raises((ConfigError, UnknownNameError), match=fragment):
        RewardConfig(**arguments)


@pytest.mark.parametrize(
    ("action", "fragment"),
    [
        (np.full(8, np.nan), "not finite"),
        (np.r_[np.inf, np.zeros(7)], "not finite"),
        (np.ones(7), r"shape \(7,\): expected \(8,\)"),
    ],
)
def test_allocations_that_cannot_be_read(action, fragment):
    env = DistillEnv("random")
    env.reset(seed=0)
    before = env.snapshot()
    with pytest.raises(AllocationError, match=fragment):
        env.step(action)
    assert same(before["backend"], env.snapshot()["backend"])  # nothing was trained or drawn
    assert env.ledger.spent == 0


@pytest.mark.parametrize(
    ("action", "fragment"),
    [(np.r_[-0.5, 1.5, np.zeros(6)], "skill_0=-0.5.*negative"), (np.ones(8), "sums to 8")],
)
def test_strict_refuses_what_the_default_normalises(action, fragment):
    strict, lenient = DistillEnv("random", strict=True), DistillEnv("random")
    strict.reset(seed=0)
    lenient.reset(seed=0)
    with pytest.raises(AllocationError, match=fragment):
        strict.step(action)
    weights = lenient.step(action)[-1]["allocation"]
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()


def test_steps_out_of_turn():
    env = DistillEnv("random", steps=1)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.ones(8))
    env.reset(seed=0)
    env.step(np.ones(8))
    with pytest.raises(ResetNeeded, match="over"):
        env.step(np.ones(8))


def test_unknown_reset_options():
    with pytest.raises(ConfigError, match="options"):
        DistillEnv("random").reset(options={"task": "skill_1"})


class FakeBackend:
    """A backend whose probe fails on the second interval."""

    sources = ("a", "b")
    capabilities = ("a", "b")
    hidden = ()

    def reset(self, seed):
        self.calls = 0
        return np.zeros(2)

    def run_interval(self, step, weights, tokens):
        self.calls += 1
        profile = np.array([0.1, np.nan]) if self.calls == 2 else np.full(2, 0.1)
        return Outcome(profile, {"student": tokens, "probe": 12})

    def dev_eval(self):
        return np.zeros(2)

    def final_eval(self):
        return Final(np.zeros(2), np.zeros(2), np.zeros(2))

    def snapshot(self):
        return {"calls": self.calls}

    def restore(self, saved):
        self.calls = saved["calls"]


def test_a_probe_that_is_not_a_number_is_named_and_not_scored():
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    assert env.step(np.ones(2))[-1]["spent"] == 25
    assert env.ledger.totals["probe"] == 12
    with pytest.raises(CapabilityMissingError, match="probe of b is not finite"):
        env.step(np.ones(2))
    assert env.ledger.spent == 25


def test_a_backend_needs_a_task():
    with pytest.raises(ConfigError, match="needs a `task`"):
        DistillEnv(backend=FakeBackend())
    with pytest.raises(ConfigError, match="lists no tasks"):
        DistillEnv(backend=FakeBackend(), task="a")


# -------------------------------------------------------------------------------- wrappers


def test_discrete_candidates_are_allocations():
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


def test_flat_observation_holds_everything():
    env = FlatObservation(gym.make(ENV, world="random"))
    flat, _ = env.reset(seed=0)
    parts, _ = DistillEnv("random").reset(seed=0)
    assert flat.shape == (sum(v.size for v in parts.values()),)
    assert np.array_equal(np.sort(flat), np.sort(np.concatenate([v.ravel() for v in parts.values()])))


@pytest.mark.extra("stable_baselines3")
@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric:UserWarning")
@pytest.mark.parametrize("wrapped", [False, True])
def test_stable_baselines3_checker_and_ppo(wrapped):
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env as check_sb3

    torch.set_num_threads(1)
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

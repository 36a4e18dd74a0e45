"""Episodes that `reset` changes, and requirement modes: the vector environment is N single ones."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.errors import ConfigError, UnknownNameError
from readsim.worlds import load_world
from tests.envs.test_vector_env import assert_close
from tests.support.helpers import ENV

WORLD = "random:seed=5,capabilities=3"
OTHER = "random:seed=6,capabilities=3,dynamics=flow"
SETTINGS: dict[str, Any] = {"world": WORLD, "budget": "1M", "steps": 4}
TASKS = ["skill_1", {"skill_0": 1.0, "skill_2": 3.0}, "average", "skill_0=0.2,skill_1=0.8"]
BUDGETS = [1_000_003, "2M", 5e5, 1_000_000]


def compare_steps(
    ours: DistillVectorEnv, singles: list[DistillEnv], steps: int, rng: np.random.Generator
) -> None:
    """The same actions in both; every number of every step."""
    for step in range(steps):
        actions = rng.random((len(singles), 3))
        observation, reward, terminated, _, info = ours.step(actions)
        for n, env in enumerate(singles):
            one, r, ended, _, alone = env.step(actions[n])
            assert_close({k: v[n] for k, v in observation.items()}, one, f"step {step}, run {n}")
            assert reward[n] == pytest.approx(r, abs=1e-9)
            assert terminated[n] == ended
            for key, value in alone.items():
                assert_close(info[key][n], np.asarray(value), f"step {step}, run {n}, {key}")


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("told", ["oracle", "stale", "noisy:5", "permuted", "uniform"])
def test_requirement_modes_are_those_of_the_single_environment(
    told: str, mode: AutoresetMode
) -> None:
    world = load_world(WORLD).replace(
        tasks={"weakest": {"requirement": {"skill_0": 1, "skill_1": 2}, "utility": "ces:-2"}}
    )
    settings = {**SETTINGS, "world": world, "requirement": told, "allow_stop": True}
    ours = DistillVectorEnv(4, autoreset_mode=mode, **settings)
    reference = SyncVectorEnv(
        [lambda: gym.make(ENV, **settings) for _ in range(4)], autoreset_mode=mode
    )
    assert_close(ours.reset(seed=3), reference.reset(seed=3), "reset")
    rng = np.random.default_rng(0)
    for step in range(20):
        actions = rng.random((4, 4)) * [1, 1, 1, 0.6]
        assert_close(ours.step(actions), reference.step(actions), f"step {step}")


def test_each_run_may_have_its_own_task_and_budget() -> None:
    ours = DistillVectorEnv(4, autoreset_mode=AutoresetMode.DISABLED, **SETTINGS)
    singles = [DistillEnv(**SETTINGS) for _ in range(4)]
    rng = np.random.default_rng(1)
    batch, info = ours.reset(seed=8, options={"task": TASKS, "budget": BUDGETS})
    assert info["task"].tolist() == [
        "skill_1",
        "skill_2=3,skill_0=1",
        "average",
        "skill_1=0.8,skill_0=0.2",
    ]
    assert info["budget"].tolist() == [1_000_003, 2_000_000, 500_000, 1_000_000]
    assert info["world"].tolist() == [load_world(WORLD).name] * 4
    for n, env in enumerate(singles):
        one, about = env.reset(seed=8 + n, options={"task": TASKS[n], "budget": BUDGETS[n]})
        assert about == {key: info[key][n] for key in ("world", "task", "budget")}
        assert_close({k: v[n] for k, v in batch.items()}, one, f"reset, run {n}")
    compare_steps(ours, singles, 4, rng)
    # what was changed stays; runs that are not reset keep theirs
    mask = np.array([True, False, True, False])
    batch, info = ours.reset(options={"reset_mask": mask, "task": "skill_2"})
    for n in np.flatnonzero(mask).tolist():
        one, about = singles[n].reset(options={"task": "skill_2"})
        assert about["budget"] == info["budget"][n]
        assert_close({k: v[n] for k, v in batch.items()}, one, f"second reset, run {n}")
    assert np.array_equal(batch["requirement"][1], [0.25, 0.0, 0.75])
    batch, info = ours.reset()
    assert info["task"].tolist() == [
        "skill_2",
        "skill_2=3,skill_0=1",
        "skill_2",
        "skill_1=0.8,skill_0=0.2",
    ]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_change_outlives_autoresets(mode: AutoresetMode) -> None:
    ours = DistillVectorEnv(2, autoreset_mode=mode, **SETTINGS)
    reference = SyncVectorEnv(
        [lambda: gym.make(ENV, **SETTINGS) for _ in range(2)], autoreset_mode=mode
    )
    options = {"task": "skill_2", "budget": "3M"}
    assert_close(
        ours.reset(seed=0, options=options), reference.reset(seed=0, options=options), "reset"
    )
    rng = np.random.default_rng(2)
    for step in range(14):
        actions = rng.random((2, 3))
        assert_close(ours.step(actions), reference.step(actions), f"step {step}")


def test_another_world_of_the_same_shape() -> None:
    ours, singles = DistillVectorEnv(3, **SETTINGS), [DistillEnv(**SETTINGS) for _ in range(3)]
    ours.reset(seed=4)
    for n, env in enumerate(singles):
        env.reset(seed=4 + n)
    rng = np.random.default_rng(3)
    options = {"world": OTHER, "task": "skill_0"}
    for seed in (None, 20, None):  # without a seed streams are drawn, the same in both
        batch, info = ours.reset(seed=seed, options=options)
        assert set(info["world"]) == {load_world(options["world"]).name}
        for n, env in enumerate(singles):
            one, _ = env.reset(seed=None if seed is None else seed + n, options=options)
            assert_close({k: v[n] for k, v in batch.items()}, one, f"run {n}")
        compare_steps(ours, singles, 4, rng)
        options = {"world": WORLD if seed is None else OTHER}
    fresh = DistillEnv(OTHER, "skill_0", "1M", steps=4)
    same = DistillEnv(**SETTINGS)
    same.reset(seed=1, options={"world": OTHER, "task": "skill_0"})
    assert_close(same.reset(seed=9)[0], fresh.reset(seed=9)[0], "as if it were made so")


def test_without_options_nothing_changes() -> None:
    plain, told = DistillEnv(**SETTINGS), DistillEnv(**SETTINGS)
    told.reset(seed=1, options={"task": "skill_2"})
    told.reset(options={"task": plain.episode.task})
    assert_close(plain.reset(seed=5), told.reset(seed=5), "reset")
    info = DistillEnv().reset(seed=0)[1]
    assert info == {
        "world": "read8-llama",
        "task": load_world("read8-llama").task_names[0],
        "budget": 20_000_000,
    }


@pytest.mark.filterwarnings("ignore:budget = 3 tokens. did you mean")
@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"tasks": "skill_0"}, UnknownNameError, "did you mean 'task'"),
        ({"task": "skill_9"}, UnknownNameError, "skill_9"),
        ({"budget": "many"}, ConfigError, "many"),
        ({"budget": 3}, ConfigError, "steps = 4"),
        ({"world": "random:capabilities=4"}, ConfigError, "4 sources, the environment has 3"),
        ({"world": "no-such"}, UnknownNameError, "no-such"),
    ],
)
def test_a_refused_change_leaves_the_environment_as_it_was(
    options: dict[str, Any], error: type[Exception], words: str, vector: bool
) -> None:
    env: Any = DistillVectorEnv(2, **SETTINGS) if vector else DistillEnv(**SETTINGS)
    env.reset(seed=0)
    with pytest.raises(error, match=words):
        env.reset(options=options)
    fresh: Any = DistillVectorEnv(2, **SETTINGS) if vector else DistillEnv(**SETTINGS)
    assert_close(env.reset(seed=6), fresh.reset(seed=6), "reset")


def test_a_list_needs_a_value_for_each_run() -> None:
    env = DistillVectorEnv(3, **SETTINGS)
    with pytest.raises(
        ConfigError, match="2 values, expected one for all runs or one for each of 3"
    ):
        env.reset(seed=0, options={"task": ["skill_0", "skill_1"]})
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="one for all runs"):
        env.reset(options={"world": OTHER, "reset_mask": np.array([True, False, False])})


@pytest.mark.parametrize("vector", [False, True])
def test_a_task_is_kept_by_its_name_and_not_by_its_place(vector: bool) -> None:
    first = load_world(WORLD)
    names = tuple(reversed(first.capabilities))
    other = first.replace(name="turned", sources=names, capabilities=names)
    settings: dict[str, Any] = {**SETTINGS, "world": first, "task": "skill_0"}
    env: Any = DistillVectorEnv(2, **settings) if vector else DistillEnv(**settings)
    seen, _ = env.reset(seed=0, options={"world": other})
    expected = other.task("skill_0").requirement
    np.testing.assert_array_equal(np.atleast_2d(seen["requirement"])[0], expected)
    env.reset(options={"task": {"skill_1": 1.0, "skill_0": 3.0}})
    seen, _ = env.reset(options={"world": first})
    expected = first.task({"skill_1": 0.25, "skill_0": 0.75}).requirement
    np.testing.assert_array_equal(np.atleast_2d(seen["requirement"])[0], expected)
    env.reset(options={"task": {"skill_1": 1 / 3, "skill_0": 2 / 3}})  # a name of three digits
    with pytest.raises(ConfigError, match="give the option `task` too"):
        env.reset(options={"world": other})


def test_hidden_capabilities_of_another_world_count() -> None:
    env = DistillVectorEnv(2, "read8-llama", "math", "1M", steps=2)
    env.reset(seed=0)
    env.reset(options={"world": "hidden-safety"})
    for _ in range(2):
        *_, info = env.step(np.ones((2, 8)))
    single = DistillEnv("hidden-safety", "math", "1M", steps=2)
    assert len(info["final_profile"][0]) == len(single.backend.capabilities)


def test_the_same_world_by_name_starts_no_new_streams() -> None:
    for make in (lambda: DistillEnv(**SETTINGS), lambda: DistillVectorEnv(2, **SETTINGS)):
        one, two = make(), make()
        for env in (one, two):
            env.reset(seed=3)
        assert_close(one.reset()[0], two.reset(options={"world": WORLD})[0], "next run")
    ours = DistillVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **SETTINGS)
    ours.reset(seed=0)
    with pytest.raises(ConfigError, match="give no reset_mask"):
        ours.reset(options={"reset_mask": np.array([True, True]), "world": OTHER})
    ours.reset(options={"reset_mask": np.array([True, True]), "world": WORLD})


def test_what_other_runs_are_told_survives_a_masked_reset() -> None:
    settings: dict[str, Any] = {**SETTINGS, "requirement": "permuted"}
    ours = DistillVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **settings)
    before, _ = ours.reset(seed=0)
    after, _ = ours.reset(options={"reset_mask": np.array([False, True]), "budget": "2M"})
    np.testing.assert_array_equal(after["requirement"][0], before["requirement"][0])


def test_a_snapshot_holds_a_changed_episode() -> None:
    env = DistillEnv(**SETTINGS)
    plain = env.reset(seed=1)[0]
    kept = env.snapshot()
    assert "episode" not in kept  # as it was made: nothing more to hold
    env.reset(seed=2, options={"task": "skill_2", "budget": "3M"})
    env.step([1.0, 0.0, 0.0])
    saved = env.snapshot()
    expected = env.step([0.0, 1.0, 0.0])
    env.reset(options={"task": "skill_1", "budget": "9M"})
    env.restore(saved)
    assert_close(env.step([0.0, 1.0, 0.0]), expected, "after the restore")
    assert_close(env.restore(kept), plain, "as it was made")
    assert env.episode.budget == 1_000_000
    other = DistillEnv(WORLD, "skill_0", "2M", steps=4)
    other.reset(seed=0)
    with pytest.raises(ConfigError, match="a budget of 1000000 tokens"):
        other.restore(kept)

"""The vector environment over many worlds, against the single one in each run's own world."""

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.errors import ConfigError, UnknownNameError
from readsim.worlds import World
from readsim.worlds.prior import draw_world
from readsim.worlds.random import random_world

RUNS, STEPS = 24, 5
BUDGETS = ("9M", 30_000_001)


def worlds(hidden: bool) -> list[World]:
    """Worlds of 4 sources and 5 capabilities, one of them hidden or none."""
    found = (draw_world("broad", n, sources=4, capabilities=5) for n in range(80))
    return [w for w in found if len(w.hidden) == int(hidden)][:10]


def by_name(all_worlds: list[World]) -> dict[str, World]:
    return {world.name: world for world in all_worlds}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("stop", [False, True])
def test_each_run_is_the_single_env_in_its_world(hidden: bool, stop: bool) -> None:
    chosen = worlds(hidden)
    env = DistillVectorEnv(
        RUNS,
        worlds=chosen,
        budgets=BUDGETS,
        steps=STEPS,
        allow_stop=stop,
        autoreset_mode="Disabled",
    )
    shown, about = env.reset(seed=7)
    assert len(set(about["world"])) > 3
    assert len(set(about["task"])) > 2
    assert set(about["budget"]) == {9_000_000, 30_000_001}
    rng = np.random.default_rng(0)
    actions = rng.random((STEPS, RUNS, 4 + stop))
    if stop:
        actions[..., -1] = rng.random((STEPS, RUNS)) < 0.1
    singles = [
        DistillEnv(
            by_name(chosen)[about["world"][n]],
            about["task"][n],
            about["budget"][n],
            steps=STEPS,
            allow_stop=stop,
        )
        for n in range(RUNS)
    ]
    for n, single in enumerate(singles):
        first, _ = single.reset(seed=7 + n)
        assert_same(first, {key: value[n] for key, value in shown.items()})
    over = np.zeros(RUNS, dtype=bool)
    for step in range(STEPS):
        shown, reward, ended, _, info = step_those(env, actions[step], over)
        for n in np.flatnonzero(~over).tolist():
            own = singles[n].step(actions[step, n])
            assert_same(own[0], {key: value[n] for key, value in shown.items()})
            assert own[1] == pytest.approx(reward[n], abs=1e-9)
            assert own[2] == ended[n]
            for key, value in own[4].items():
                assert np.allclose(value, info[key][n], rtol=0, atol=1e-9), key
        over |= ended
        if stop and over.any():
            break
    assert over.all() or stop


def step_those(env: DistillVectorEnv, actions: Any, over: Any) -> Any:
    assert not over.any()
    return env.step(actions)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in one.items():
        assert np.allclose(value, other[key], rtol=0, atol=1e-9), key


def test_every_reset_draws_again_and_a_seed_repeats_all() -> None:
    def play() -> list[Any]:
        env = DistillVectorEnv(
            6, worlds=worlds(False), steps=2, autoreset_mode=AutoresetMode.SAME_STEP
        )
        _, about = env.reset(seed=3)
        seen = [list(about["world"])]
        for _ in range(8):
            info = env.step(np.ones((6, 4)))[4]
            if "world" in info:
                seen.append(list(info["world"]))
        return seen

    first = play()
    assert len(first) == 5
    assert len({tuple(names) for names in first}) == 5
    assert first == play()


def test_a_sampler_chooses() -> None:
    def last(rng: np.random.Generator, runs: int) -> tuple[Any, Any, Any]:
        return np.full(runs, 2), np.full(runs, 1), rng.integers(1, size=runs)

    chosen = [random_world(n, capabilities=3) for n in range(3)]
    tasks: list[Any] = ["average", {"skill_0": 1.0}]
    env = DistillVectorEnv(4, worlds=chosen, tasks=tasks, budgets=BUDGETS, sampler=last)
    shown, about = env.reset(seed=0)
    assert set(about["world"]) == {"random-2"}
    assert (shown["requirement"] == [1.0, 0.0, 0.0]).all()
    assert (about["budget"] == 9_000_000).all()
    beyond = DistillVectorEnv(4, worlds=chosen, sampler=lambda _, n: (np.full(n, 3),) * 3)
    with pytest.raises(ConfigError, match="sampler: its worlds are"):
        beyond.reset(seed=0)
    for odd in (None, (np.zeros(4, dtype=int),) * 2):
        lacking: Any = DistillVectorEnv(4, worlds=chosen, sampler=lambda *_, said=odd: said)
        with pytest.raises(ConfigError, match="places of worlds, tasks and budgets"):
            lacking.reset(seed=0)
    with pytest.raises(ConfigError, match="budgets = "):
        DistillVectorEnv(4, worlds=chosen, budgets=[])


def test_utilities_that_are_not_linear() -> None:
    tasks = {"even": {"requirement": {"skill_0": 1, "skill_1": 1}, "utility": "ces:-2"}}
    chosen = [random_world(n, capabilities=3).replace(tasks=tasks) for n in range(3)]
    env = DistillVectorEnv(4, worlds=chosen, steps=1)
    _, about = env.reset(seed=0)
    info = env.step(np.ones((4, 3)))[4]
    for n in range(4):
        world = by_name(chosen)[about["world"][n]]
        expected = world.task("even").utility(info["final_profile"][n])
        assert info["utility"][n] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("many", [False, True])
def test_a_utility_reward_is_what_the_run_ends_with(many: bool) -> None:
    world = random_world(0, capabilities=3)
    given: dict[str, Any] = {"worlds": [world]} if many else {"world": world}
    env = DistillVectorEnv(3, **given, steps=2, reward="utility")
    single = DistillEnv(world, steps=2, reward="utility")
    env.reset(seed=0)
    single.reset(seed=0)
    for _ in range(2):
        _, reward, _, _, info = env.step(np.ones((3, 3)))
        own = single.step(np.ones(3))
        assert reward[0] == pytest.approx(own[1], abs=1e-12) or many
    assert np.array_equal(reward, info["utility"])
    assert own[1] == own[4]["utility"]
    plain = DistillEnv(world, steps=2)
    plain.reset(seed=0)
    assert plain.step(np.ones(3))[1] != 0.0


def test_what_does_not_go_together_is_refused() -> None:
    chosen = [random_world(0, capabilities=3)]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"worlds": chosen, "world": "random"}, "`world` cannot be given with `worlds`"),
        ({"worlds": chosen, "budget": "5M"}, "give `budgets`"),
        ({"tasks": ["average"]}, "`tasks`: give it together with `worlds`"),
        ({"worlds": 5}, "worlds = 5: expected a list of at least one"),
        ({"worlds": chosen, "sampler": 5}, "sampler = 5: expected a function"),
        ({"worlds": []}, "worlds = \\[\\]: expected a list of at least one"),
        ({"worlds": chosen, "budgets": "5M"}, "budgets = '5M': expected a list"),
        (
            {"worlds": chosen, "reward": 3},
            "reward = 3: expected a RewardConfig, or one of proxy, utility",
        ),
    ]
    for settings, said in cases:
        with pytest.raises(ConfigError, match=said):
            DistillVectorEnv(2, **settings)
    with pytest.raises(UnknownNameError, match="did you mean 'utility'"):
        DistillVectorEnv(2, reward="utilty")
    env = DistillVectorEnv(2, worlds=chosen)
    with pytest.raises(ConfigError, match="reset options task: with `worlds` they are drawn"):
        env.reset(options={"task": "average"})
    for make in (DistillEnv, DistillVectorEnv):
        with pytest.raises(TypeError, match="nothing to render"):
            make(render_mode="rgb_array")

"""LinUCB and linear Thompson sampling in worlds: where they win and lose, pools, runs together."""

from typing import Any

import numpy as np
import pytest

from readsim.allocators.contextual.linear import LinearBandit, LinUCB, Thompson
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.loop import Row, rollout
from readsim.runs.setups import setup_for
from readsim.testing.backend_checks import same
from readsim.worlds import World, load_world
from tests.support.helpers import FakeBackend, allocations, decisions
from tests.support.made_setups import LINEAR, clean_world, linear_world, setup

NAMES = ("linucb", "thompson")
WANTED = {"a": 1.0, "b": 1.0, "c": 1.0}


def played(
    world: World, allocator: Any, seeds: int = 1, steps: int = 60, task: Any = None
) -> list[list[Row]]:
    """The rows of each seed, all runs in lockstep."""
    envs = [DistillEnv(world, task or WANTED, 20_000_000, steps=steps) for _ in range(seeds)]
    rule = load_allocator(allocator) if isinstance(allocator, str) else allocator
    rows, _ = rollout(envs, rule, range(seeds))
    return [[r for r in rows if r["seed"] == s] for s in range(seeds)]


def utility(*args: Any, **kwargs: Any) -> float:
    """Mean over the seeds."""
    return float(np.mean([rows[-1]["utility"] for rows in played(*args, **kwargs)]))


@pytest.mark.parametrize("name", NAMES)
def test_regret_shrinks_where_the_reward_is_linear(name: str) -> None:
    per_share = np.array(LINEAR).sum(axis=1) / 3 / 60
    regret = np.zeros(60)
    for rows in played(linear_world(), name, seeds=6):
        regret += per_share.max() - allocations(rows) @ per_share
    thirds = regret.reshape(3, 20).sum(axis=1)
    assert thirds[0] > 0.0
    assert thirds[1] < 0.2 * thirds[0]
    assert thirds[2] < 0.05 * thirds[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_beat_uniform_and_random_where_the_reward_is_linear(name: str) -> None:
    """With probes of 400 items the noise of a step's reward is twice the gain there is to choose."""
    for world, margin in ((linear_world(), 0.03), (linear_world(items=400), 0.004)):
        best = utility(world, name, seeds=24, steps=20)
        assert best > utility(world, "uniform", seeds=24, steps=20) + margin
        assert best > utility(world, "random", seeds=24, steps=20) + margin


@pytest.mark.parametrize("name", NAMES)
def test_what_they_expect_comes_true_where_the_reward_is_linear(name: str) -> None:
    """Proxy validation from the log alone."""
    rows = decisions(played(linear_world(), name)[0])
    mu, bonus, reward = (
        np.array([r["report"][k] for r in rows]) for k in ("mu", "bonus", "reward")
    )
    assert np.array_equal(reward, [r["reward"] for r in rows])
    assert np.abs(mu - reward)[-20:].mean() < 0.1 * np.ptp(reward)
    assert np.abs(bonus[-20:]).mean() < 0.6 * np.abs(bonus[2:12]).mean()


@pytest.mark.parametrize("name", NAMES)
def test_noise_of_probes_turns_the_sign_of_what_they_expect(name: str) -> None:
    """Each probe's noise is in two rewards, with opposite signs: not noise of mean 0 given the past."""

    def lagged(rows: list[Row]) -> float:
        rewards = [r["reward"] for r in decisions(rows)]
        return float(np.corrcoef(rewards[1:], rewards[:-1])[0, 1])

    def foretold(rows: list[Row]) -> float:
        told = [(r["report"]["mu"], r["report"]["reward"]) for r in decisions(rows)[5:]]
        return float(np.corrcoef(np.array(told).T)[0, 1])

    noisy = linear_world(items=40)
    even = [lagged(rows) for rows in played(noisy, "uniform", 12)]
    assert np.mean(even) == pytest.approx(-0.5, abs=0.1)
    assert np.mean([foretold(rows) for rows in played(noisy, name, 12)]) < -0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_best_step_is_not_the_best_plan(name: str) -> None:
    """A gateway skill pays later, and a reward of one step does not show that."""
    world = load_world("gateway")
    lost = utility(world, name, seeds=6, steps=20, task="math")
    assert lost < utility(world, "uniform", seeds=6, steps=20, task="math")


@pytest.mark.parametrize("name", NAMES)
def test_a_few_large_steps_on_steep_curves_are_wasted(name: str) -> None:
    """Four decisions, three sources that saturate within one: even shares are best."""
    world = clean_world(start=[0.2] * 3, help=np.diag([0.5] * 3).tolist(), scale_tokens=1e6)
    lost = utility(world, name, seeds=6, steps=4)
    assert lost < utility(world, "uniform", seeds=6, steps=4)


def test_without_curvature_only_corners_win() -> None:
    """Three sources: the corners of the candidates' hull are the one-hots, which are all there."""
    world = linear_world(items=40)
    flat = np.concatenate([allocations(r) for r in played(world, LinUCB(curvature=False), 4)])
    assert np.isin(flat, [0.0, 1.0]).all()
    assert len(np.unique(flat, axis=0)) == 3
    curved = np.concatenate([allocations(r) for r in played(world, LinUCB(), 4)])
    assert not np.isin(curved, [0.0, 1.0]).all()


def test_a_pool_is_a_warm_start_that_is_charged_beside_the_budget() -> None:
    for cls in (LinUCB, Thompson):
        warm = cls(pool=400)
        assert warm.needs == {"transitions"}
        assert cls().needs == frozenset()
        rows = played(linear_world(), warm, steps=20)[0]
        assert allocations(rows).argmax(axis=1).tolist() == [1] * 20  # b at once
        assert rows[-1]["totals"]["offline"] == 400 * 1_000_000
        assert played(linear_world(), cls(), steps=20)[0][-1]["totals"]["offline"] == 0
        with pytest.raises(CapabilityMissingError, match="needs an offline pool"):
            warm.init(setup())
        env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
        env.reset(seed=0)
        with pytest.raises(CapabilityMissingError, match="probe of b is not finite"):
            warm.init(setup_for(env, warm, 0))
        assert setup_for(env, cls(), 0).transitions is None


@pytest.mark.parametrize("rule", [LinUCB(), Thompson(), Thompson(pool=40)])
def test_many_runs_together_are_the_same_as_one_alone(rule: LinearBandit) -> None:
    world = load_world("random:seed=5,capabilities=4")
    together = played(world, rule, seeds=3, steps=8, task={"skill_0": 1.0, "skill_2": 2.0})
    for seed, rows in enumerate(together):
        env = DistillEnv(world, {"skill_0": 1.0, "skill_2": 2.0}, 20_000_000, steps=8)
        alone, _ = rollout([env], rule, [seed])
        assert same(alone, rows)
    assert not same(together[0][1]["report"], together[1][1]["report"])


@pytest.mark.parametrize("name", NAMES)
def test_they_learn_from_what_was_trained_not_from_what_they_asked_for(name: str) -> None:
    world = linear_world(items=400)
    floored = decisions(played(world, f"{name}+floor=0.1+average=time", steps=12)[0])
    assert allocations(floored).min() >= 0.1 - 1e-12
    again = decisions(played(world, f"{name}+floor=0.1+average=time", steps=12)[0])
    assert same(floored, again)
    assert [r["report"]["reward"] for r in floored] == [r["reward"] for r in floored]


def first_choice(rule: LinearBandit, requirement: Array) -> Array:
    task = {f"skill_{i}": float(r) for i, r in enumerate(requirement)}
    env = DistillEnv("random:seed=5,capabilities=4", task, 2_000_000, steps=2)
    first: Array = allocations(rollout([env], rule, [0])[0])[0]
    return first


def test_the_first_choice_is_what_is_required_most() -> None:
    """All that is known is the length of x, and so how much would be learnt."""
    for most in range(4):
        requirement = np.full(4, 0.2)
        requirement[most] = 0.4
        assert first_choice(LinUCB(), requirement).argmax() == most


@pytest.mark.parametrize(
    ("name", "settings", "fragment"),
    [
        ("linucb", {"alpha": -1.0}, "alpha = -1.0: expected a number >= 0"),
        ("linucb", {"alpha": float("nan")}, "alpha = nan"),
        ("linucb", {"ridge": 0.0}, r"ridge = 0.0: expected a number >= 1e-06 and <= 1e\+06"),
        ("linucb", {"ridge": 1e7}, "ridge = 10000000.0"),
        ("linucb", {"curvature": 1}, "curvature = 1: expected True or False"),
        ("linucb", {"pool": 2.5}, "pool = 2.5: expected a whole number >= 0"),
        ("linucb", {"v": 1.0}, "accepted: .*alpha"),
        ("thompson", {"v": -0.1}, "v = -0.1"),
        ("thompson", {"standardise": "no"}, "standardise = 'no'"),
        ("thompson", {"pool": -1}, "pool = -1"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        load_allocator(name, settings)

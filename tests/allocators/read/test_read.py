"""ReAD: its rule, its ablations, its settings."""

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context
from readsim.allocators.read.allocator import ReAD, affine_calibration, upper_confidence
from readsim.allocators.read.config import ReADConfig, provenance_table, read_config
from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.envs.reward import RewardConfig
from readsim.errors import ReadsimError
from readsim.runs.loop import Row, rollout
from readsim.runs.setups import setup_for
from readsim.testing.backend_checks import same
from readsim.worlds import World, load_world, random_world
from tests.support.helpers import SMALL, WORLD, allocations, decisions


def final_utility(world: World, allocator: Allocator, seed: int) -> float:
    rows, _ = rollout([DistillEnv(world)], allocator, [seed])
    return float(rows[-1]["utility"])


def recorded(
    allocator: Allocator, world: World | str = WORLD, *, task: str | None = None, steps: int = 8
) -> list[Row]:
    rows, _ = rollout([DistillEnv(world, task, steps=steps)], allocator, [0])
    return decisions(rows)


def test_upper_confidence_is_greedy_at_zero_and_curious_at_infinity() -> None:
    mu, sigma = np.array([1.0, 0.9, 0.0]), np.array([0.1, 0.4, 0.5])
    assert int(np.argmax(upper_confidence(mu, sigma, 0.0))) == 0
    assert int(np.argmax(upper_confidence(mu, sigma, 1.0))) == 1
    assert int(np.argmax(upper_confidence(mu, sigma, 1e6))) == 2


def test_affine_calibration_is_least_squares_and_cannot_change_a_choice() -> None:
    rng = np.random.default_rng(0)
    proxy = rng.random(9)
    a, b = affine_calibration(proxy, 3.0 * proxy - 2.0)
    assert (a, b) == pytest.approx((3.0, -2.0))
    assert affine_calibration(proxy[:1], proxy[:1]) == (1.0, 0.0)
    mu, sigma = rng.random(50), rng.random(50)
    best = np.argmax(upper_confidence(mu, sigma, 0.7))  # affine calibration
    assert best == np.argmax(a * mu + b + 0.7 * a * sigma)


def test_kappa_shrinks_exactly_at_checkpoints_without_improvement() -> None:
    steps = recorded(ReAD(**SMALL, kappa=2.0, kappa_decay=0.5), steps=20)
    requirement = load_world(WORLD).task("skill_0").requirement
    kappa, last = 2.0, -np.inf
    for row in steps:
        assert row["report"]["kappa"] == pytest.approx(kappa)
        if row["dev_profile"] is not None:
            utility = float(requirement @ row["dev_profile"])
            kappa *= 0.5 if utility <= last else 1.0
            last = utility
    assert kappa < 2.0  # noise makes at least one checkpoint fall back


def test_no_adaptation_keeps_its_first_choice() -> None:
    chosen = np.array([r["allocation"] for r in recorded(ReAD("no-adaptation", **SMALL))])
    assert (chosen == chosen[0]).all()


def test_no_interaction_changes_nothing_where_nothing_is_harmed() -> None:
    world = random_world(3, capabilities=4, negative=0.0, noise=0)
    full, ablated = (recorded(ReAD(v, **SMALL), world) for v in ("full", "no-interaction"))
    assert same(full, ablated)


def test_no_interaction_scores_without_the_penalty() -> None:
    world = random_world(3, capabilities=4, negative=1.0, coupling=1.0, noise=0)
    task = world.task("skill_0")
    for row in recorded(ReAD("no-interaction", **SMALL), world):
        cost = RewardConfig().cost / 8
        assert row["report"]["reward"] == pytest.approx(task.requirement @ row["change"] - cost)


def test_no_identification_does_not_look_at_the_requirement() -> None:
    one, two = (
        recorded(ReAD("no-identification", **SMALL), task=task) for task in ("skill_0", "skill_1")
    )
    assert [r["allocation"].tolist() for r in one] == [r["allocation"].tolist() for r in two]


def test_ablations_without_history_or_budget_do_not_see_them() -> None:
    env = DistillEnv(WORLD)
    env.reset(seed=0)
    setup = setup_for(env, ReAD(**SMALL), 0)
    context = Context(setup, 0, np.full(4, 0.3), 1.0, np.zeros(3 * 10), setup.prior)
    for variant, hidden in (("no-history", 1), ("greedy", 2)):
        allocator = ReAD(variant, **SMALL)
        width = allocator._rows(context, context.candidates).shape[1]
        full = ReAD(**SMALL)._rows(context, context.candidates).shape[1]
        assert full - width == len(context.history) + (hidden - 1)


def test_without_a_pool_it_learns_from_the_run_alone() -> None:
    allocator = ReAD(pool=0)
    assert allocator.needs == frozenset()
    env = DistillEnv(WORLD)
    rows, _ = rollout([env], allocator, [0])
    assert rows[-1]["totals"]["offline"] == 0
    assert len({tuple(a) for a in allocations(rows)}) > 1


def test_the_pool_is_reported_as_offline_tokens() -> None:
    rows, _ = rollout([DistillEnv(WORLD, budget=2000, steps=20)], ReAD(**SMALL), [0])
    assert rows[-1]["totals"]["offline"] == 64 * 100


def test_with_clean_probes_it_beats_uniform_and_random() -> None:
    world = random_world(11, capabilities=5, noise=0, coupling=0.2)
    seeds = range(4)
    mean = {
        name: np.mean([final_utility(world, load_allocator(name), s) for s in seeds])
        for name in ("uniform", "random", "read", "oracle-static")
    }
    assert mean["read"] > max(mean["uniform"], mean["random"])
    assert mean["read"] <= mean["oracle-static"] + 1e-9


def test_every_default_says_where_it_comes_from() -> None:
    rows = provenance_table(ReADConfig())
    assert {name for name, _, _ in rows} == set(ReADConfig.__dataclass_fields__)
    assert all(
        source.split()[0].strip(",:") in ("paper", "code", "inferred", "ours")
        for *_, source in rows
    )
    changed = {name: source for name, _, source in provenance_table(read_config("greedy"))}
    assert changed["kappa"].startswith("set by")


def test_settings_of_parts_and_the_price() -> None:
    read = load_allocator("read+ensemble.members=3+candidates.grid=0.2/0.8+price=2")
    assert isinstance(read, ReAD)
    assert read.config.ensemble.members == 3
    assert read.config.candidates.grid == (0.2, 0.8)
    assert read_config("full", **{"candidates.grid": 0.5}).candidates.grid == (0.5,)
    for name, text in (("ensemble.member", "members"), ("candidates.grid", "numbers with /")):
        with pytest.raises(ReadsimError, match=text):
            read_config("full", **{name: "some"})
    setup = setup_for(DistillEnv(WORLD), read, 0)
    change, tokens = -np.full(len(setup.capabilities), 0.1), np.array(0.0)
    once, twice, never = (
        ReAD(price=price)._rewards(setup, change, tokens) for price in (1.0, 2.0, 0.0)
    )
    assert twice - once == pytest.approx(once - never)
    assert ReAD(interaction=False)._rewards(setup, change, tokens) == pytest.approx(never)

"""Worlds where fitting a law must win, and where it must lose."""

from typing import Any

import numpy as np
import pytest

from readsim.allocators.lawfit.log_linear import LogLinear, MixingLaws
from readsim.allocators.registry import load_allocator
from readsim.allocators.static import Uniform
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.worlds import World, load_world
from tests.support.helpers import allocations, with_extras
from tests.support.made_setups import HUB, clean_world, ends, stale_hub

SEARCHERS = with_extras(["regmix", "log-linear", "mixing-laws", "autoscale"])
WHOLE = {"trial_share": 1.0}  # trials as long as the run


def closed(world: World, name: str, **settings: Any) -> float:
    """Share of the way from uniform to the best static mixture, for the world's first task."""

    def utility(allocator: str, **values: Any) -> float:
        env = DistillEnv(world, world.task_names[0], 30_000_000, steps=4)
        rows, _ = rollout([env], load_allocator(allocator, values), [0])
        return float(rows[-1]["utility"])

    base = utility("uniform")
    return (utility(name, **settings) - base) / (utility("oracle-static") - base)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 7])
def test_without_order_and_noise_a_fitted_law_nears_the_best_static_mixture(seed: int) -> None:
    """No policy is better there (static dominance), and these have only trials to learn it from."""
    world = load_world(f"random:seed={seed},capabilities=4,noise=0")
    assert closed(world, "mixing-laws", **WHOLE) > 0.98
    assert closed(world, "log-linear", kl=0.0, **WHOLE) > 0.98
    # the published anchor is in units of loss: it holds the mixture back where changes are small
    assert 0.2 < closed(world, "log-linear", **WHOLE) < 0.6


@pytest.mark.slow
@pytest.mark.extra("lightgbm")
@pytest.mark.parametrize("seed", [1, 2, 7])
def test_so_do_boosted_trees(seed: int) -> None:
    world = load_world(f"random:seed={seed},capabilities=4,noise=0")
    assert closed(world, "regmix", **WHOLE) > 0.9


def test_short_trials_find_the_best_mixture_of_short_runs() -> None:
    """What saturates late is worth more than a tenth of the budget shows."""
    world = load_world("random:seed=7,capabilities=4,noise=0")
    assert closed(world, "mixing-laws") < 0.7


@pytest.mark.parametrize("name", [*SEARCHERS, "ado"])
def test_the_one_source_that_still_teaches_gets_more(name: str) -> None:
    world = clean_world()
    best, mean = ends(world, load_allocator(name))
    assert mean.argmax() == 0
    assert best > ends(world, Uniform())[0]


@pytest.mark.parametrize("name", SEARCHERS)
def test_trials_before_a_drift_mislead(name: str) -> None:
    """They see what a does before it, after which only b and c teach anything; the mixture is held."""
    world = stale_hub(2e6)
    worst, mean = ends(world, load_allocator(name))
    assert mean.argmax() == 0
    assert worst < ends(world, Uniform())[0]


@pytest.mark.parametrize("name", SEARCHERS[:3])
def test_trials_see_a_source_that_teaches_the_others(name: str) -> None:
    world = clean_world(start=[0.3, 0.3, 0.3], help=HUB)
    best, mean = ends(world, load_allocator(name))
    assert mean.argmax() == 0
    assert best > ends(world, Uniform())[0]


def test_ado_pays_the_domain_that_learns_not_the_source_that_teaches() -> None:
    """Only a teaches, and only b learns: b's law is the steep one."""
    world = clean_world(start=[0.5, 0.2, 0.5], help=[[0.0, 0.6, 0.0], [0.0] * 3, [0.0] * 3])
    worst, mean = ends(world, load_allocator("ado", {"gamma": 1.0}), steps=40)
    assert mean.argmax() == 1
    assert worst < ends(world, Uniform(), steps=40)[0]
    assert ends(world, load_allocator("mixing-laws"), steps=40)[1].argmax() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHERS)
def test_a_gate_that_short_trials_do_not_open_is_missed(name: str) -> None:
    """The preset `gateway`: what pays is taught only once another skill has been learnt."""
    envs = [DistillEnv("gateway", "agent", 150_000_000) for _ in range(8)]
    rows, _ = rollout(envs, load_allocator(name), range(8))
    found = np.mean([row["utility"] for row in rows if row["kind"] == "final"])
    even, _ = rollout([DistillEnv("gateway", "agent", 150_000_000)], Uniform(), [0])
    assert found < even[-1]["utility"] - 0.005


def mean_utility(world: World, name: str, **settings: Any) -> float:
    envs = [DistillEnv(world, budget=20_000_000, steps=4) for _ in range(12)]
    rows, _ = rollout(envs, load_allocator(name, settings), range(12))
    return float(np.mean([row["utility"] for row in rows if row["kind"] == "final"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param("regmix", {"trial_share": 0.001}, marks=pytest.mark.extra("lightgbm")),
        ("mixing-laws", {"trial_share": 0.001}),
        ("autoscale", {"scale": 0.001}),
    ],
)
def test_trials_too_short_for_their_probes_are_noise(name: str, settings: dict[str, Any]) -> None:
    """Equal sources with falling returns: uniform is best, and what noise picks is worse."""
    world = clean_world(
        start=[0.3] * 3, help=(np.eye(3) * 0.4).tolist(), items=16, scale_tokens=5e6
    )
    assert mean_utility(world, name, **settings) < mean_utility(world, "uniform") - 0.005


def test_an_anchor_protects_from_noise() -> None:
    world = clean_world(
        start=[0.3] * 3, help=(np.eye(3) * 0.4).tolist(), items=16, scale_tokens=5e6
    )
    anchored = mean_utility(world, "log-linear", trial_share=0.001)
    assert anchored > mean_utility(world, "log-linear", trial_share=0.001, kl=0.0) + 0.005


def test_repetition_caps_hold_in_finite_pools() -> None:
    world, budget = load_world("finite-pools"), 150_000_000
    caps = 4.0 * world.pool_tokens / budget

    def shares(rule: Any) -> Any:
        env = DistillEnv(world, "math", budget, steps=4)
        return allocations(rollout([env], rule, [0])[0])

    held = shares(LogLinear(kl=0.0))
    assert (held <= caps + 1e-9).all()
    assert np.isclose(held[0], caps, rtol=1e-3).sum() >= 2  # and they bind
    assert (shares(MixingLaws()) > caps + 0.01).any()
    within = shares(load_allocator("mixing-laws+epochs=4"))  # the option of any allocator
    assert (within.mean(axis=0) <= caps + 1e-9).all()
    # A thousandth of a pass over the pools is less than the budget: shares as the pools.
    few = shares(LogLinear(repetition=0.001))
    assert few == pytest.approx(np.tile(world.pool_tokens / world.pool_tokens.sum(), (4, 1)))


def test_search_tokens_are_counted_and_may_be_charged() -> None:
    def totals(**settings: Any) -> Any:
        env = DistillEnv("random:capabilities=3", budget=20_000_000)
        return rollout([env], load_allocator("mixing-laws", settings), [0])[0][-1]["totals"]

    free = totals(trials=10)
    assert free["student"] == 20_000_000
    assert free["search"] == 10 * 2_000_000
    paid = totals(trials=10, trial_share=0.01, charge=True)
    assert paid["student"] == 20_000_000
    assert paid["search"] == 0


@pytest.mark.filterwarnings("ignore:budget = 30 tokens")
def test_a_trial_has_at_least_one_token() -> None:
    env = DistillEnv("random:capabilities=2", budget=30, steps=3)
    rows, _ = rollout([env], load_allocator("log-linear", {"trial_share": 0.001}), [0])
    assert rows[-1]["totals"]["search"] == 32

"""Worlds where the exponentiated-gradient peers must win, and where they must lose."""

import numpy as np
import pytest

from readsim.allocators.exponentiated.doge import DoGE
from readsim.allocators.exponentiated.doremi import DoReMi
from readsim.allocators.registry import load_allocator
from readsim.allocators.static import Uniform
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from tests.support.helpers import allocations
from tests.support.made_setups import HUB, clean_world, ends, stale_hub


@pytest.mark.parametrize("name", ["doremi", "shearing", "ddk"])
def test_a_capability_behind_its_teacher_gets_more(name: str) -> None:
    best, mean = ends(clean_world(), load_allocator(name))
    assert mean[0] > 0.45
    assert best > ends(clean_world(), Uniform())[0]


@pytest.mark.parametrize("name", ["doremi", "shearing", "ddk"])
def test_an_unlearnable_gap_swallows_their_tokens(name: str) -> None:
    """The gap of a is the largest and no source closes it: the known failure of excess losses."""
    world = clean_world(start=[0.2, 0.5, 0.5], help=[[0, 0, 0], [0, 0.3, 0], [0, 0, 0.3]])
    worst, mean = ends(world, load_allocator(name))
    assert mean[0] > 0.4
    assert worst < ends(world, Uniform())[0]


def test_noise_moves_doremi_where_nothing_is_behind() -> None:
    """Probes of four items at the teacher's level: clipped noise is excess, and weights collapse."""
    world = clean_world(start=[0.9, 0.9, 0.9], help=[[0, 0, 0]] * 3, items=4)
    env = DistillEnv(world, {"a": 1, "b": 1, "c": 1}, 20_000_000)
    noisy = allocations(rollout([env], DoReMi(), [0])[0])
    assert noisy[-1].max() > 0.5
    exact = allocations(rollout([DistillEnv(world.replace(items=np.zeros(3)))], DoReMi(), [0])[0])
    assert np.allclose(exact, 1 / 3)


@pytest.mark.parametrize("name", ["skill-it", "skill-it-static", "doge", "aioli"])
def test_a_source_that_teaches_the_others_gets_more(name: str) -> None:
    world = clean_world(start=[0.3, 0.3, 0.3], help=HUB)
    best, mean = ends(world, load_allocator(name))
    assert mean.argmax() == 0
    assert best > ends(world, Uniform())[0]


def test_doge_in_domain_ignores_what_a_source_does_for_itself() -> None:
    help_ = [[0.0, 0.03, 0.03], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]]
    world = clean_world(start=[0.3, 0.3, 0.3], help=help_)
    worst, mean = ends(world, DoGE())
    assert mean.argmax() == 0
    assert worst < ends(world, Uniform())[0]


@pytest.mark.parametrize("name", ["skill-it", "skill-it-static"])
def test_a_graph_that_goes_stale_misleads(name: str) -> None:
    """The trials see what a does before the drift, after which only b and c teach anything."""
    world = stale_hub(2e6)
    worst, mean = ends(world, load_allocator(name, {"eta": 1.0}))
    assert mean.argmax() == 0
    assert worst < ends(world, Uniform())[0]


def test_aioli_is_misled_by_a_sweep_before_a_drift() -> None:
    world = stale_hub(6e6)
    rule = load_allocator("aioli", {"eta": 5.0, "hold": 100})
    worst, mean = ends(world, rule)
    assert mean.argmax() == 0
    assert worst < ends(world, Uniform())[0]


def mean_utility(name: str, help_: list[list[float]], steps: int) -> float:
    """Over 8 seeds of a world whose sources help by `help_`."""
    world = clean_world(start=[0.3, 0.3, 0.3], help=help_)
    envs = [DistillEnv(world, {"a": 1, "b": 1, "c": 1}, 20_000_000, steps=steps) for _ in range(8)]
    rows, _ = rollout(envs, load_allocator(name), range(8))
    return float(np.mean([row["utility"] for row in rows if row["kind"] == "final"]))


def test_exp3_finds_the_one_source_that_pays_and_wastes_a_short_run() -> None:
    """One arm pays: with many decisions it is found. All pay alike: one at a time is no better."""
    one_pays = [[0.3, 0.3, 0.3], [0.0] * 3, [0.0] * 3]
    assert mean_utility("exp3", one_pays, 400) > mean_utility("uniform", one_pays, 400) + 0.01
    all_pay = np.diag([0.3, 0.3, 0.3]).tolist()
    assert mean_utility("exp3", all_pay, 4) < mean_utility("uniform", all_pay, 4) - 0.005

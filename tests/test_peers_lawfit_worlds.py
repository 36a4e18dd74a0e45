"""Worlds where law fitters must win, and where they must lose."""

from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.env import DistillEnv
from readsim.rollout import rollout
from readsim.worlds import World, load_world, optimum
from tests.helpers import allocations
from tests.made_setups import ends

SKLEARN = {"regmix": {"regressor": "sklearn"}}
TRIALS = ("log-linear", "mixing-laws", "regmix", "autoscale")


def quiet(name: str) -> World:
    """Exact probes, every run alike."""
    world = load_world(name)
    return world.replace(
        items=np.zeros(len(world.capabilities)), efficiency_sd=np.zeros(len(world.sources))
    )


def run(name: str, world: World, budget: int, **settings: Any) -> tuple[float, Array]:
    env = DistillEnv(world, world.task_names[0], budget)
    rows, _ = rollout([env], load_allocator(name, SKLEARN.get(name, {}) | settings), [0])
    return float(rows[-1]["utility"]), allocations(rows)[-1]


@pytest.mark.parametrize(
    ("name", "settings", "share"),
    [
        ("log-linear", {"trials": 128, "trial_share": 0.999, "kl": 0.0}, 0.9),
        ("mixing-laws", {"trials": 128, "trial_share": 0.999}, 0.9),
        ("regmix", {"trials": 256, "trial_share": 0.999}, 0.3),  # trees are coarse
        ("autoscale", {"scale": 0.2}, 0.2),  # each source's law ignores the others
    ],
)
def test_with_exact_trials_they_approach_the_static_oracle(
    name: str, settings: dict[str, Any], share: float
) -> None:
    """R52, L1: order-free, no noise, trials as long as the run."""
    world, budget = quiet("related-web"), 20_000_000
    value, _ = run(name, world, budget, **settings)
    best = optimum(world, world.task(world.task_names[0]), budget).utility
    floor, _ = run("uniform", world, budget)
    assert floor + share * (best - floor) < value <= best + 1e-9


@pytest.mark.parametrize("name", ["mixing-laws", "regmix", "autoscale"])
def test_noise_decides_where_trials_are_tiny(name: str) -> None:
    """Trials of a thousandth of the budget, judged on 64 items."""
    tiny = {"scale": 0.0005} if name == "autoscale" else {"trial_share": 0.001}

    def mean(name: str, settings: dict[str, Any]) -> float:
        envs = [DistillEnv("read8-llama", "math", 20_000_000) for _ in range(4)]
        rows, _ = rollout(envs, load_allocator(name, settings), range(4))
        return float(np.mean([row["utility"] for row in rows if row["kind"] == "final"]))

    assert mean(name, SKLEARN.get(name, {}) | tiny) < mean("task-static", {}) - 0.002


@pytest.mark.parametrize("name", ["log-linear", "mixing-laws", "autoscale"])
def test_a_law_of_short_trials_misses_a_gate(name: str) -> None:
    """In `gateway` what opens the other skills shows nothing in a tenth of the budget."""
    world = quiet("gateway")
    value, _ = run(name, world, 150_000_000)
    assert value < optimum(world, world.task(world.task_names[0]), 150e6).utility - 0.01


def test_caps_hold_where_pools_are_finite() -> None:
    world = load_world("finite-pools")
    _, played = run("log-linear", world, 150_000_000)
    assert (played * 150e6 <= 4 * world.pool_tokens * (1 + 1e-6)).all()


def test_ado_wins_where_the_task_is_a_good_prior() -> None:
    world = quiet("read8-llama")
    assert run("ado", world, 20_000_000)[0] > run("uniform", world, 20_000_000)[0]


def test_ado_takes_a_flat_loss_for_a_slow_one() -> None:
    """Only the first source teaches anything, but alpha is at least .05 for all of them."""
    world = load_world("random:seed=1,capabilities=3").replace(
        help=np.diag([0.5, 0.001, 0.001]), harm=np.zeros((3, 3)), items=np.zeros(3)
    )
    task = dict.fromkeys(world.visible, 1.0)
    reached, mean = ends(world, load_allocator("ado"), task)
    assert mean[0] < 0.5
    assert reached < ends(world, load_allocator("one-hot+source=skill_0"), task)[0] - 0.01

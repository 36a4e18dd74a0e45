"""Optima, gradients and schedules of worlds with terms of real runs, against brute force and differences."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.worlds import Task, World, optimum
from readsim.worlds.optimum import OrderFree, Simulated
from readsim.worlds.schedule import Phased, best_schedule
from tests.support.made_worlds import made
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, few, schedules, tasks, terms, worlds

SMOOTH = ("exponential", "log", "hill")
STEPS = 4


@few
@given(worlds(("potential",), BOUNDED_LINKS, SMOOTH), st.data(), st.integers(0, 2**32 - 1))
def test_gradients_are_differences(world: World, data: st.DataObject, seed: int) -> None:
    """With any order-free terms and learning rate, with all or some of the budget spent."""
    world = data.draw(terms(world))
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(world.shape[0])) * rng.uniform(0.3, 0.95)
    problem, h = OrderFree(world, BUDGET), 1e-6
    # no kink within a step: end of a pool, of a warm-up, beginning of a decay
    counted = shares * BUDGET * float(world.learning_rate.mean(0.0, shares.sum()))
    assume((np.abs(counted / world.pool_tokens - 1.0) > 1e-4).all())
    profile, slopes = problem.jacobian(shares)
    assert close(profile, problem.profiles(shares))
    e = np.eye(len(shares))
    ends = [(problem.profiles(shares + h * v), problem.profiles(shares - h * v)) for v in e]
    found = np.array([(a - b) / (2 * h) for a, b in ends])
    size = max(1.0, float(np.abs(slopes).max()))
    assert np.allclose(slopes, found, rtol=1e-4, atol=2e-5 * size)
    # and it is what the world itself says of that run
    assert close(profile, world.static_profile(shares, BUDGET), 1e-9)


@few
@given(worlds(("flow",), BOUNDED_LINKS, most=3), st.data(), st.integers(0, 2**32 - 1))
def test_simulated_runs_are_the_worlds(world: World, data: st.DataObject, seed: int) -> None:
    world = data.draw(terms(world))
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(world.shape[0]), 3) * rng.uniform(0.3, 1.0, (3, 1))
    found = Simulated(world, BUDGET, STEPS).profiles(shares)
    assert close(found, world.static_profile(shares, BUDGET, STEPS), 1e-9)
    problem = Phased(world, BUDGET, 5, 3)
    plan = rng.dirichlet(np.ones(world.shape[0]), 3)
    profile, slopes = problem.jacobian(plan.ravel())
    rows = problem.by_decision(plan.ravel())
    assert close(profile, world.profile_after(rows * (BUDGET / 5), BUDGET), 1e-9)
    for n in range(plan.size):
        width = 1e-5 + min(1e-5, plan.ravel()[n])
        moved = [plan.ravel() + d * np.eye(plan.size)[n] for d in (1e-5, -1e-5)]
        ends = [
            world.profile_after(problem.by_decision(np.maximum(x, 0.0)) * (BUDGET / 5), BUDGET)
            for x in moved
        ]
        assert np.allclose(slopes[n], (ends[0] - ends[1]) / width, rtol=1e-5, atol=1e-5)


@few
@given(worlds(("separable", "potential", "flow"), most=3), st.data(), st.integers(0, 2**32 - 1))
def test_no_allocation_is_better(world: World, data: st.DataObject, seed: int) -> None:
    world = data.draw(terms(world))
    task = data.draw(tasks(world))
    for spend_all in (True, False):
        best = optimum(world, task, BUDGET, steps=STEPS, spend_all=spend_all)
        rng = np.random.default_rng(seed)
        points = rng.dirichlet(np.full(world.shape[0], 0.5), 200)
        points *= 1.0 if spend_all else rng.random((200, 1))
        values = task.utility(world.static_profile(points, BUDGET, STEPS))
        reached = task.utility(world.static_profile(best.allocation, BUDGET, STEPS))
        assert close([best.utility], [float(reached)], 1e-9)
        assert values.max() <= best.utility + 1e-4 * max(float(np.ptp(values)), 1e-6)


@few
@given(worlds(("separable", "potential"), families=SMOOTH), st.data())
def test_the_multiplier_is_what_a_longer_budget_brings(world: World, data: st.DataObject) -> None:
    world = data.draw(
        terms(
            world.replace(horizon=10 * BUDGET) if world.horizon == np.inf else world,
            ("schedule", "overtraining"),
        )
    )
    task = data.draw(tasks(world))
    budget = 0.5 * BUDGET
    found = optimum(world, task, budget)
    h = 1e-3
    more, less = (optimum(world, task, budget * (1 + d)).utility for d in (h, -h))
    slope = (more - less) / (2 * h)
    assert found.multiplier * budget == pytest.approx(slope, rel=1e-2, abs=1e-4)


@few
@given(worlds(("separable", "potential"), most=3), st.data())
def test_static_dominance_survives_a_learning_rate(world: World, data: st.DataObject) -> None:
    """All schedules share out the same sum of tokens times rate."""
    world = data.draw(terms(world))
    task = data.draw(tasks(world))
    plan = data.draw(schedules(world.shape[0]))
    assume(plan.sum() > 0)
    whole = plan * (BUDGET / plan.sum())
    best = optimum(world, task, BUDGET)
    end = float(task.utility(world.profile_after(whole)))
    spread = abs(best.utility - float(task.utility(world.start)))
    assert end <= best.utility + 1e-9 * (1 + abs(end)) + 1e-3 * spread * (not world.order_free)
    found = best_schedule(world, task, BUDGET, STEPS, 2)
    assert found.utility == best.utility


def learning(**changes: object) -> World:
    """Two sources; what is trained first harms what is trained not at all."""
    fields = {
        "sources": ["a", "b"],
        "capabilities": ["x", "y"],
        "dynamics": "flow",
        "link": "saturating",
        "help": [[0.3, 0.0], [0.0, 0.3]],
        "harm": [[0.0, 0.3], [0.1, 0.0]],
        "scale_tokens": 4e6,
        **changes,
    }
    return made(**fields)


LATTICE = np.linspace(0.0, 1.0, 21)
BOTH = Task("both", np.full(2, 0.5), np.full(2, 0.5))


@pytest.mark.parametrize(
    "changes",
    [
        {"rehearsal_share": 0.1},
        {"rehearsal_share": 0.05, "schedule": "cosine"},
        {"formats": [{"name": "f", "sources": {"a": 1.0}, "scores": {"y": -0.2}, "tokens": 2e6}]},
        {"rehearsal_share": 0.1, "interference_limit": 0.1, "overtraining_tokens": 3e7},
    ],
    ids=["rehearsal", "rehearsal, cosine", "format", "rehearsal, limit, overtraining"],
)
def test_where_the_moment_counts_the_optimum_is_over_schedules(changes: dict[str, object]) -> None:
    world = learning(**changes)
    found = best_schedule(world, BOTH, BUDGET, STEPS, 2)
    early, late = (side.ravel() for side in np.meshgrid(LATTICE, LATTICE))
    first, last = (np.stack([x, 1.0 - x], axis=1) * BUDGET / STEPS for x in (early, late))
    rivals: Array = BOTH.utility(world.profile_after([first] * 2 + [last] * 2))
    assert rivals.max() <= found.utility + 1e-9
    assert found.utility >= found.static
    if "formats" in changes:
        assert found.utility > found.static + 0.01

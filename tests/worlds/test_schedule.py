"""Schedules: against brute force and hand-worked worlds, never below static, equal where order is idle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds import World, load_world, optimum
from readsim.worlds.schedule import Phased, Schedule, best_schedule
from readsim.worlds.task import Task
from tests.support.made_worlds import made
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, few, tasks, worlds

STEPS = 4
LATTICE = np.linspace(0.0, 1.0, 21)


def played(world: World, allocations: Array, budget: float) -> Array:
    """The profile after these allocations (T, S), one decision after the other."""
    return world.profile_after(allocations * (budget / len(allocations)))


@few
@given(worlds(("separable", "potential")), st.integers(1, STEPS), st.data())
def test_where_order_is_idle_it_is_the_best_static_allocation(
    world: World, phases: int, data: st.DataObject
) -> None:
    """Static dominance."""
    task = data.draw(tasks(world))
    found, static = best_schedule(world, task, BUDGET, STEPS, phases), optimum(world, task, BUDGET)
    assert found.utility == found.static == static.utility
    assert np.allclose(found.by_decision, static.allocation, rtol=0, atol=1e-12)


def of_two_phases(world: World, task: Task, first: Array, last: Array) -> Array:
    """The utility of each of these shares of the first of two sources, in two phases of two decisions."""
    sides = (side.ravel() for side in np.meshgrid(first, last))
    early, late = (np.stack([x, 1.0 - x], axis=1) * BUDGET / STEPS for x in sides)
    out: Array = task.utility(world.profile_after([early] * 2 + [late] * 2))
    return out


@few
@given(worlds(("flow", "artifact"), BOUNDED_LINKS, least=2, most=2), st.data())
def test_none_near_it_is_better_and_none_elsewhere_by_much(
    world: World, data: st.DataObject
) -> None:
    """The search is local: in 1 of 180 drawn worlds a lattice finds better, by up to 2 % of its range."""
    task = data.draw(tasks(world))
    found = best_schedule(world, task, BUDGET, STEPS, 2)
    moves = np.linspace(-0.02, 0.02, 9)
    near = (np.clip(share + moves, 0.0, 1.0) for share in found.allocations[:, 0])
    rivals = of_two_phases(world, task, LATTICE, LATTICE)
    # steep gains from nothing (a power of .25) end the search a little early
    assert of_two_phases(world, task, *near).max() <= found.utility + 1e-5 + 0.01 * np.ptp(rivals)
    assert rivals.max() <= found.utility + 1e-6 + 0.1 * np.ptp(rivals)


@pytest.mark.parametrize("seed", range(20))
def test_no_lattice_of_two_phases_is_better_where_order_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = made(
        sources=["a", "b"],
        capabilities=["x", "y"],
        dynamics="flow",
        link="saturating",
        gain=["exponential", "hill"],
        help=rng.uniform(0.0, 0.3, (2, 2)),
        harm=rng.uniform(0.0, 0.1, (2, 2)),
        forgetting_tokens=rng.uniform(2e6, 2e7, 2),
        drift={"after_tokens": BUDGET / 2, "help": rng.uniform(0.0, 0.3, (2, 2))},
    )
    task = Task("both", np.full(2, 0.5), np.full(2, 0.5))
    found = best_schedule(world, task, BUDGET, STEPS, 2)
    assert found.utility > found.static
    assert of_two_phases(world, task, LATTICE, LATTICE).max() <= found.utility + 1e-9


@few
@given(worlds(("flow", "artifact"), BOUNDED_LINKS), st.integers(1, STEPS), st.data())
def test_never_below_static_and_what_it_says(
    world: World, phases: int, data: st.DataObject
) -> None:
    task = data.draw(tasks(world, ("linear", "capped:0.5") if world.is_score else ("linear",)))
    found = best_schedule(world, task, BUDGET, STEPS, phases)
    static = optimum(world, task, BUDGET, steps=STEPS)
    assert close([found.static], [static.utility], 1e-11)
    assert found.utility >= found.static
    assert found.allocations.shape == (phases, world.shape[0])
    assert (found.allocations >= 0.0).all()
    assert np.allclose(found.allocations.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    end = task.utility(played(world, found.by_decision, BUDGET))
    assert close([found.utility], [float(end)], 1e-11)


@pytest.mark.slow
@few
@given(worlds(("flow", "artifact"), BOUNDED_LINKS, most=3), st.data())
def test_twice_as_many_phases_are_no_worse(world: World, data: st.DataObject) -> None:
    task = data.draw(tasks(world))
    four, eight = (best_schedule(world, task, BUDGET, 8, phases).utility for phases in (4, 8))
    assert eight >= four - 1e-12 * (1.0 + abs(four))


@few
@given(worlds(("flow", "artifact"), BOUNDED_LINKS, most=3), st.integers(0, 2**32 - 1))
def test_slopes_are_differences_of_whole_runs(world: World, seed: int) -> None:
    problem = Phased(world, BUDGET, 5, 3)
    shares = np.random.default_rng(seed).dirichlet(np.ones(world.shape[0]), 3)
    profile, slopes = problem.jacobian(shares.ravel())
    assert close(profile, played(world, problem.by_decision(shares.ravel()), BUDGET), 1e-11)
    for n in range(shares.size):
        more, less = (shares.ravel() + d * np.eye(shares.size)[n] for d in (1e-5, -1e-5))
        ends = [played(world, problem.by_decision(x), BUDGET) for x in (more, np.maximum(less, 0))]
        width = 1e-5 + min(1e-5, shares.ravel()[n])
        assert np.allclose(slopes[n], (ends[0] - ends[1]) / width, rtol=1e-6, atol=1e-6)


def drifting() -> World:
    """One skill; source a teaches it in the first half of the budget, source b in the second."""
    return made(
        sources=["a", "b"],
        capabilities=["skill"],
        dynamics="flow",
        link="saturating",
        gain="exponential",
        help=[[0.3], [0.0]],
        drift={"after_tokens": 5e6, "help": [[0.0], [0.3]]},
    )


def test_the_known_optimum_of_a_drift() -> None:
    """x = 1/2 of each: z = 2 * 0.3 (1 - e^-1/2), p = 0.9 - 0.6 exp(-z / 0.6)."""
    world = drifting()
    found = best_schedule(world, world.task("skill"), 1e7, 4, 2)
    assert np.allclose(found.allocations, [[1, 0], [0, 1]], rtol=0, atol=1e-6)
    assert found.utility == pytest.approx(0.9 - 0.6 * np.exp(-(1 - np.exp(-0.5))), abs=1e-9)
    # the first half of share w, x = w / 2, meets a; x = (1 - w) / 2 of the second meets b
    w = np.linspace(0.0, 1.0, 1001)
    gained = 0.3 * (1 - np.exp(-w / 2)) + 0.3 * (np.exp(-(1 - w) / 2) - np.exp(-(1 - w)))
    assert found.static == pytest.approx(0.9 - 0.6 * np.exp(-gained.max() / 0.6), abs=1e-6)


@pytest.mark.parametrize("budget", [20e6, 150e6])
@pytest.mark.parametrize(
    ("name", "task", "gain"),
    [("gateway", "math", 0.03), ("drift", "math", 0.02), ("forgetting", "tutor", 0.02)],
)
def test_known_gains(name: str, task: str, gain: float, budget: float) -> None:
    """More than the two phases of tests/worlds/test_presets.py gain."""
    world = load_world(name)
    found = best_schedule(world, world.task(task), budget, 20, 4)
    assert found.utility > found.static + gain


def test_a_gateway_is_opened_first() -> None:
    world = load_world("gateway")
    found = best_schedule(world, world.task("math"), 20e6, 20, 4)
    reasoning = world.sources.index("reasoning")
    assert found.allocations[0].argmax() == reasoning
    assert found.allocations[-1, reasoning] < 0.1


def test_decisions_of_unequal_phases() -> None:
    world = drifting()
    found = best_schedule(world, world.task("skill"), 1e7, 7, 3)
    assert found.decisions == (3, 2, 2)
    assert found.by_decision.shape == (7, 2)
    assert isinstance(found, Schedule)


def test_the_same_twice_and_one_source() -> None:
    world = load_world("gateway")
    one, two = (best_schedule(world, world.task("agent"), 20e6, 20, 4) for _ in range(2))
    assert np.array_equal(one.allocations, two.allocations)
    alone = load_world("random:capabilities=1,dynamics=flow")
    found = best_schedule(alone, alone.task("skill_0"), 20e6, 5, 3)
    assert found.allocations.tolist() == [[1.0]] * 3


@pytest.mark.parametrize(("steps", "phases"), [(4, 0), (4, 5), (4, 2.0), (0, 0), (4, True)])
def test_bad_phases(steps: int, phases: int) -> None:
    world = drifting()
    with pytest.raises(ConfigError, match="phases"):
        best_schedule(world, world.task("skill"), 1e7, steps, phases)


def test_bad_budgets() -> None:
    world = drifting()
    with pytest.raises(ConfigError, match="budget"):
        best_schedule(world, world.task("skill"), -1.0, 4, 2)

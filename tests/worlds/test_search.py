"""Worlds without a closed form: the numeric optimum against brute force, in every mode."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.allocators.grid import simplex_grid
from readsim.arrays import Array
from readsim.worlds import Optimum, Task, World, optimum, random_world
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, KINDS, few, tasks, worlds

STEPS = 3
DIVISIONS = {1: 60, 2: 60, 3: 24, 4: 12}


@st.composite
def cases(
    draw: st.DrawFn,
    dynamics: tuple[str, ...] = ("potential", "flow", "artifact"),
    links: tuple[str, ...] = BOUNDED_LINKS,
    *,
    least: int = 1,
    most: int = 3,
    harm: bool = True,
) -> tuple[World, Task]:
    world = draw(worlds(dynamics, links, least=least, most=most, harm=harm))
    kinds = KINDS if world.is_score else ("linear", "capped:-1")
    return world, draw(tasks(world, kinds))


def solve(world: World, task: Task, spend_all: bool = True) -> Optimum:
    return optimum(world, task, BUDGET, steps=STEPS, spend_all=spend_all)


def lattice(s: int, spend_all: bool) -> Array:
    """All splits into equal parts; an unspent part is one more source that is cut off."""
    m = s if spend_all else s + 1
    return simplex_grid(m, DIVISIONS[m])[:, :s]


@few
@given(cases(), st.booleans())
def test_no_point_of_a_lattice_is_better(case: tuple[World, Task], spend_all: bool) -> None:
    world, task = case
    best = solve(world, task, spend_all)
    assert best.method == "numeric"
    assert (best.allocation >= 0.0).all()
    assert best.spent == pytest.approx(1.0, abs=1e-12) if spend_all else best.spent <= 1.0 + 1e-12
    points = lattice(world.shape[0], spend_all)
    rivals = task.utility(world.static_profile(points, BUDGET, STEPS))
    assert rivals.max() <= best.utility + 1e-9 * (1.0 + abs(best.utility))


@few
@given(cases(most=8, least=4), st.booleans(), st.integers(0, 2**32 - 1))
def test_no_random_point_is_better(case: tuple[World, Task], spend_all: bool, seed: int) -> None:
    world, task = case
    s = world.shape[0]
    rng = np.random.default_rng(seed)
    points = rng.dirichlet(np.full(s, 0.3), 200) * (1.0 if spend_all else rng.random((200, 1)))
    rivals = task.utility(world.static_profile(points, BUDGET, STEPS))
    best = solve(world, task, spend_all)
    assert rivals.max() <= best.utility + 1e-9 * (1.0 + abs(best.utility))


@few
@given(cases(), st.booleans())
def test_the_utility_is_that_of_the_allocation(case: tuple[World, Task], spend_all: bool) -> None:
    world, task = case
    one, two = (solve(world, task, spend_all) for _ in range(2))
    profile = world.static_profile(one.allocation, BUDGET, STEPS)
    assert close([one.utility], [float(task.utility(profile))], 1e-11)
    assert np.array_equal(one.allocation, two.allocation)
    assert (one.utility, one.multiplier) == (two.utility, two.multiplier)


@few
@given(worlds(("separable", "potential"), ("identity",)), st.booleans(), st.data())
def test_the_search_agrees_with_water_filling(
    world: World, spend_all: bool, data: st.DataObject
) -> None:
    """`capped` above every ceiling is linear, but goes through the search."""
    linear = data.draw(tasks(world))
    numeric = Task("capped", linear.requirement, linear.weights, "capped:2")
    exact, searched = (solve(world, t, spend_all) for t in (linear, numeric))
    assert (exact.method, searched.method) == ("water-filling", "numeric")
    assert searched.utility == pytest.approx(exact.utility, abs=1e-9)
    assert exact.utility >= searched.utility - 1e-12


@few
@given(cases(("potential",), harm=False))
def test_without_harm_everything_is_spent(case: tuple[World, Task]) -> None:
    world, task = case
    free, forced = solve(world, task, False), solve(world, task)
    assert free.utility == pytest.approx(forced.utility, rel=1e-9, abs=1e-9)


@few
@given(cases(("potential",), ("saturating", "exponential"), harm=False))
def test_concave_worlds_have_concave_optimal_values(case: tuple[World, Task]) -> None:
    """With a link: nondecreasing and concave in the budget, and lambda is its slope."""
    world, task = case
    assume(task.kind == "linear")
    found = [optimum(world, task, b) for b in BUDGET * np.linspace(0.2, 1.0, 5)]
    values = np.array([o.utility for o in found])
    assert (np.diff(values) >= -1e-9).all()
    assert (np.diff(values, 2) <= 1e-8).all()
    if all(name in ("exponential", "log", "hill") for name in world.gain):
        h = 1e-4 * BUDGET
        ends = [optimum(world, task, 0.5 * BUDGET + d).utility for d in (-h, h)]
        middle = optimum(world, task, 0.5 * BUDGET).multiplier
        assert middle * BUDGET == pytest.approx((ends[1] - ends[0]) / (2e-4), rel=1e-3, abs=1e-5)


@few
@given(worlds(("potential",), BOUNDED_LINKS, least=2), st.data())
def test_flow_without_features_has_the_same_optimum(world: World, data: st.DataObject) -> None:
    task = data.draw(tasks(world))
    same = world.replace(dynamics="flow", substeps=2)
    assert close([solve(same, task).utility], [solve(world, task).utility], 1e-8)


def test_scaling_and_shifting_utility_keeps_the_optimum() -> None:
    """Affine calibration for the oracle: c U has the same argmax."""
    world = random_world(4, capabilities=5, negative=0.6, coupling=0.5)
    task = world.task("skill_1")
    scaled = Task("scaled", task.requirement, 7.0 * task.weights)
    one, two = optimum(world, task, 1e8), optimum(world, scaled, 1e8)
    assert two.allocation == pytest.approx(one.allocation, abs=1e-6)
    assert two.utility == pytest.approx(7.0 * one.utility, rel=1e-12)
    assert two.multiplier == pytest.approx(7.0 * one.multiplier, rel=1e-4)


@pytest.mark.parametrize("dynamics", ["potential", "flow"])
def test_many_sources(dynamics: str) -> None:
    size = 64 if dynamics == "potential" else 23
    world = random_world(
        1, capabilities=size, coupling=0.3, negative=0.6, curvature=5.0, dynamics=dynamics
    )
    task = world.task("skill_3")
    best = optimum(world, task, 60e6, steps=STEPS)
    points = np.random.default_rng(0).dirichlet(np.full(size, 0.1), 200)
    points = np.concatenate([points, np.eye(size), best.allocation[None]])
    values = task.utility(world.static_profile(points, 60e6, STEPS))
    assert values.argmax() == len(points) - 1


def test_all_negative_cross_effects() -> None:
    """Training anything but the target harms it: the answer is the target alone."""
    world = random_world(5, capabilities=4, coupling=0.5, negative=1.0)
    world = world.replace(
        tasks={"t": {"requirement": {"skill_2": 1.0}}}, help=np.diag(np.diag(world.help))
    )
    best = optimum(world, world.task("t"), 3e8, spend_all=False)
    assert best.allocation.tolist() == [0.0, 0.0, 1.0, 0.0]
    only_harm = world.replace(help=np.zeros((4, 4)))
    nothing = optimum(only_harm, world.task("t"), 3e8, spend_all=False)
    assert nothing.spent == pytest.approx(nothing.allocation[2])  # its own source does not harm
    assert nothing.utility == pytest.approx(world.start[2], abs=1e-15)


def test_a_bottleneck_is_widened_from_both_sides() -> None:
    """`ces:-20` is close to the weakest capability: two equal ones get equal shares."""
    base = random_world(0, capabilities=2, coupling=0.0, noise=0.0)
    world = base.replace(
        start=np.full(2, 0.3),
        help=0.3 * np.eye(2),
        harm=np.zeros((2, 2)),
        scale_tokens=np.full(2, 60e6),
        tasks={"t": {"requirement": {"skill_0": 1, "skill_1": 1}, "utility": "ces:-20"}},
    )
    best = optimum(world, world.task("t"), 60e6)
    assert best.allocation == pytest.approx([0.5, 0.5], abs=1e-6)
    alone = optimum(
        world.replace(tasks={"t": {"requirement": {"skill_0": 1}, "utility": "ces:-20"}}),
        Task("one", np.array([1.0, 0.0]), np.array([1.0, 0.0]), "ces:-20"),
        60e6,
    )
    assert alone.allocation == pytest.approx([1.0, 0.0], abs=1e-9)


def test_enough_is_enough() -> None:
    """`capped`: a source gets what brings its capability to the cap, the rest goes elsewhere."""
    base = random_world(0, capabilities=2, coupling=0.0, noise=0.0)
    world = base.replace(
        start=np.full(2, 0.3),
        help=np.diag([0.5, 0.05]),
        harm=np.zeros((2, 2)),
        scale_tokens=np.full(2, 60e6),
        tasks={"t": {"requirement": {"skill_0": 1, "skill_1": 1}, "utility": "capped:0.4"}},
    )
    best = optimum(world, world.task("t"), 60e6)
    profile = world.static_profile(best.allocation, 60e6)
    assert profile[0] == pytest.approx(0.4, abs=1e-6)
    # p_0 = 0.9 - 0.6 exp(-z / 0.6) = 0.4 at z = 0.5 (1 - exp(-x))
    z = -0.6 * np.log(0.5 / 0.6)
    assert best.allocation[0] == pytest.approx(-np.log(1 - z / 0.5), abs=1e-5)

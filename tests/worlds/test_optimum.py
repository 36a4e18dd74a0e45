"""Additive worlds: water-filling meets Proposition 4.5, also with spillover."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds import Optimum, Task, World, optimum
from tests.support import plain
from tests.support.plain import Returns, best_of_blocks, returns
from tests.support.strategies import BUDGET, FAMILIES, few, grids, tasks, worlds

SMOOTH = ("exponential", "log", "hill")


@st.composite
def cases(
    draw: st.DrawFn, dynamics: tuple[str, ...] = ("separable", "potential"), least: int = 1
) -> tuple[World, Task]:
    """An additive world with a linear task: `separable`, or with harm on the score scale itself."""
    world = draw(worlds(dynamics, ("identity",), least=least))
    return world, draw(tasks(world))


def total(curves: list[Returns], b: Array) -> float:
    return sum(h(v) for h, v in zip(curves, b.tolist(), strict=True))


def first_utility(world: World, task: Task) -> float:
    return float(world.start @ task.weights)


@few
@given(cases(), st.sampled_from([1.0, 0.3, 1e-3]))
def test_interval_conditions(case: tuple[World, Task], share: float) -> None:
    """Prop. 4.5 with one-sided difference quotients, which concavity puts on the safe side."""
    world, task = case
    budget = share * BUDGET
    best = optimum(world, task, budget)
    assert best.method == "water-filling"
    assert best.allocation.sum() == pytest.approx(1.0, abs=1e-12)
    assert (best.allocation >= 0.0).all()
    curves = returns(world, task)
    for h, b in zip(curves, best.allocation * budget, strict=True):
        for step in (0.01 * budget, 0.1 * budget):
            assert h(b + step) - h(b) <= best.multiplier * step + 1e-9 * share**0.25
            if b >= step:
                assert h(b) - h(b - step) >= best.multiplier * step - 1e-9 * share**0.25


@few
@given(cases(), st.integers(0, 2**32 - 1), st.booleans())
def test_beats_random_points_blocks_and_shifts(
    case: tuple[World, Task], seed: int, spend_all: bool
) -> None:
    world, task = case
    best = optimum(world, task, BUDGET, spend_all=spend_all)
    curves = returns(world, task)
    value = best.utility - first_utility(world, task)
    assert value == pytest.approx(total(curves, best.allocation * BUDGET), abs=1e-12)
    s = world.shape[0]
    rng = np.random.default_rng(seed)
    points = rng.dirichlet(np.full(s, 0.5), 200) * (1.0 if spend_all else rng.random((200, 1)))
    rivals = task.utility(world.static_profile(points, BUDGET))
    assert rivals.max() <= best.utility + 1e-12
    assert best_of_blocks(curves, BUDGET, 30) <= value + 1e-12
    for i in range(s):
        for j in range(s):
            moved = best.allocation.copy()
            mass = min(moved[i], 0.01)
            moved[i] -= mass
            moved[j] += mass
            assert total(curves, moved * BUDGET) <= value + 1e-12


@few
@given(cases(), grids(1, 1, 240))
def test_scaling_the_weights_scales_the_multiplier(case: tuple[World, Task], factor: Array) -> None:
    world, task = case
    other = Task("scaled", task.requirement, task.weights * factor)
    one, two = optimum(world, task, BUDGET), optimum(world, other, BUDGET)
    # equal slopes leave more than one best allocation, so values are compared
    assert two.utility == pytest.approx(factor[0] * one.utility, rel=1e-9, abs=1e-12)
    assert two.multiplier * BUDGET == pytest.approx(
        factor[0] * one.multiplier * BUDGET, rel=1e-9, abs=1e-12
    )


@few
@given(cases())
def test_more_budget_is_worth_less_and_less(case: tuple[World, Task]) -> None:
    world, task = case
    budgets = BUDGET * np.linspace(0.05, 1.0, 6)
    forced = [optimum(world, task, b) for b in budgets]
    free = [optimum(world, task, b, spend_all=False) for b in budgets]
    slopes = [o.multiplier * BUDGET for o in forced]
    assert all(b <= a + 1e-9 * (1 + abs(a)) for a, b in pairwise(slopes))
    for found in (forced, free):
        values = np.array([o.utility for o in found])
        assert (np.diff(values, 2) <= 1e-12).all()
    assert (np.diff([o.utility for o in free]) >= -1e-12).all()
    # the multiplier lies between the slopes of the value on both sides
    values = np.array([o.utility for o in forced])
    chords = np.diff(values) / np.diff(budgets)
    for n, o in enumerate(forced[1:-1]):
        assert chords[n + 1] - 1e-18 <= o.multiplier + 1e-16
        assert o.multiplier <= chords[n] + 1e-16


# ----------------------------------------------------------------- the table's allocations


@given(st.sampled_from(FAMILIES), st.data())
def test_closed_form_of_each_family(family: str, data: st.DataObject) -> None:
    """b_i(lambda) of the table, family by family: the sum at the found multiplier is the budget."""
    world = data.draw(worlds(("separable",), families=(family,), least=2))
    task = data.draw(tasks(world))
    best = optimum(world, task, BUDGET)
    a, t = world.help @ task.weights, world.scale_tokens
    if best.multiplier < 1e-12 / BUDGET:
        return
    q = float(family.partition(":")[2] or 0.5)
    per_source: dict[str, Callable[[Array], Array]] = {
        "exponential": lambda r: t * np.maximum(np.log(np.maximum(r, 1e-300)), 0.0),
        "log": lambda r: np.maximum(r * t - t, 0.0),
        "hill": lambda r: np.maximum(np.sqrt(r) * t - t, 0.0),
        "power": lambda r: t * (q * r) ** (1.0 / (1.0 - q)),
    }
    name = family.partition(":")[0]
    if name in per_source:
        expected = per_source[name](a / (t * best.multiplier))
        assert best.allocation * BUDGET == pytest.approx(expected, rel=1e-6, abs=1e-6 * BUDGET)


@few
@given(worlds(("separable",), families=("power", "power:0.25"), least=2), st.data())
def test_an_infinite_first_slope_is_always_worth_some_tokens(
    world: World, data: st.DataObject
) -> None:
    task = data.draw(tasks(world))
    useful = world.help @ task.weights > 0.0
    best = optimum(world, task, BUDGET).allocation
    assert ((best > 0.0) == (useful if useful.any() else True)).all()
    if useful.sum() > 1:
        assert best.max() < 1.0


@few
@given(cases(("separable",), least=2))
def test_one_hot_is_best_exactly_when_no_first_slope_beats_its_last(
    case: tuple[World, Task],
) -> None:
    """The `whenever` after Eq. (15) is an `if and only if`."""
    world, task = case
    w, x = world.help @ task.weights / world.scale_tokens, BUDGET / world.scale_tokens
    with np.errstate(invalid="ignore"):
        first = np.where(w > 0, w * world.gains.slope(np.zeros_like(x)), 0.0)
    last = w * world.gains.slope(x * (1 - 1e-12))  # the left derivative, at a kink too
    best = optimum(world, task, BUDGET).utility
    corners = task.utility(world.static_profile(np.eye(len(w)), BUDGET))
    for i, value in enumerate(corners):
        gain = (np.delete(first, i) - last[i]).max() * BUDGET
        if gain <= 0.0:
            assert value == pytest.approx(best, abs=1e-12)
        elif 1e-3 < gain < np.inf:  # under an infinite slope a share too small to be seen may do
            assert value < best


def simple(gain: str, help_: list[float], harm: list[float] | None = None) -> World:
    """Sources with help and harm on a single capability that starts at 0.5."""
    s = len(help_)
    return World(
        name="simple",
        sources=tuple("abcdefgh"[:s]),
        capabilities=("c",),
        dynamics="potential",
        link="identity",
        start=np.array([0.5]),
        floor=np.zeros(1),
        ceiling=np.ones(1),
        gain=(gain,) * s,
        scale_tokens=np.full(s, BUDGET / 4),
        help=np.array(help_)[:, None],
        harm=np.array(harm or [0.0] * s)[:, None],
        horizon=BUDGET,
    )


def solve(world: World, spend_all: bool = True) -> Optimum:
    return optimum(world, world.task("c"), BUDGET, spend_all=spend_all)


def test_edge_cases() -> None:
    nothing = solve(simple("exponential", [0.0, 0.0, 0.0]))
    assert nothing.allocation == pytest.approx([1 / 3] * 3)
    assert nothing.multiplier == 0.0
    useless = solve(simple("exponential", [0.2, 0.0]))
    assert useless.allocation.tolist() == [1.0, 0.0]
    flat = solve(simple("broken", [0.1, 0.2]))  # both lines end at a quarter of the budget
    assert flat.utility == pytest.approx(0.8)
    assert flat.multiplier == 0.0
    assert (flat.allocation >= 0.25 - 1e-12).all()
    steep = solve(simple("broken", [0.1] * 4 + [0.05]))
    assert steep.allocation == pytest.approx([0.25] * 4 + [0.0])
    alone = solve(simple("hill", [0.2]))
    assert alone.allocation.tolist() == [1.0]
    assert alone.multiplier * BUDGET == pytest.approx(0.2 * 4 / 25)


@few
@given(worlds(("potential",), ("identity",)), st.data())
def test_stopping_early_pays_exactly_when_the_multiplier_is_negative(
    world: World, data: st.DataObject
) -> None:
    """The lemma on spillover."""
    task = data.draw(tasks(world))
    forced, free = (optimum(world, task, BUDGET, spend_all=spend) for spend in (True, False))
    assert free.utility >= forced.utility - 1e-12
    assert free.utility >= first_utility(world, task) - 1e-12
    if forced.multiplier < -1e-9 / BUDGET:
        assert free.spent < 1.0
        assert free.multiplier == 0.0
        assert free.utility > forced.utility - 1e-12
        # nothing is left to gain: every first derivative at the answer is at most 0
        for h, b in zip(returns(world, task), free.allocation * BUDGET, strict=True):
            assert h(b + 0.01 * BUDGET) <= h(b) + 1e-12
    elif forced.multiplier > 1e-9 / BUDGET:
        assert free.spent == pytest.approx(1.0, abs=1e-9)
        assert free.utility == pytest.approx(forced.utility, abs=1e-12)


def test_harm_alone_is_best_left_alone() -> None:
    world = simple("exponential", [0.0, 0.0], [0.1, 0.05])
    free, forced = solve(world, spend_all=False), solve(world)
    assert free.allocation.tolist() == [0.0, 0.0]
    assert free.utility == 0.5
    assert forced.multiplier < 0.0
    assert forced.utility < 0.5


def test_the_known_optimum_with_harm() -> None:
    """h(x) = 0.3 (1 - e^-x) - 0.1 (x - 1 + e^-x) on one source: e^-x = 1/4 at the top."""
    best = solve(simple("exponential", [0.3], [0.1]), spend_all=False)
    assert best.spent == pytest.approx(np.log(4.0) / 4)
    assert best.utility == pytest.approx(0.5 + 0.3 * 0.75 - 0.1 * (np.log(4.0) - 0.75))


@pytest.mark.parametrize("family", SMOOTH)
def test_equal_sources_share_equally(family: str) -> None:
    world = simple(family, [0.05] * 4)
    assert solve(world).allocation == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("budget", [0.0, -1.0, np.nan, np.inf, 1.01 * BUDGET])
def test_bad_budgets(budget: float) -> None:
    world = simple("exponential", [0.1])
    with pytest.raises(ConfigError, match="budget"):
        optimum(world, world.task("c"), budget)


def test_the_value_is_that_of_plain_python() -> None:
    world = simple("log", [0.1, 0.05], [0.0, 0.02])
    best = solve(world)
    profile = plain.potential(world, (best.allocation * BUDGET).tolist())
    assert best.utility == pytest.approx(profile[0], abs=1e-14)

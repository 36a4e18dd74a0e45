"""Concave and marginal gains on worlds: where they hold by construction, where they must not."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.theory import Verdict, gains, marginals
from readsim.theory.lemmas import static_dominance
from readsim.worlds import Task, World, load_world, optimum
from tests.support.strategies import BUDGET, few, shares, tasks, worlds
from tests.worlds.test_flow import flow_world


def verdicts(world: World, task: Task, budget: float) -> dict[str, Verdict]:
    found = gains.check_world_gains(world, task, budget, draws=24)
    return {r.statement.rpartition(": ")[2]: r.verdict for r in found}


@few
@given(worlds(("separable",)), st.data())
def test_separable_worlds_are_the_assumption(world: World, data: st.DataObject) -> None:
    found = verdicts(world, data.draw(tasks(world)), BUDGET)
    assert set(found.values()) == {Verdict.HOLDS}
    assert set(found) == {"adds up", "concave", "nondecreasing", "order-free"}


@few
@given(worlds(("potential",)), st.data())
def test_potential_worlds_are_order_free(world: World, data: st.DataObject) -> None:
    assert verdicts(world, data.draw(tasks(world)), BUDGET)["order-free"] is Verdict.HOLDS


@pytest.mark.parametrize(
    ("world", "broken"),
    [
        ("gateway", "order-free"),
        ("forgetting", "order-free"),
        ("conflict", "nondecreasing"),
        ("gateway", "concave"),
        ("from-scratch", "adds up"),
    ],
)
def test_negative_worlds_made_to_break_it(world: str, broken: str) -> None:
    loaded = load_world(world)
    task = loaded.task(loaded.task_names[0])
    assert verdicts(loaded, task, min(20e6, loaded.horizon))[broken] is Verdict.FAILS


def test_negative_a_logistic_link_is_s_shaped() -> None:
    world = flow_world(dynamics="potential").replace(link="logistic")
    world = world.replace(start=np.full(2, 0.1), floor=np.full(2, 0.05), ceiling=np.ones(2))
    world = world.replace(help=np.array([[3.0, 0.0], [0.0, 3.0]]))
    found = verdicts(world, world.task(world.task_names[0]), 0.2 * BUDGET)
    assert found["concave"] is Verdict.FAILS


def quadratic(b: Array) -> float:
    return float(3 * b[0] * b[1] + 2 * b[0] ** 2 - b[1])


def test_the_differences_by_hand() -> None:
    b = np.array([1.0, 2.0])
    assert gains.interaction(quadratic, b, 0, 0.5, 1, 0.25) == pytest.approx(3 * 0.5 * 0.25)
    assert gains.fall(quadratic, np.array([0.0, 2.0]), 1, 0.5) == pytest.approx(0.5)


def test_one_source_and_refusals() -> None:
    def root(schedule: Sequence[Array]) -> float:
        return float(np.sqrt(np.sum(schedule)))

    found = gains.check(root, 1, 5.0, "root")
    assert {r.verdict for r in found} == {Verdict.HOLDS}
    for sources, budget in ((0, 1.0), (1, 0.0)):
        with pytest.raises(ConfigError, match="above 0"):
            gains.check(root, sources, budget, "bad")


# ----------------------------------------------------------------- Proposition 4.5, marginal gains


@few
@given(worlds(("separable", "potential"), ("identity",)), st.data())
def test_pt5_the_optimum_meets_the_conditions(world: World, data: st.DataObject) -> None:
    task = data.draw(tasks(world))
    result = marginals.check(world, task, BUDGET)
    assert result.verdict is Verdict.HOLDS, result.row()


@few
@given(worlds(("separable",), ("identity",), ("exponential", "log", "hill", "power")), st.data())
def test_what_is_not_optimal_does_not_meet_them(world: World, data: st.DataObject) -> None:
    """Sufficiency, backwards: a split with a lower utility has a positive gap."""
    task = data.draw(tasks(world))
    split = data.draw(shares(world.shape[0]))
    best = optimum(world, task, BUDGET)
    lost = best.utility - float(task.utility(world.static_profile(split, BUDGET)))
    assume(lost > 1e-4)
    assert marginals.check(world, task, BUDGET, split).verdict is Verdict.FAILS


def two(gain: tuple[str, str], tops: tuple[float, float]) -> World:
    return flow_world(
        dynamics="separable",
        link="identity",
        help=np.diag(tops),
        gain=gain,
        ceiling=np.full(2, 0.99),
        horizon=BUDGET,
    )


def test_the_shift_rule_is_an_if_and_only_if() -> None:
    """All on one source is optimal exactly when no other enters with a larger slope."""
    for second in np.linspace(0.02, 0.4, 20):
        world = two(("exponential", "exponential"), (0.4, float(second)))
        task = Task("t", np.full(2, 0.5), np.full(2, 0.5))
        right, left = marginals.marginals(world, task, np.array([BUDGET, 0.0]))
        improves = marginals.shift_gain(float(right[1]), float(left[0])) > 0
        alone = optimum(world, task, BUDGET).allocation[0] > 1 - 1e-9
        assert improves == (not alone)
    assert marginals.shift_gain(0.3, 0.1) == pytest.approx(0.2)


def test_an_infinite_slope_at_zero_is_always_active() -> None:
    world = two(("exponential", "power"), (0.4, 1e-4))
    task = Task("t", np.array([0.99, 0.01]), np.array([0.99, 0.01]))
    assert optimum(world, task, BUDGET).allocation[1] > 0
    gap = marginals.check(world, task, BUDGET, np.array([1.0, 0.0]))
    assert gap.verdict is Verdict.FAILS


def test_kinks_are_intervals() -> None:
    """min(x, 1) filled exactly to its kink: the slope jumps past lambda."""
    right, left = np.array([0.0, 0.5]), np.array([2.0, 0.5])
    assert marginals.kkt_gap(right, left, np.array([1.0, 1.0])) == 0.0
    assert marginals.kkt_gap(np.array([0.7, 0.5]), left, np.array([1.0, 1.0])) == pytest.approx(0.2)
    assert marginals.kkt_gap(np.array([0.0, 3.0]), left, np.array([1.0, 0.0])) == pytest.approx(1.0)


def test_a_weight_of_zero_gets_nothing() -> None:
    world = two(("exponential", "exponential"), (0.4, 0.4))
    task = Task("t", np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert marginals.check(world, task, BUDGET).verdict is Verdict.HOLDS
    assert optimum(world, task, BUDGET).allocation[1] == 0


def test_a_world_with_state_has_no_marginal_gains() -> None:
    world = load_world("gateway")
    with pytest.raises(
        CapabilityMissingError, match=r"4\.5 \(marginal gains\) needs gains of cumulative tokens"
    ):
        marginals.check(world, world.task(world.task_names[0]), 1e6)


def test_the_demo_counts_steps_and_not_tokens() -> None:
    world = load_world("artifact-toy")
    task = world.task(world.task_names[0])
    for check in (gains.check_world_gains, static_dominance.check):
        with pytest.raises(CapabilityMissingError, match="a response to tokens, not to steps"):
            check(world, task, 1e6)


@few
@given(worlds(("separable",)), st.data())
def test_pt17_value_is_concave_in_the_budget_and_lambda_falls(
    world: World, data: st.DataObject
) -> None:
    task = data.draw(tasks(world))
    low, middle, high = (optimum(world, task, BUDGET * f) for f in (0.2, 0.5, 0.8))
    assert low.utility <= middle.utility + 1e-12 <= high.utility + 2e-12
    assert low.utility + high.utility <= 2 * middle.utility + 1e-9
    slack = 1e-6 * abs(low.multiplier) + 1e-18
    assert low.multiplier >= middle.multiplier - slack >= high.multiplier - 2 * slack
    heavier = Task("h", task.requirement, 3 * task.weights)
    scaled = optimum(world, heavier, BUDGET * 0.5)
    assert scaled.multiplier == pytest.approx(3 * middle.multiplier, rel=1e-6, abs=1e-18)

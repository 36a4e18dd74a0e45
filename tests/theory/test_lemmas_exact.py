"""The lemmas as exact tests; spillover stands with the optimum, order effects with the dynamics."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.envs.candidates import candidate_set
from readsim.envs.reward import RewardConfig, proxy_reward, spill_prices
from readsim.theory.lemmas.greedy_blocks import greedy
from readsim.theory.lemmas.static_dominance import greedy_schedule
from readsim.theory.lemmas.vertex import linear_programme
from readsim.worlds import Task, World, optimum
from tests.support.plain import Returns, best_of_blocks, returns
from tests.support.strategies import BUDGET, KINDS, few, grids, schedules, shares, tasks, worlds
from tests.worlds.test_flow import end, flow_world


@st.composite
def order_free(draw: st.DrawFn) -> tuple[World, Task]:
    world = draw(worlds(("separable", "potential")))
    kinds = KINDS if world.is_score else ("linear", "capped:-1")
    return world, draw(tasks(world, kinds))


# ----------------------------------------------------------------- static dominance


@few
@given(order_free(), st.data())
def test_no_policy_beats_the_best_constant_allocation(
    case: tuple[World, Task], data: st.DataObject
) -> None:
    """Tokens may be left unspent on both sides."""
    world, task = case
    free = optimum(world, task, BUDGET, spend_all=False)
    policies: list[Sequence[Array]] = [
        list(data.draw(schedules(world.shape[0]))),
        greedy_schedule(world, task, BUDGET, 8),
        greedy_schedule(world, task, BUDGET, 8)[:5],
    ]
    for schedule in policies:
        assert np.sum(schedule) <= BUDGET * (1 + 1e-9)
        ends = float(task.utility(world.profile_after(schedule)))
        assert ends <= free.utility + 1e-9 * (1 + abs(ends))
    constant = [free.allocation * BUDGET / 20] * 20
    reached = float(task.utility(world.profile_after(constant)))
    assert reached == pytest.approx(free.utility, rel=1e-9, abs=1e-9)


@few
@given(order_free(), st.data())
def test_no_policy_that_spends_all_beats_the_best_that_does(
    case: tuple[World, Task], data: st.DataObject
) -> None:
    world, task = case
    schedule = data.draw(schedules(world.shape[0]))
    assume(schedule.sum() > 0)
    schedule = schedule * (BUDGET / schedule.sum())
    ends = float(task.utility(world.profile_after(schedule)))
    assert ends <= optimum(world, task, BUDGET).utility + 1e-9 * (1 + abs(ends))


def test_with_state_a_schedule_can_beat_every_constant_allocation() -> None:
    """The documented failure outside Assumption 4.4: first the gateway skill, then the other."""
    world = flow_world("gate", help=np.array([[0.4, 0.0], [0.0, 0.3]]))
    world = world.replace(tasks={"b": {"requirement": {"b": 1.0}}})
    task = world.task("b")
    static = optimum(world, task, BUDGET).utility
    first_a = max(float(end(world, (a, 0), (0, 1 - a))[1]) for a in np.linspace(0, 1, 21))
    assert first_a > static + 0.003


# ----------------------------------------------------------------- one-hot bound


@few
@given(worlds(("separable", "potential")), st.data())
def test_the_specialist_bounds_its_own_capability(world: World, data: st.DataObject) -> None:
    s, k = world.shape
    own = np.eye(s, k, dtype=np.bool_)
    world = world.replace(help=np.where(own, world.help, 0.0), harm=np.where(own, 0.0, world.harm))
    schedule = data.draw(schedules(s))
    ends = world.profile_after(schedule)
    specialists = world.static_profile(np.eye(s), BUDGET)
    for i in range(min(s, k)):
        assert ends[i] <= specialists[i, i] + 1e-12 * (1 + abs(ends[i]))


def test_positive_transfer_lifts_the_specialist_s_bound() -> None:
    world = flow_world(help=np.array([[0.2, 0.2], [0.2, 0.2]]), dynamics="potential")
    mixed = world.static_profile(np.array([0.5, 0.5]), 4 * BUDGET)
    specialists = world.static_profile(np.eye(2), 4 * BUDGET)
    assert (mixed > np.diag(specialists) + 0.01).all()


# ----------------------------------------------------------------- vertices


def reward_of(alpha: Array, local: Array, requirement: Array, prices: Array) -> Array:
    return proxy_reward(alpha @ local, requirement, prices, 0.0)


@st.composite
def local_problems(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """A local matrix G (S, K), a requirement, and the essential mask of its top 3."""
    s, k = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    requirement = draw(shares(k))
    return draw(grids((s, k), -60, 60)), requirement, spill_prices(requirement, UNIT)


UNIT = RewardConfig(spill=1.0, spill_weights="unit")


@few
@given(local_problems(), st.integers(0, 2**32 - 1))
def test_without_a_spillover_price_a_corner_is_best(
    problem: tuple[Array, Array, Array], seed: int
) -> None:
    local, requirement, _ = problem
    prices = np.zeros(len(requirement))
    corners = reward_of(np.eye(len(local)), local, requirement, prices)
    points = np.random.default_rng(seed).dirichlet(np.ones(len(local)), 100)
    assert reward_of(points, local, requirement, prices).max() <= corners.max() + 1e-12
    value, _ = linear_programme(local, requirement, prices)
    assert value == pytest.approx(corners.max(), abs=1e-9)


@few
@given(local_problems(), st.sampled_from([0.1, 1.0, 5.0]), st.integers(0, 2**32 - 1))
def test_with_a_price_the_linear_programme_is_the_bound(
    problem: tuple[Array, Array, Array], price: float, seed: int
) -> None:
    local, requirement, mask = problem
    prices = price * mask
    value, alpha = linear_programme(local, requirement, prices)
    assert reward_of(alpha, local, requirement, prices) == pytest.approx(value, abs=1e-8)
    points = np.random.default_rng(seed).dirichlet(np.full(len(local), 0.5), 100)
    tried = np.concatenate([np.eye(len(local)), points])
    rewards = reward_of(tried, local, requirement, prices)
    assert rewards.max() <= value + 1e-9
    # concave: the middle of two allocations earns at least the mean of theirs
    middles = reward_of(0.5 * (tried[:-1] + tried[1:]), local, requirement, prices)
    assert (middles >= 0.5 * (rewards[:-1] + rewards[1:]) - 1e-12).all()


def test_with_a_price_a_mixture_can_be_best() -> None:
    """Each source helps one capability and harms the other; together nothing drops."""
    local, requirement = np.array([[1.0, -0.5], [-0.5, 1.0]]), np.array([0.6, 0.4])
    value, alpha = linear_programme(local, requirement, np.ones(2))
    assert value > reward_of(np.eye(2), local, requirement, np.ones(2)).max() + 0.1
    assert alpha.min() > 0.3


# ----------------------------------------------------------------- greedy blocks


@few
@given(worlds(("separable", "potential"), ("identity",)), st.data(), st.integers(1, 30))
def test_greedy_on_equal_blocks_is_the_dynamic_programme(
    world: World, data: st.DataObject, blocks: int
) -> None:
    """A plain dynamic programme is the reference."""
    curves = returns(world, data.draw(tasks(world)))
    expected = best_of_blocks(curves, BUDGET, blocks)
    assert greedy(curves, BUDGET, blocks) == pytest.approx(expected, abs=1e-12)


def test_greedy_fails_on_a_gain_with_a_slow_start() -> None:
    """Greedy blocks need concavity: the documented failure."""
    curves: list[Returns] = [lambda b: 0.3 * b, lambda b: 1.0 / (1.0 + np.exp(-20 * (b - 0.6)))]
    assert greedy(curves, 1.0, 30) < 0.5 * best_of_blocks(curves, 1.0, 30)


# ----------------------------------------------------------------- inert terms, equal marginal gains


@given(local_problems(), st.floats(0.1, 10.0), st.floats(0.0, 3.0))
def test_a_positive_scale_and_an_equal_cost_change_no_choice(
    problem: tuple[Array, Array, Array], scale: float, cost: float
) -> None:
    """Measured changes times a > 0; the same cost for every candidate."""
    local, requirement, prices = problem
    s = len(local)
    candidates = candidate_set(np.full(s, 1.0 / s), np.eye(s)[0])
    plain = reward_of(candidates, local, requirement, prices)
    other = proxy_reward(scale * candidates @ local, requirement, prices, cost)
    assert other == pytest.approx(scale * plain - cost, abs=1e-9)
    # what was best still is, up to ties that rounding may break
    assert plain[int(np.argmax(other))] == pytest.approx(plain.max(), abs=1e-9)


def test_a_cost_matters_between_steps_of_different_size() -> None:
    change = np.array([[0.010], [0.012]])
    rewards = proxy_reward(change, np.ones(1), np.zeros(1), 0.01 * np.array([1.0, 2.0]))
    assert int(np.argmax(rewards)) == 0


@few
@given(worlds(("separable",)), st.data())
def test_rewards_fall_along_a_one_hot_run(world: World, data: st.DataObject) -> None:
    """In separable worlds, without noise, with equal steps."""
    requirement = data.draw(shares(world.shape[1]))
    prices = spill_prices(requirement, RewardConfig())
    tokens = np.eye(world.shape[0])[data.draw(st.integers(0, world.shape[0] - 1))] * BUDGET / 12
    profiles = np.array([world.profile_after([tokens] * n) for n in range(13)])
    rewards = proxy_reward(np.diff(profiles, axis=0), requirement, prices, 0.01 / 12)
    assert (np.diff(rewards) <= 1e-12).all()


@few
@given(worlds(("separable",), families=("exponential", "log", "hill"), least=2), st.data())
def test_tokens_are_worth_the_same_everywhere_at_the_oracle(
    world: World, data: st.DataObject
) -> None:
    """Proposition 4.5: r_i g_i'(b_i) is one number over all sources that get tokens."""
    task = data.draw(tasks(world))
    best = optimum(world, task, BUDGET)
    x = best.allocation * BUDGET / world.scale_tokens
    worth = world.gains.slope(x) * (world.help @ task.weights) / world.scale_tokens * BUDGET
    active = best.allocation > 1e-9
    assert np.ptp(worth[active]) <= 1e-6 * max(worth.max(), 1e-3)
    assert worth.max() <= worth[active].min() + 1e-6 * max(worth.max(), 1e-3)

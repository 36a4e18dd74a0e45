"""The proxy reward, Eq. (9): its identities, and what an optimal allocation of one step is."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.reward import (
    SPILL_WEIGHTS,
    RewardConfig,
    essential_set,
    proxy_reward,
    spill_prices,
)
from readsim.errors import ReadsimError
from readsim.worlds import World
from tests.support.strategies import BUDGET, grids, shares, tasks, worlds

SIZES = st.integers(1, 6)
few = settings(max_examples=40)
CONFIGS = st.builds(
    RewardConfig,
    essential=st.integers(1, 7),
    spill=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    spill_weights=st.sampled_from(SPILL_WEIGHTS),
    cost=st.sampled_from([0.0, 0.01, 0.5]),
)


def plain_essential(requirement: Sequence[float], size: int) -> list[int]:
    """Indices of the essential capabilities: largest first, lower index first among equals."""
    return sorted(range(len(requirement)), key=lambda i: (-requirement[i], i))[:size]


def plain_reward(
    change: Sequence[float], requirement: Sequence[float], config: RewardConfig, spent: float
) -> float:
    """Eq. (9), one number at a time; `spent` is the step's tokens over the budget."""
    total = -config.cost * spent
    for i, r in enumerate(requirement):
        total += r * change[i]
        if i in plain_essential(requirement, config.essential):
            weight = r if config.spill_weights == "requirement" else 1.0
            total -= config.spill * weight * max(-change[i], 0.0)
    return total


def reward(change: Array, requirement: Array, config: RewardConfig, spent: float = 0.0) -> Array:
    """The project's own, for the same arguments."""
    prices = spill_prices(requirement, config)
    return proxy_reward(change, requirement, prices, config.cost * spent)


@given(st.data(), SIZES, CONFIGS, st.sampled_from([0.0, 0.05, 1.0]))
def test_is_eq_9(data: DataObject, k: int, config: RewardConfig, spent: float) -> None:
    change, requirement = data.draw(grids(k, -60, 60)), data.draw(shares(k))
    expected = plain_reward(change.tolist(), requirement.tolist(), config, spent)
    assert float(reward(change, requirement, config, spent)) == pytest.approx(expected, abs=1e-14)


@few
@given(st.data(), SIZES, CONFIGS)
def test_batch_is_row_by_row(data: DataObject, k: int, config: RewardConfig) -> None:
    changes, requirement = data.draw(grids((3, 2, k), -60, 60)), data.draw(shares(k))
    cost = data.draw(grids((3, 2), 0, 60))
    prices = spill_prices(requirement, config)
    rows = [
        [proxy_reward(changes[a, b], requirement, prices, cost[a, b]) for b in range(2)]
        for a in range(3)
    ]
    batch = proxy_reward(changes, requirement, prices, cost)
    np.testing.assert_allclose(batch, rows, rtol=0, atol=1e-14)


@given(st.data(), SIZES, CONFIGS, st.sampled_from([0.0, 0.05, 1.0]))
def test_no_change_costs_its_tokens(
    data: DataObject, k: int, config: RewardConfig, spent: float
) -> None:
    assert reward(np.zeros(k), data.draw(shares(k)), config, spent) == -config.cost * spent


@given(st.data(), SIZES, CONFIGS)
def test_nondecreasing_in_each_change(data: DataObject, k: int, config: RewardConfig) -> None:
    change, requirement = data.draw(grids(k, -60, 60)), data.draw(shares(k))
    better = change + np.diag(data.draw(grids(k, 0, 60)))  # row i: only capability i moves
    gained = reward(better, requirement, config) - reward(change, requirement, config)
    assert (gained >= -1e-14).all()
    # where a unit of change has a value, it shows
    moved = (np.diag(better) > change) & (requirement > 0)
    assert (gained[moved] > 0).all()


@few
@given(st.data(), SIZES, CONFIGS, st.floats(0.0, 100.0))
def test_homogeneous_apart_from_the_cost(
    data: DataObject, k: int, config: RewardConfig, factor: float
) -> None:
    change, requirement = data.draw(grids(k, -60, 60)), data.draw(shares(k))
    scaled = reward(factor * change, requirement, config)
    expected = factor * reward(change, requirement, config)
    np.testing.assert_allclose(scaled, expected, rtol=0, atol=1e-12)


@few
@given(st.data(), SIZES, CONFIGS, st.floats(0.0, 1.0))
def test_concave_in_the_change(
    data: DataObject, k: int, config: RewardConfig, share: float
) -> None:
    requirement = data.draw(shares(k))
    a, b = data.draw(grids((2, k), -60, 60))
    between = reward(share * a + (1 - share) * b, requirement, config)
    chord = share * reward(a, requirement, config) + (1 - share) * reward(b, requirement, config)
    assert between >= chord - 1e-14


@few
@given(st.data(), SIZES, st.sampled_from(SPILL_WEIGHTS))
def test_linear_without_spill(data: DataObject, k: int, weights: str) -> None:
    config = RewardConfig(spill=0.0, spill_weights=weights)
    requirement = data.draw(shares(k))
    a, b = data.draw(grids((2, k), -60, 60))
    np.testing.assert_allclose(
        reward(3 * a - 2 * b, requirement, config),
        3 * reward(a, requirement, config) - 2 * reward(b, requirement, config),
        rtol=0,
        atol=1e-13,
    )


@few
@given(st.data(), SIZES, CONFIGS)
def test_gain_telescopes_and_the_penalty_does_not(
    data: DataObject, k: int, config: RewardConfig
) -> None:
    path, requirement = data.draw(grids((6, k), 0, 60)), data.draw(shares(k))
    steps = np.diff(path, axis=0)
    gain = reward(steps, requirement, RewardConfig(spill=0.0)).sum()
    assert gain == pytest.approx(requirement @ (path[-1] - path[0]), abs=1e-14)
    # a drop that is made good again still costs
    in_all = reward(path[-1] - path[0], requirement, config)
    assert reward(steps, requirement, config).sum() <= in_all + 1e-13


@given(st.data(), SIZES, st.integers(1, 8))
def test_essential_set(data: DataObject, k: int, size: int) -> None:
    requirement = data.draw(shares(k))
    chosen = np.flatnonzero(essential_set(requirement, size)).tolist()
    assert chosen == sorted(plain_essential(requirement.tolist(), size))
    assert len(chosen) == min(size, k)


def test_essential_ties_go_to_the_lower_index() -> None:
    requirement = np.array([0.1, 0.3, 0.15, 0.15, 0.3])
    assert essential_set(requirement, 1).tolist() == [0, 1, 0, 0, 0]
    assert essential_set(requirement, 3).tolist() == [0, 1, 1, 0, 1]


def test_weights_by_hand() -> None:
    requirement, change = np.array([0.5, 0.3, 0.2]), np.array([-0.1, 0.2, -0.4])
    gain = -0.05 + 0.06 - 0.08
    for weights, essential, penalty in (
        ("requirement", 1, 0.5 * 0.1),  # r_0 |Dp_0|
        ("requirement", 3, 0.5 * 0.1 + 0.2 * 0.4),
        ("unit", 1, 0.1),  # |Dp_0|
        ("unit", 2, 0.1),  # the second one rose
        ("unit", 3, 0.1 + 0.4),
    ):
        config = RewardConfig(essential=essential, spill=2.0, spill_weights=weights, cost=0.5)
        expected = gain - 2.0 * penalty - 0.5 * 0.1
        assert reward(change, requirement, config, 0.1) == pytest.approx(expected)


def test_noise_alone_is_charged() -> None:
    """A measured change of noise has mean gain 0 and mean penalty sum_E price sd / sqrt(2 pi)."""
    rng = np.random.default_rng(0)
    requirement, sd = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.05, 0.1, 0.02, 0.3])
    config = RewardConfig(spill=1.0, spill_weights="unit")
    rewards = reward(rng.standard_normal((100_000, 4)) * sd, requirement, config)
    expected = -sd[:3].sum() / np.sqrt(2 * np.pi)
    assert abs(rewards.mean() - expected) < 5 * rewards.std() / np.sqrt(100_000)


# The lemma on vertices: in a locally linear step, Dp = G^T alpha.


def best_by_linear_program(local: Array, requirement: Array, prices: Array) -> tuple[Array, float]:
    """max r . G^T a - prices . d over the simplex, with d >= -G^T a and d >= 0: a and the maximum."""
    from scipy.optimize import linprog

    s, k = local.shape
    solved = linprog(
        np.concatenate([-local @ requirement, prices]),
        A_ub=np.hstack([-local.T, -np.eye(k)]),
        b_ub=np.zeros(k),
        A_eq=np.concatenate([np.ones(s), np.zeros(k)])[None],
        b_eq=[1.0],
    )
    assert solved.x is not None, solved.message
    assert solved.fun is not None
    return np.asarray(solved.x[:s]), -float(solved.fun)


def step_of(seed: int) -> tuple[Array, Array, Array]:
    """A random local matrix (S, K), a requirement (K,), and 500 mixtures (500, S)."""
    rng = np.random.default_rng(seed)
    s, k = rng.integers(2, 7, 2)
    local = rng.normal(0.0, 0.02, (s, k))
    mixtures = rng.dirichlet(np.full(s, rng.choice([0.3, 1.0, 3.0])), 500)
    return local, rng.dirichlet(np.ones(k)), mixtures


@pytest.mark.parametrize("seed", range(20))
def test_without_spill_some_vertex_is_optimal(seed: int) -> None:
    local, requirement, mixtures = step_of(seed)
    config = RewardConfig(spill=0.0)
    best_vertex = reward(local, requirement, config).max()
    assert reward(mixtures @ local, requirement, config).max() <= best_vertex + 1e-15
    _, best = best_by_linear_program(local, requirement, spill_prices(requirement, config))
    assert best == pytest.approx(best_vertex, abs=1e-12)


def test_with_spill_the_optimum_is_a_linear_program_and_may_be_a_mixture() -> None:
    inside = 0
    for seed in range(40):
        local, requirement, mixtures = step_of(seed)
        config = RewardConfig(spill=3.0, spill_weights="unit")
        prices = spill_prices(requirement, config)
        chosen, best = best_by_linear_program(local, requirement, prices)
        achieved = float(reward(chosen @ local, requirement, config))
        assert achieved == pytest.approx(best, abs=1e-12)
        assert reward(mixtures @ local, requirement, config).max() <= achieved + 1e-12
        best_vertex = float(reward(local, requirement, config).max())
        assert best_vertex <= achieved + 1e-12
        inside += achieved > best_vertex + 1e-6
    assert 5 <= inside < 40


# The lemma on inert terms: what cannot change the choice.


@few
@given(st.data(), SIZES, CONFIGS, st.sampled_from([0.125, 1.0, 64.0]), st.integers(-8, 8))
def test_units_and_constants_do_not_change_the_choice(
    data: DataObject, k: int, config: RewardConfig, factor: float, shift: int
) -> None:
    # multiples of 1/64 and powers of two: all of this is exact, so ties stay ties
    changes = np.round(64 * data.draw(grids((7, k), -60, 60))) / 64
    requirement = np.round(64 * data.draw(shares(k))) / 64
    prices = spill_prices(requirement, config)
    rewards = proxy_reward(changes, requirement, prices, 0.0)
    same_cost = proxy_reward(changes, requirement, prices, 0.25)
    other_units = proxy_reward(factor * changes, requirement, prices, 0.0)
    first = int(np.argmax(rewards))
    assert int(np.argmax(same_cost)) == first
    assert int(np.argmax(other_units)) == first  # all in percent, or in points
    assert int(np.argmax(factor * rewards + shift)) == first


# Diminishing returns show in the reward (S3.3).


@few
@given(st.data(), worlds(dynamics=("separable",)), st.sampled_from([1, 4, 10]))
def test_rewards_fall_along_a_one_hot_run(data: DataObject, world: World, steps: int) -> None:
    exact = world.replace(items=np.zeros(len(world.capabilities)))
    env = DistillEnv(exact, data.draw(tasks(exact)), int(BUDGET), steps=steps)
    env.reset(seed=0)
    one_hot = np.eye(len(world.sources))[data.draw(st.integers(0, len(world.sources) - 1))]
    rewards = [env.step(one_hot)[1] for _ in range(steps)]
    assert (np.diff(rewards) <= 1e-12).all()
    assert min(rewards) >= -env.episode.reward.cost / steps - 1e-12  # nothing is harmed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("essential", 0),
        ("spill", -0.5),
        ("spill", float("nan")),
        ("cost", float("inf")),
        ("cost", -1),
        ("spill_weights", "units"),
    ],
)
def test_a_bad_field_is_named_and_shown(field: str, value: object) -> None:
    with pytest.raises(ReadsimError, match=field) as caught:
        RewardConfig(**{field: value})  # type: ignore[arg-type]  # the wrong value is the test
    assert repr(value) in str(caught.value)


def test_the_nearest_weighting_is_suggested() -> None:
    with pytest.raises(ReadsimError, match="did you mean 'unit'"):
        RewardConfig(spill_weights="units")

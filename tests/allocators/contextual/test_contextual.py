"""LinUCB and linear Thompson sampling: their algebra, their features, their rule."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Context
from readsim.allocators.contextual.linear import LinUCB, Thompson
from readsim.allocators.contextual.ridge import (
    error_shares,
    fitted,
    linear_features,
    no_rows,
    with_rows,
)
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from tests.support.made_setups import drive, setup

NAMES = ("linucb", "thompson")
RIDGES = [1e-6, 1e-3, 0.5, 1.0, 2.0, 1e3, 1e6]


def drawn(seed: int, n: int, d: int) -> tuple[Array, Array]:
    """Rows (n, d) with entries in [0, 1] and rewards (n,) near 0.005."""
    rng = np.random.default_rng(seed)
    return rng.random((n, d)), 0.005 + 0.003 * rng.standard_normal(n)


def dense(x: Array, y: Array, ridge: float, query: Array) -> tuple[Array, Array]:
    """theta and sqrt(x' V^-1 x) without V: least squares on augmented rows, and the SVD of x."""
    d = x.shape[1]
    long, target = np.vstack([x, ridge**0.5 * np.eye(d)]), np.append(y, np.zeros(d))
    theta = np.linalg.lstsq(long, target, rcond=None)[0]
    _, s, axes = np.linalg.svd(x, full_matrices=len(x) < d)
    precision = np.append(s**2, np.zeros(d - len(s))) + ridge
    return theta, np.sqrt(np.square(query @ axes.T) @ (1.0 / precision))


# the algebra


@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 7), st.floats(-6, 6), st.booleans())
def test_the_model_is_a_dense_ridge_regression(
    seed: int, n: int, d: int, power: float, standardise: bool
) -> None:
    x, y = drawn(seed, n, d)
    query, ridge = drawn(seed + 100, 5, d)[0], 10.0**power
    model = fitted(with_rows(no_rows(d), x, y), ridge, standardise=standardise)
    level, scale = (y.mean(), y.std()) if standardise and n > 1 else (0.0, 1.0)
    if standardise and n == 1:
        level = y[0]
    theta, width = dense(x, y - level, ridge, query)
    assert np.allclose(model.theta, theta, rtol=1e-6, atol=1e-9)
    assert np.allclose(model.mean(query), level + query @ theta, rtol=1e-6, atol=1e-9)
    assert np.allclose(model.width(query), scale * width, rtol=1e-6)


@pytest.mark.parametrize("ridge", RIDGES)
def test_what_was_never_tried_has_the_bonus_of_its_prior(ridge: float) -> None:
    """bonus^2 = |x|^2 / ridge, with no rows at all and beside rows in other directions."""
    query = np.array([[0.0, 0.0, 0.6, 0.8], [0.0, 0.0, 3.0, 4.0]])
    rows = no_rows(4)
    for _ in range(2):
        model = fitted(rows, ridge, standardise=False)
        assert np.allclose(np.square(model.width(query)), np.array([1.0, 25.0]) / ridge)
        assert np.allclose(model.mean(query), 0.0)
        x, y = drawn(1, 9, 4)
        rows = with_rows(no_rows(4), x * [1, 1, 0, 0], y)


@pytest.mark.parametrize("ridge", RIDGES)
def test_a_large_pool_of_collinear_features_is_solved_too(ridge: float) -> None:
    """alpha . prior is a sum of alphas, so that sum x x' is singular and only the ridge is not."""
    rng = np.random.default_rng(4)
    chosen, n = setup((0.5, 0.3, 0.2)), 5000
    profile, shares = rng.random((n, 3)), rng.dirichlet(np.ones(3), n)
    x = linear_features(chosen, profile, rng.random(n), shares, curvature=True)
    y = 0.005 * x[:, 1] + 0.003 * rng.standard_normal(n)
    model = fitted(with_rows(no_rows(7), x, y), ridge, standardise=True)
    theta, width = dense(x, y - y.mean(), ridge, x[:9])
    assert np.allclose(model.mean(x[:9]), y.mean() + x[:9] @ theta, rtol=0, atol=1e-6 * y.std())
    assert np.allclose(model.width(x[:9]), y.std() * width, rtol=1e-4)


@given(st.integers(0, 99), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_rows_come_in_any_parts_and_order(seed: int, parts: list[int]) -> None:
    x, y = drawn(seed, sum(parts), 4)
    order = np.random.default_rng(seed).permutation(len(y))
    by_part = no_rows(4)
    for start, stop in pairwise(np.cumsum([0, *parts])):
        some = order[start:stop]
        by_part = with_rows(by_part, x[some], y[some])
    whole = with_rows(no_rows(4), x, y)
    assert by_part["count"] == whole["count"] == sum(parts)
    for ours, expected in zip(by_part.values(), whole.values(), strict=True):
        assert np.allclose(np.asarray(ours), np.asarray(expected), rtol=1e-9, atol=1e-12)


def test_equal_rewards_are_no_evidence_however_they_round() -> None:
    x, _ = drawn(0, 50, 4)
    for level in (0.1, -1e5, 1e-7):
        rows = no_rows(4)
        for row in x:
            rows = with_rows(rows, row[None], np.array([level]))
        model = fitted(rows, 1.0, standardise=True)
        assert model.scale == 1.0
        assert np.allclose(model.mean(x), level, rtol=1e-9)


def test_draws_have_the_moments_of_the_posterior() -> None:
    x, y = drawn(3, 12, 3)
    model = fitted(with_rows(no_rows(3), x, y), 0.5, standardise=True)
    rng = np.random.default_rng(0)
    draws = np.array([model.draw(rng, 2.0) for _ in range(20_000)])
    inverse = np.linalg.inv(x.T @ x + 0.5 * np.eye(3))
    covariance = (2.0 * y.std()) ** 2 * inverse
    error = np.sqrt(np.diag(covariance) / len(draws))
    assert (np.abs(draws.mean(axis=0) - model.theta) < 4 * error).all()
    assert np.allclose(np.cov(draws.T), covariance, atol=0.05 * np.abs(covariance).max())


# the features


def test_features_by_hand() -> None:
    chosen = setup((0.5, 0.3, 0.2))
    profile, shares = np.array([[0.2, 0.6, 1.0]]), np.array([[1.0, 0, 0], [0.0, 0.5, 0.5]])
    rows = linear_features(chosen, profile, np.array([0.75]), shares, curvature=True)
    # errors: .5 * .8 = .4 and .3 * .4 = .12 of .52
    first, second = 0.4 / 0.52, 0.12 / 0.52
    expected = [[1, 0, 0, 0.5, first, 0.75, 1], [0, 0.5, 0.5, 0.25, second / 2, 0.75, 0.5]]
    assert np.allclose(rows, expected)
    short = linear_features(chosen, profile, np.array([0.75]), shares, curvature=False)
    assert np.array_equal(short, rows[:, :-1])


def test_error_shares_have_no_unit() -> None:
    nats = setup((0.5, 0.3, 0.2), ("a", "b", "other"), scores=False)
    profile = np.array([[-3.0, -2.0, -1.0]])
    shares = error_shares(nats, profile)
    assert np.allclose(shares, error_shares(nats, 1e6 * profile))
    # a and b have their own, the source without a capability has the mean
    mass = np.array([1.5, 0.6, (1.5 + 0.6 + 0.2) / 3])
    assert np.allclose(shares, mass / mass.sum())
    assert np.array_equal(error_shares(nats, np.zeros((1, 3))), np.zeros((1, 3)))


# the rule

PROFILES = [
    (0.2, 0.5, 0.7),
    (0.3, 0.5, 0.7),
    (0.31, 0.58, 0.68),
    (0.38, 0.6, 0.72),
    (0.4, 0.6, 0.8),
]
REWARDS = [0.004, 0.009, 0.001, 0.006]


def test_linucb_by_hand() -> None:
    """Every choice again from a list of all rows, with a dense inverse."""
    chosen = setup((0.5, 0.3, 0.2))
    played, state = drive(LinUCB(alpha=0.7, ridge=0.3), chosen, PROFILES, rewards=REWARDS)
    x: list[Array] = []
    previous = chosen.prior
    for step, profile in enumerate(PROFILES):
        context = Context(chosen, step, np.array(profile), 1.0 - step / 20, np.zeros(0), previous)
        left = np.array([context.budget_left])

        def rows(shares: Array, left: Array = left, context: Context = context) -> Array:
            return linear_features(chosen, context.profile[None], left, shares, curvature=True)

        queries, seen = rows(context.candidates), np.array(x).reshape(-1, 7)
        y = np.array(REWARDS[:step])
        inverse = np.linalg.inv(seen.T @ seen + 0.3 * np.eye(7))
        level, scale = (y.mean(), y.std()) if step > 1 else (sum(y), 1.0)
        mu = level + queries @ inverse @ seen.T @ (y - level)
        bonus = 0.7 * scale * np.sqrt(np.einsum("ad,de,ae->a", queries, inverse, queries))
        best = int(np.argmax(mu + bonus))
        assert np.array_equal(played[step], context.candidates[best])
        if step == len(REWARDS) - 1:
            expected = {"mu": mu[best], "bonus": bonus[best], "reward": REWARDS[-1]}
            assert LinUCB().report(state) == pytest.approx(expected)
        previous = played[step]
        x.append(rows(played[step][None])[0])


def bonus_of(seed: int, step: int, v: float = 1.0) -> Array:
    x, y = drawn(3, 12, 3)
    model = fitted(with_rows(no_rows(3), x, y), 1.0, standardise=True)
    chosen = setup(seed=seed)
    context, again = (
        Context(chosen, step, np.full(3, 0.5), 1.0, np.zeros(0), chosen.prior) for _ in range(2)
    )
    first = Thompson(v=v).bonus(model, np.eye(3), context)
    assert np.array_equal(first, Thompson(v=v).bonus(model, np.eye(3), context))
    assert context.rng.random() == again.rng.random()
    return first


def test_thompson_draws_depend_on_seed_and_step_alone() -> None:
    draws = [bonus_of(seed, step) for seed in range(3) for step in range(3)]
    assert len({tuple(d) for d in draws}) == 9
    assert np.allclose(bonus_of(1, 2, v=3.0), 3.0 * bonus_of(1, 2))
    many = np.array([bonus_of(seed, seed % 7) for seed in range(400)])
    assert np.abs(many.mean(axis=0)).max() < 4 * many.std(axis=0).max() / 20  # 4 standard errors


def test_without_exploration_they_are_the_same_rule() -> None:
    chosen = setup((0.5, 0.3, 0.2))
    greedy, _ = drive(LinUCB(alpha=0.0), chosen, PROFILES, rewards=REWARDS)
    sampled, _ = drive(Thompson(v=0.0), chosen, PROFILES, rewards=REWARDS)
    assert np.array_equal(greedy, sampled)


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_of_the_rewards_does_not_matter_unless_asked(name: str) -> None:
    chosen = setup((0.5, 0.3, 0.2))
    other = [1000.0 * r + 7.0 for r in REWARDS]
    plain, _ = drive(load_allocator(name), chosen, PROFILES, rewards=REWARDS)
    moved, _ = drive(load_allocator(name), chosen, PROFILES, rewards=other)
    assert np.array_equal(plain, moved)
    raw = load_allocator(name, {"standardise": False})
    small, _ = drive(raw, chosen, PROFILES, rewards=REWARDS)
    none, _ = drive(raw, chosen, PROFILES, rewards=[0.0] * 4)
    assert np.array_equal(small, none)  # a bonus of 1 beside rewards of 0.005: it never exploits


def test_the_order_of_the_sources_does_not_matter() -> None:
    order = [2, 0, 1]
    plain, _ = drive(LinUCB(), setup((0.5, 0.3, 0.2)), PROFILES, rewards=REWARDS)
    paths = [tuple(np.array(p)[order]) for p in PROFILES]
    moved, _ = drive(LinUCB(), setup((0.2, 0.5, 0.3)), paths, rewards=REWARDS)
    assert np.allclose(moved, plain[:, order], rtol=0, atol=1e-12)


nats = st.floats(-1e5, 0.0)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(RIDGES),
    st.lists(st.tuples(nats, nats, nats), min_size=2, max_size=8),
)
def test_extreme_losses_and_rewards_stay_finite(
    name: str, ridge: float, path: list[tuple[float, ...]]
) -> None:
    rewards = [float(sum(p)) for p in path]
    rule = load_allocator(name, {"ridge": ridge})
    played, state = drive(rule, setup(scores=False), path, rewards=rewards)
    assert np.allclose(played.sum(axis=1), 1.0)
    assert all(np.isfinite(v) for v in rule.report(state).values())

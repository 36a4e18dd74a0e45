"""Allocators that fit a law: the fits and the optimisers, against hand-worked numbers and others."""

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.grid import simplex_grid
from readsim.allocators.lawfit.convex import best_mixture
from readsim.allocators.lawfit.core import STRENGTHS, blended, drawn_mixtures
from readsim.allocators.lawfit.exp_law import fit_exp_law, huber, law
from readsim.allocators.lawfit.log_linear import fit_mixtures
from readsim.arrays import Array
from tests.support.made_setups import setup

SEEDS = st.integers(0, 2**32 - 1)
NO_CAPS = np.full(10, np.inf)


def test_mixtures_are_drawn_around_a_blend_of_the_task_and_uniform() -> None:
    chosen = setup((0.5, 0.5, 0.0), ("a", "b", "c", "d"))
    assert blended(chosen, 0.5) == pytest.approx([0.375, 0.375, 0.125, 0.125])
    prior = np.array([0.6, 0.3, 0.1])
    mixtures = drawn_mixtures(np.random.default_rng(0), prior, 20_000)
    assert np.allclose(mixtures.sum(axis=1), 1.0)
    assert mixtures.min() >= 0.0
    assert mixtures.mean(axis=0) == pytest.approx(prior, abs=0.01)
    # a Dirichlet of strength s has variance p (1 - p) / (s + 1); here s is any of 15 at random
    expected = prior * (1 - prior) * np.mean(1.0 / (STRENGTHS + 1.0))
    assert mixtures.var(axis=0) == pytest.approx(expected, rel=0.05)


def test_a_draw_that_underflows_is_the_prior() -> None:
    mixtures = drawn_mixtures(np.random.default_rng(1), np.array([1e-4, 2e-4]), 50)
    assert np.isfinite(mixtures).all()
    assert np.allclose(mixtures.sum(axis=1)[mixtures.max(axis=1) > 0.5], 1.0)


def test_huber_by_hand() -> None:
    assert huber(np.array([0.5, -1.0, 3.0, -3.0]), 1.0) == pytest.approx([0.125, 0.5, 2.5, 2.5])


@pytest.mark.slow
@given(seed=SEEDS)
def test_a_law_without_noise_is_recovered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, v = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    mixtures = rng.dirichlet(np.ones(s), size=40)
    true = np.concatenate([rng.uniform(0, 1, (v, 1)), rng.normal(-1.0, 1.0, (v, s))], axis=1)
    floors, slopes = fit_mixtures(mixtures, law(true, mixtures).T, 0.02)
    found = np.concatenate([floors[:, None], slopes], axis=1)
    new = rng.dirichlet(np.ones(s), size=20)
    assert law(found, new) == pytest.approx(law(true, new), abs=1e-3)


def test_a_wild_row_moves_a_huber_fit_little() -> None:
    rng = np.random.default_rng(3)
    mixtures = rng.dirichlet(np.ones(3), size=30)
    true = np.array([[0.2, -1.0, 0.3, 0.5]])
    losses = law(true, mixtures).T
    losses[4] += 5.0
    robust = fit_mixtures(mixtures, losses, 0.001)
    square = fit_mixtures(mixtures, losses, 1e3)
    new = rng.dirichlet(np.ones(3), size=50)
    off = [
        float(np.abs(f[:, None] + np.exp(t @ new.T) - law(true, new)).max())
        for f, t in (robust, square)
    ]
    assert off[0] < 0.02 < off[1]


@pytest.mark.slow
@given(seed=SEEDS, logs=st.booleans())
def test_no_start_of_scipy_finds_a_lower_loss(seed: int, logs: bool) -> None:
    """The same objective handed to L-BFGS-B, from where our fit ends and from its starts."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    x = np.stack([np.ones(12), -np.log(np.arange(1.0, 13.0))], axis=1)
    y = 0.3 + 0.5 * np.arange(1.0, 13.0) ** -0.4 * np.exp(rng.normal(0.0, 0.05, 12))
    starts = np.array([[[0.0, -0.5, 0.3], [0.2, -0.5, 0.1], [0.1, -1.0, 0.6]]])
    low, high = np.array([0.0, -np.inf, 0.0]), np.array([np.inf, np.inf, 0.8])
    params, loss = fit_exp_law(x, y[None], starts, delta=0.01, low=low, high=high, logs=logs)
    assert (params[0] >= low).all()
    assert (params[0] <= high).all()

    def objective(p: Array) -> float:
        value = law(p, x)
        residual = np.log(np.maximum(value, 1e-9)) - np.log(y) if logs else value - y
        return float(huber(residual, 0.01).sum())

    assert objective(params[0]) == pytest.approx(float(loss[0]))
    box = [(0.0, None), (None, None), (0.0, 0.8)]
    for start in [params[0], *starts[0]]:
        other = minimize(objective, start, method="L-BFGS-B", bounds=box)
        assert loss[0] <= other.fun * 1.001 + 1e-6


def objective_of(
    weights: Array, slopes: Array, anchor: Array, kl: float, x: Array
) -> float | Array:
    """The published objective at mixtures x (..., S)."""
    ratio = np.log(np.maximum(x, 1e-300) / np.maximum(anchor, 1e-12))
    out: Array = np.exp(x @ slopes.T) @ weights + kl * (x * ratio).sum(axis=-1)
    return out


@pytest.mark.parametrize(("kl", "capped"), list(product([0.0, 0.05, 1.0], [False, True])))
def test_no_point_of_a_fine_grid_is_better(kl: float, capped: bool) -> None:
    rng = np.random.default_rng(7)
    grid = simplex_grid(3, 100)
    for _ in range(10):
        weights, anchor = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(3))
        slopes = rng.normal(0.0, 1.5, (2, 3))
        caps = rng.uniform(0.34, 0.8, 3) if capped else np.full(3, np.inf)
        x = best_mixture(weights, slopes, anchor, kl, caps)
        assert x.sum() == pytest.approx(1.0)
        assert (x >= 0.0).all()
        assert (x <= caps + 1e-9).all()
        allowed = grid[(grid <= caps).all(axis=1)]
        best = np.min(objective_of(weights, slopes, anchor, kl, allowed))
        assert objective_of(weights, slopes, anchor, kl, x) <= best + 1e-8


@pytest.mark.extra("cvxpy")
@pytest.mark.parametrize("kl", [0.0, 0.05, 1.0])
def test_the_optimum_is_that_of_a_conic_solver(kl: float) -> None:
    cp: Any = import_module("cvxpy")
    rng = np.random.default_rng(11)
    touched = 0
    for capped in (True, False) * 6:
        s, v = int(rng.integers(2, 10)), int(rng.integers(1, 9))
        weights, anchor = rng.dirichlet(np.ones(v)), rng.dirichlet(np.full(s, 0.5))
        anchor[0] *= rng.integers(0, 2)  # a source that the anchor leaves out
        slopes = rng.normal(size=(v, s)) * rng.choice([0.1, 1.0, 3.0])
        caps = rng.uniform(1.05, 3.0, s) / s if capped else np.full(s, np.inf)
        x = cp.Variable(s)
        loss = cp.sum(cp.multiply(weights, cp.exp(slopes @ x)))
        if kl:
            loss += kl * cp.sum(cp.rel_entr(x, np.maximum(anchor, 1e-12)))
        limits = [x <= caps] if capped else []
        problem = cp.Problem(cp.Minimize(loss), [x >= 0, cp.sum(x) == 1, *limits])
        problem.solve(solver="CLARABEL")
        found = best_mixture(weights, slopes, anchor, kl, caps)
        touched += bool(capped and np.isclose(found, caps, atol=1e-6).any())
        assert objective_of(weights, slopes, anchor, kl, found) <= problem.value + 2e-6
        if kl:
            assert found == pytest.approx(x.value, abs=1e-3)
    assert touched > 2


def test_without_effects_the_best_mixture_is_the_anchor_within_its_caps() -> None:
    anchor, nothing = np.array([0.6, 0.3, 0.1]), np.zeros((1, 3))
    one = np.ones(1)
    assert best_mixture(one, nothing, anchor, 0.05, NO_CAPS[:3]) == pytest.approx(anchor, abs=1e-4)
    caps = np.array([0.36, np.inf, np.inf])  # the rest keeps its proportions: 3 to 1
    found = best_mixture(one, nothing, anchor, 0.05, caps)
    assert found == pytest.approx([0.36, 0.48, 0.16], abs=1e-4)


def test_two_sources_by_hand() -> None:
    """exp(-2 x) + kl KL((x, 1 - x) || (.5, .5)): 2 exp(-2 x) = kl log(x / (1 - x)) at the optimum."""
    kl = 2.0 * np.exp(-1.6) / np.log(4.0)  # so that x = .8
    slopes, anchor = np.array([[-2.0, 0.0]]), np.array([0.5, 0.5])
    x = best_mixture(np.ones(1), slopes, anchor, float(kl), NO_CAPS[:2])
    assert x == pytest.approx([0.8, 0.2], abs=1e-5)


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ([0.1, 0.3], [0.25, 0.75]),  # no mixture respects them
        ([0.0, 0.0], [0.5, 0.5]),
        ([0.0, np.inf], [0.0, 1.0]),
        ([0.4, 0.6], [0.4, 0.6]),
    ],
)
def test_caps_at_the_edge(caps: Any, expected: list[float]) -> None:
    slopes, anchor = np.array([[-3.0, 1.0]]), np.array([0.5, 0.5])
    x = best_mixture(np.ones(1), slopes, anchor, 0.05, np.array(caps))
    assert x == pytest.approx(expected)


@given(seed=SEEDS)
def test_any_rows_give_a_mixture(seed: int) -> None:
    """Few rows, equal ones, losses of any size, steep laws: always a point of the simplex."""
    rng = np.random.default_rng(seed)
    s, n = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    mixtures = drawn_mixtures(rng, rng.dirichlet(np.full(s, rng.choice([0.01, 0.1, 1.0]))), n)
    losses = rng.normal(0.0, rng.choice([0.0, 1e-12, 1e-6, 0.01, 1.0, 1e3]), size=(n, 3)).round(8)
    _, slopes = fit_mixtures(mixtures, losses, 0.02)
    assert np.isfinite(slopes).all()
    weights, anchor = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(s))
    caps = rng.uniform(0.0, 3.0, s) / s if rng.integers(2) else np.full(s, np.inf)
    x = best_mixture(weights, slopes, anchor, float(rng.choice([0.0, 0.05])), caps)
    assert x.sum() == pytest.approx(1.0)
    assert (x >= 0.0).all()
    if caps.sum() > 1.0:
        assert (x <= caps + 1e-9).all()


def test_one_source_has_one_mixture() -> None:
    assert best_mixture(np.ones(1), np.zeros((1, 1)), np.ones(1), 0.05, NO_CAPS[:1]) == [1.0]

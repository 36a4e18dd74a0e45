"""Where Eq. (6) ends with its entropy term, and where it ends with standardised changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.envs.requirement_modes import positive_part
from readsim.theory import Verdict
from readsim.theory.lemmas import entropy, requirement
from tests.support.strategies import few, grids

EVEN = np.array([0.4, 0.3, 0.2, 0.1])
SMALL = 1e-4 * np.eye(4)


def test_eq_6_collapses_below_the_sufficient_bound() -> None:
    """chk C19: lambda_H = 1e-4 is half of 2 lambda_max and ends at a corner all the same."""
    assert requirement.corner_entropy(SMALL) > 1e-4
    assert entropy.descend(EVEN, SMALL, 1e-4, np.zeros(4)) == pytest.approx([1, 0, 0, 0], abs=2e-3)
    assert entropy.descend(EVEN, SMALL, 0.0, np.zeros(4)) == pytest.approx(EVEN, abs=1e-4)
    wrong = entropy.descend(EVEN, SMALL, 0.01, np.array([0.0, 0.0, 1.0, 0.0]))
    assert wrong == pytest.approx([0, 0, 1, 0], abs=2e-3)
    result = entropy.check(EVEN, SMALL, 1e-4, "C19")
    assert result.verdict is Verdict.FAILS
    assert result.statistic == pytest.approx(0.6, abs=2e-3)
    assert result.detail["standardised distance"] < 1e-3
    assert entropy.check(EVEN, SMALL, 0.0, "no entropy").verdict is Verdict.HOLDS


@pytest.mark.parametrize("weight", [0.003, 0.03])
def test_interior_minima_are_stationary(weight: float) -> None:
    """All derivatives along the simplex are equal: 2 Sigma (r - g) - lambda_H (ln r + 1) is constant."""
    sigma = np.eye(4) + 0.2
    r = entropy.descend(EVEN, sigma, weight, np.zeros(4))
    assert r.min() > 0.01
    slope = 2 * sigma @ (r - EVEN) - weight * (np.log(r) + 1)
    assert np.ptp(slope) < 1e-5
    r, s = entropy.scaled_minimum(3 * EVEN, sigma, weight)
    assert s == pytest.approx(r @ sigma @ (3 * EVEN) / (r @ sigma @ r))
    slope = 2 * s * sigma @ (s * r - 3 * EVEN) - weight * (np.log(r) + 1)
    assert np.ptp(slope) < 1e-4


def test_the_standardised_problem_returns_the_gradient() -> None:
    r, scale = entropy.scaled_minimum(*entropy.standardise(EVEN, SMALL), 0.01)
    assert r == pytest.approx(EVEN, abs=0.002)
    assert scale == pytest.approx(1 / np.linalg.norm(EVEN), rel=0.01)
    # with unequal spreads it ranks contributions g_j sd_j (documented)
    spread = np.diag([1e-6, 1e-4, 1e-4, 1e-2])
    r, _ = entropy.scaled_minimum(*entropy.standardise(EVEN, spread), 0.0)
    parts = EVEN * np.sqrt(np.diag(spread))
    assert r == pytest.approx(parts / parts.sum(), abs=1e-3)


@few
@given(grids(4, -60, 60), st.floats(0.01, 100.0), st.floats(0.0, 1.0))
def test_standardised_problems_have_no_units(g: Array, unit: float, noise: float) -> None:
    root = np.array(
        [[1.0, 0.2, 0.0, 0.5], [0.0, 1.0, 0.3, 0.0], [0.4, 0.0, 1.0, 0.0], [0, 0, 0, 1]]
    )
    sigma = root @ root.T
    slopes, correlation = entropy.standardise(g, sigma, noise + 1e-3)
    assert np.diag(correlation) == pytest.approx(np.ones(4))
    whole = float(g @ sigma @ g)
    assert slopes @ correlation @ slopes == pytest.approx(whole / (whole + noise + 1e-3))
    again = entropy.standardise(g / unit, sigma * unit**2, noise + 1e-3)
    assert again[0] == pytest.approx(slopes, abs=1e-9)
    assert again[1] == pytest.approx(correlation)
    if g.max() > 0.1:
        r, scale = entropy.scaled_minimum(g, np.eye(4), 0.0)
        assert r == pytest.approx(positive_part(g), abs=1e-3)
        assert scale == pytest.approx(np.maximum(g, 0.0).sum(), rel=2e-3)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_above_the_bound_the_objective_is_concave_on_the_simplex(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    root, g = rng.normal(size=(k, k)), rng.normal(size=k)
    sigma = root @ root.T
    weight = 1.01 * 2 * float(np.linalg.norm(sigma, 2))
    a, b = rng.dirichlet(np.ones(k), (2, 50))
    ends = [requirement.objective(p, g, sigma, weight) for p in (a, b)]
    middle = requirement.objective((a + b) / 2, g, sigma, weight)
    assert (middle >= np.mean(ends, axis=0) - 1e-9).all()
    corners = requirement.objective(np.eye(k), g, sigma, weight)
    assert min(np.min(ends), np.min(middle)) >= corners.min() - 1e-9
    # well below it the middle is a minimum: at (1/2, 1/2) the curvature is 2 s^2 - 2 lambda_H
    pair = np.array([[0.6, 0.4], [0.4, 0.6]])
    values = requirement.objective(pair, np.full(2, 0.5), np.eye(2), 0.9)
    centre = requirement.objective(np.full(2, 0.5), np.full(2, 0.5), np.eye(2), 0.9)
    assert values.mean() > centre


def test_one_capability_and_no_gradient() -> None:
    assert entropy.check(np.array([-2.0]), np.eye(1), 0.01, "K = 1").statistic == 0.0
    none = entropy.check(np.zeros(3), np.eye(3), 0.0, "flat")
    assert none.detail["learnt"] == pytest.approx(np.full(3, 1 / 3), abs=1e-6)
    assert positive_part(np.array([3.0, 1.5, -1.0, 0.5])) == pytest.approx([0.6, 0.3, 0, 0.1])

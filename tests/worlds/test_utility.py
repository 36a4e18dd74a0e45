"""Task utilities and their exact gradients."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ReadsimError
from readsim.worlds.utility import gradient, parse_utility, utility
from tests.support.strategies import grids, shares

SMOOTH = ("linear", "ces:0.5", "ces:-1", "ces:-8")
KINDS = st.sampled_from([*SMOOTH, "capped:0.5"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, Array]:
    """Weights and a profile; either may have zeros."""
    k = draw(st.integers(1, 6))
    return draw(shares(k)), draw(grids(k, 0, 60))


@given(cases())
def test_values_one_by_one(case: tuple[Array, Array]) -> None:
    weights, profile = case
    pairs = list(zip(weights.tolist(), profile.tolist(), strict=True))
    assert utility("linear", weights, profile) == pytest.approx(sum(w * p for w, p in pairs))
    capped = sum(w * min(p, 0.5) for w, p in pairs)
    assert utility("capped:0.5", weights, profile) == pytest.approx(capped)
    root = sum(w * p**0.5 for w, p in pairs) ** 2
    assert utility("ces:0.5", weights, profile) == pytest.approx(root, abs=1e-15)
    works = all(p > 0 or w == 0 for w, p in pairs)
    harmonic = 1.0 / sum(w / p for w, p in pairs if w > 0) if works else 0.0
    assert utility("ces:-1", weights, profile) == pytest.approx(harmonic, abs=1e-15)


@given(cases(), st.sampled_from(SMOOTH))
def test_the_gradient_is_the_derivative(case: tuple[Array, Array], kind: str) -> None:
    weights, profile = case
    assume((profile > 0).all())
    h = 1e-6
    moves = h * np.eye(len(profile))
    measured = (
        utility(kind, weights, profile + moves) - utility(kind, weights, profile - moves)
    ) / (2 * h)
    assert gradient(kind, weights, profile) == pytest.approx(measured, rel=1e-4, abs=1e-7)


@given(cases(), KINDS)
def test_gradients_are_finite_and_never_negative(case: tuple[Array, Array], kind: str) -> None:
    weights, profile = case
    slope = gradient(kind, weights, profile)
    assert np.isfinite(slope).all()
    assert (slope >= 0.0).all()
    assert not slope[weights == 0].any()


@given(cases(), grids(6, 0, 60), KINDS)
def test_monotone_concave_and_in_any_shape(
    case: tuple[Array, Array], other: Array, kind: str
) -> None:
    weights, profile = case
    better = np.maximum(profile, other[: len(profile)])
    both = np.array([[profile], [better], [0.5 * (profile + better)]])
    low, high, middle = utility(kind, weights, both)[:, 0]
    assert low <= high + 1e-12
    assert middle >= 0.5 * (low + high) - 1e-12
    assert gradient(kind, weights, both).shape == both.shape


@given(cases(), st.integers(-60, 60).map(lambda n: n / 60))
def test_ces_lies_between_the_weakest_and_the_strongest(
    case: tuple[Array, Array], exponent: float
) -> None:
    weights, profile = case
    assume(exponent not in (0.0, 1.0))
    used = profile[weights > 0]
    value = float(utility(f"ces:{exponent!r}", weights, profile))
    assert used.min() - 1e-9 <= value <= used.max() + 1e-9


def test_ces_tends_to_the_weakest_without_overflow() -> None:
    weights, profile = np.array([0.2, 0.5, 0.3]), np.array([0.3, 0.2, 0.9])
    values = [float(utility(f"ces:{r}", weights, profile)) for r in (-1, -10, -100, -1e4)]
    assert all(a > b for a, b in pairwise(values))
    assert values[-1] == pytest.approx(0.2, abs=1e-4)
    assert gradient("ces:-1e4", weights, profile) == pytest.approx([0.0, 1.0, 0.0], abs=1e-3)
    assert utility("ces:-2", np.array([1.0, 0.0]), np.array([0.5, 0.0])) == 0.5


def test_the_kink_has_its_left_derivative() -> None:
    weights, profile = np.full(3, 1 / 3), np.array([0.4, 0.5, 0.6])
    assert gradient("capped:0.5", weights, profile).tolist() == [1 / 3, 1 / 3, 0.0]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lineal", "did you mean 'linear'"),
        ("linear:2", "unknown utility 'linear:2'"),
        ("", "unknown utility"),
        ("ces", "expected a number after 'ces:'"),
        ("ces:a", "expected a number"),
        ("ces:0", "below 1 and not 0"),
        ("ces:1", "below 1 and not 0"),
        ("ces:nan", "finite"),
        ("ces:-inf", "finite"),
        ("capped:", "expected a number after 'capped:'"),
        ("capped:inf", "finite"),
    ],
)
def test_bad_kinds(kind: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        parse_utility(kind)

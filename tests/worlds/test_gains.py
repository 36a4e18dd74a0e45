"""Gain families: the table of Proposition 4.5, and what makes them gains (Assumption 4.4)."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ReadsimError
from readsim.worlds import random_world
from readsim.worlds.gains import GainBank, gain
from tests.support import plain
from tests.support.strategies import FAMILIES

SMOOTH = tuple(name for name in FAMILIES if name != "broken")
families = st.sampled_from(FAMILIES)
amounts = st.floats(0.0, 1e4, allow_subnormal=False)

# b(lambda) of the table for g = A u(b / t) and weight w, with a = w A.
TOKENS: dict[str, Callable[[float, float, float], float]] = {
    "exponential": lambda a, t, lam: t * max(np.log(a / (t * lam)), 0.0),
    "log": lambda a, t, lam: max(a / lam - t, 0.0),
    "hill": lambda a, t, lam: max(np.sqrt(a * t / lam) - t, 0.0),
    "power": lambda a, t, lam: t * (a * 0.5 / (t * lam)) ** (1 / 0.5),
    "power:0.25": lambda a, t, lam: t * (a * 0.25 / (t * lam)) ** (1 / 0.75),
    "power:0.9": lambda a, t, lam: t * (a * 0.9 / (t * lam)) ** (1 / 0.1),
    "broken": lambda a, t, lam: t if lam < a / t else 0.0,
}
SLOPES: dict[str, Callable[[float, float], float]] = {
    "exponential": lambda b, t: np.exp(-b / t) / t,
    "log": lambda b, t: 1 / (t + b),
    "hill": lambda b, t: t / (b + t) ** 2,
    "power": lambda b, t: 0.5 / t * (b / t) ** -0.5,
    "power:0.25": lambda b, t: 0.25 / t * (b / t) ** -0.75,
    "power:0.9": lambda b, t: 0.9 / t * (b / t) ** -0.1,
    "broken": lambda b, t: 1 / t if b < t else 0.0,
}
KNEES: dict[str, Callable[[float], float]] = {
    "exponential": lambda phi: np.log(1 / phi),
    "log": lambda phi: 1 / phi - 1,
    "hill": lambda phi: phi**-0.5 - 1,
    "broken": lambda phi: 1.0,
}


def value(name: str, x: float) -> float:
    return float(gain(name).value(np.array([x]))[0])


def slope(name: str, x: float) -> float:
    return float(gain(name).slope(np.array([x]))[0])


@given(families, amounts)
def test_value_is_the_table_s(name: str, x: float) -> None:
    assert value(name, x) == pytest.approx(plain.gain(name, x), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_without_training(name: str) -> None:
    assert value(name, 0.0) == 0.0


@given(families, amounts, amounts)
def test_nondecreasing_and_concave(name: str, x: float, y: float) -> None:
    low, middle, high = (value(name, v) for v in sorted((x, 0.5 * (x + y), y)))
    rounding = 1e-14 * max(1.0, high)
    assert low <= middle + rounding <= high + 2 * rounding
    assert middle >= 0.5 * (low + high) - rounding


@given(families, amounts, amounts)
def test_tangents_lie_above(name: str, x: float, y: float) -> None:
    if np.isfinite(slope(name, x)):
        assert value(name, y) <= value(name, x) + slope(name, x) * (y - x) + 1e-12 * (1 + y)


@given(families, st.floats(1e-3, 1e3))
def test_slope_is_the_derivative(name: str, x: float) -> None:
    h = 1e-5 * x
    if name == "broken" and abs(x - 1.0) < 2 * h:
        return
    measured = (value(name, x + h) - value(name, x - h)) / (2 * h)
    assert slope(name, x) == pytest.approx(measured, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_first_slope(name: str) -> None:
    assert slope(name, 0.0) == (np.inf if name.startswith("power") else 1.0)


def test_slope_at_the_kink_is_the_right_one() -> None:
    assert slope("broken", 1.0) == 0.0
    assert slope("broken", np.nextafter(1.0, 0.0)) == 1.0


@given(families, st.floats(0.01, 100.0), st.floats(1e-3, 1e3), st.floats(1e-6, 1e3))
def test_table_row_by_row(name: str, t: float, a: float, multiplier: float) -> None:
    family = gain(name)
    y = np.array([multiplier * t / a])
    assert t * family.inverse_slope(y)[0] == pytest.approx(TOKENS[name](a, t, multiplier), rel=1e-9)
    b = 3.7 * t
    assert slope(name, b / t) / t == pytest.approx(SLOPES[name](b, t), rel=1e-12)


@given(families, st.floats(1e-9, 1e3))
def test_inverse_slope_is_the_smallest_amount(name: str, y: float) -> None:
    x = float(gain(name).inverse_slope(np.array([y]))[0])
    assert x >= 0.0
    assert slope(name, x) <= y * (1 + 1e-9)
    if x > 0.0:  # a little less is still steeper
        assert slope(name, x * (1 - 1e-6)) >= y * (1 - 1e-9)


@given(st.sampled_from(SMOOTH), st.floats(1e-3, 1e3))
def test_inverse_slope_inverts(name: str, x: float) -> None:
    y = slope(name, x)
    if y > 1e-12:  # further out an exponential is flat
        assert gain(name).inverse_slope(np.array([y]))[0] == pytest.approx(x, rel=1e-6, abs=1e-9)


@given(st.sampled_from(sorted(KNEES)), st.floats(0.01, 0.99))
def test_knee(name: str, fraction: float) -> None:
    knee = gain(name).knee(fraction)
    assert knee == pytest.approx(KNEES[name](fraction), rel=1e-12)
    assert slope(name, knee * (1 + 1e-9)) <= fraction * slope(name, 0.0)
    assert slope(name, knee * (1 - 1e-6)) >= fraction * slope(name, 0.0) * (1 - 1e-9)


@pytest.mark.parametrize("name", ["power", "power:0.25"])
def test_no_knee_under_an_infinite_slope(name: str) -> None:
    assert np.isnan(gain(name).knee(0.1))


@pytest.mark.parametrize("name", FAMILIES)
def test_bounded_families_end_at_1(name: str) -> None:
    far = value(name, 1e12)
    assert far == pytest.approx(1.0) if gain(name).bounded else far > 20.0


@given(st.lists(families, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_a_bank_is_its_sources(names: list[str], seed: int) -> None:
    bank = GainBank(tuple(names))
    x = np.random.default_rng(seed).exponential(1.0, (3, 2, len(names)))
    for method in ("value", "slope", "inverse_slope"):
        expected = [getattr(gain(n), method)(x[..., i]) for i, n in enumerate(names)]
        for shown in (x, x[0, 0]):  # any leading axes
            got = getattr(bank, method)(shown)
            assert got.shape == shown.shape
        assert np.array_equal(getattr(bank, method)(x), np.stack(expected, axis=-1))
        assert np.array_equal(getattr(bank.curves, method)(x), np.stack(expected, axis=-1))
    assert bank.bounded.tolist() == [float(gain(n).bounded) for n in names]


def test_knees_of_a_world_are_tokens() -> None:
    world = random_world(3, capabilities=3).replace(gain=("hill", "power", "broken"))
    knees = world.knees(0.25)
    assert knees[[0, 2]] == pytest.approx(world.scale_tokens[[0, 2]])
    assert np.isnan(knees[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exponental", "did you mean 'exponential'"),
        ("hill:2", "unknown gain family 'hill:2'"),
        ("", "unknown gain family ''"),
        ("power:0", "0 < Q < 1"),
        ("power:1", "0 < Q < 1"),
        ("power:-0.5", "0 < Q < 1"),
        ("power:nan", "0 < Q < 1"),
        ("power:half", "power:half"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        gain(name)

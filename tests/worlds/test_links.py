"""Links keep profiles between floor and ceiling by their shape."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import UnknownNameError
from readsim.worlds import World
from readsim.worlds.links import LINKS, Link, link
from tests.support import plain
from tests.support.strategies import BOUNDED_LINKS, few, worlds

PLACES = st.tuples(*[st.integers(0, 20).map(lambda n: n / 60)] * 3)
sums = st.floats(-3.0, 3.0)


def bounds(name: str, places: tuple[float, float, float]) -> tuple[Array, Array, Array]:
    """(start, floor, ceiling), (1,) each; the start may lie on a bound."""
    floor, below, above = (np.array([v]) for v in places)
    if name == "exponential":
        assume(above[0] > 0)
        return -floor - above, np.array([-np.inf]), -floor
    if name == "logistic":
        assume(below[0] > 0 and above[0] > 0)
    return floor + below, floor, floor + below + above


def at(curve: Link, z: float) -> float:
    return float(curve.value(np.array([z]))[0])


def test_the_list_of_links() -> None:
    assert set(BOUNDED_LINKS) | {"identity"} == set(LINKS)
    with pytest.raises(UnknownNameError, match="did you mean 'logistic'"):
        link("logistics", np.zeros(1), np.zeros(1), np.ones(1))


@given(st.sampled_from(LINKS), PLACES)
def test_starts_at_the_start_with_slope_1(name: str, places: tuple[float, float, float]) -> None:
    start, floor, ceiling = bounds(name, places)
    curve = link(name, start, floor, ceiling)
    assert at(curve, 0.0) == pytest.approx(start[0], abs=2e-16)
    assert curve.slope(np.zeros(1))[0] == pytest.approx(1.0, rel=1e-12)


@given(st.sampled_from(LINKS), PLACES, st.floats(1e-3, 2.0), st.sampled_from([-1.0, 1.0]))
def test_slope_is_the_derivative(
    name: str, places: tuple[float, float, float], size: float, sign: float
) -> None:
    curve, z, h = link(name, *bounds(name, places)), sign * size, 1e-6 * size
    shown = float(curve.slope(np.array([z]))[0])
    measured = (at(curve, z + h) - at(curve, z - h)) / (2 * h)
    assert shown == pytest.approx(measured, rel=1e-5, abs=1e-7 / size)


@given(st.sampled_from(BOUNDED_LINKS), PLACES, sums, sums)
def test_nondecreasing(name: str, places: tuple[float, float, float], a: float, b: float) -> None:
    curve = link(name, *bounds(name, places))
    low, high = sorted((a, b))
    assert at(curve, low) <= at(curve, high) + 1e-12 * (1.0 + abs(at(curve, low)))


@given(
    st.sampled_from(["saturating", "logistic"]),
    PLACES,
    st.one_of(sums, st.floats(-1e15, 1e15), st.sampled_from([-1e300, 1e300])),
)
def test_inside_the_bounds(name: str, places: tuple[float, float, float], z: float) -> None:
    start, floor, ceiling = bounds(name, places)
    assume(abs(z) <= 1e15 or (start[0] - floor[0] > 0 and ceiling[0] - start[0] > 0))
    curve = link(name, start, floor, ceiling)
    # a start on a bound has a room of 1e-12
    assert floor[0] - 2e-12 <= at(curve, z) <= ceiling[0] + 2e-12
    assert 0.0 <= curve.slope(np.array([z]))[0] <= max(2.0, 1.0 / (places[1] + 1e-12))


@given(PLACES, st.floats(-1e12, 1e12))
def test_losses_stay_below_their_ceiling(places: tuple[float, float, float], z: float) -> None:
    start, floor, ceiling = bounds("exponential", places)
    curve = link("exponential", start, floor, ceiling)
    assert np.isfinite(at(curve, z))
    assert at(curve, z) <= ceiling[0]
    assert np.isfinite(curve.slope(np.array([z]))[0])


@given(st.sampled_from(LINKS), PLACES, st.floats(-0.3, 0.3))
def test_inverse(name: str, places: tuple[float, float, float], z: float) -> None:
    start, floor, ceiling = bounds(name, places)
    assume(name in ("identity", "exponential") or (places[1] > 0 and places[2] > 0))
    curve = link(name, start, floor, ceiling)
    p = curve.value(np.array([z]))
    inside = floor[0] + 1e-4 < p[0] < ceiling[0] - 1e-4
    if name == "identity" or inside:
        assert curve.inverse(p)[0] == pytest.approx(z, abs=1e-9)


@few
@given(worlds(("potential",)), st.integers(0, 2**32 - 1))
def test_against_plain_python(world: World, seed: int) -> None:
    z = np.random.default_rng(seed).normal(0.0, 0.3, (2, 3, world.shape[1]))
    shown = world.link_function.value(z)
    assert shown.shape == z.shape
    for place in np.ndindex(2, 3, world.shape[1]):
        expected = plain.link(world, place[2], float(z[place]))
        assert shown[place] == pytest.approx(expected, abs=2e-12)


def test_the_logistic_link_is_s_shaped_and_the_saturating_one_has_its_bend_at_the_start() -> None:
    place = (np.array([0.2]), np.array([0.0]), np.array([1.0]))
    z = np.linspace(-1.0, 1.0, 401)
    logistic, saturating = (
        np.array([at(link(n, *place), v) for v in z]) for n in BOUNDED_LINKS[1::-1]
    )
    bends = np.diff(np.sign(np.diff(logistic, 2)))
    assert np.count_nonzero(bends) == 1
    assert logistic[1:-1][np.argmax(np.abs(bends))] == pytest.approx(0.5, abs=0.01)
    above, below = np.diff(saturating[z >= 0], 2), np.diff(saturating[z <= 0], 2)
    assert (above < 0).all()
    assert (below > 0).all()

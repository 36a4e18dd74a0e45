"""The documented rule that turns any weights into token shares."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.envs.simplex import TOLERANCE, as_allocation
from readsim.errors import AllocationError
from tests.support.strategies import grids, shares

sizes = st.integers(1, 9)
weights = sizes.flatmap(lambda s: grids(s, -30, 60))
batches = st.tuples(st.integers(1, 6), sizes).flatmap(lambda shape: grids(shape, -30, 60))
extreme = st.sampled_from([0.0, -0.0, 5e-324, 1e-310, 1e-17, 1.0, 1e17, 1e150, -5e-324, -1e150])


def rule(values: list[float]) -> list[float]:
    """The rule in words: negative counts as 0, divide by the sum, nothing becomes uniform."""
    kept = [max(v, 0.0) for v in values]
    whole = sum(kept)
    return [v / whole for v in kept] if whole > 0.0 else [1.0 / len(values)] * len(values)


@given(weights)
def test_one_vector(values: Array) -> None:
    before = values.copy()
    shown = as_allocation(values, strict=False)
    assert shown == pytest.approx(rule(values.tolist()), abs=1e-15)
    assert np.array_equal(values, before)


@given(batches)
def test_a_batch_is_its_rows(values: Array) -> None:
    before = values.copy()
    shown = as_allocation(values, strict=False)
    assert shown.shape == values.shape
    for row, expected in zip(shown, values, strict=True):
        assert row == pytest.approx(as_allocation(expected, strict=False), abs=1e-15)
    assert np.array_equal(values, before)


@given(st.lists(extreme, min_size=1, max_size=5), st.booleans())
def test_extreme_sizes(values: list[float], batch: bool) -> None:
    given_ = np.array([values] * 2 if batch else values)
    shown = as_allocation(given_, strict=False)
    assert (shown >= 0.0).all()
    assert shown.sum(axis=-1) == pytest.approx(1.0, abs=1e-15)
    assert shown.reshape(-1, len(values))[-1] == pytest.approx(rule(values), abs=1e-15)


@given(weights)
def test_idempotent(values: Array) -> None:
    once = as_allocation(values, strict=False)
    assert as_allocation(once, strict=False) == pytest.approx(once, abs=1e-15)
    assert as_allocation(once, strict=True) == pytest.approx(once, abs=1e-15)


@given(weights, st.floats(1e-6, 1e6))
def test_only_ratios_count(values: Array, factor: float) -> None:
    expected = as_allocation(values, strict=False)
    assert as_allocation(factor * values, strict=False) == pytest.approx(expected, abs=1e-14)


@given(weights, st.randoms(use_true_random=False))
def test_permutation_equivariance(values: Array, random: Random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    expected = as_allocation(values, strict=False)[order]
    assert as_allocation(values[order], strict=False) == pytest.approx(expected, abs=1e-15)


@given(sizes.flatmap(shares), st.integers(0, 2**32 - 1))
def test_strict_takes_what_lies_on_the_simplex(values: Array, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1, 1, len(values)) * TOLERANCE / 10 / len(values)
    shown = as_allocation(values + noise, strict=True)
    assert shown == pytest.approx(values, abs=TOLERANCE)
    assert (shown >= 0.0).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([-1e308, 1e308, 1.0], [0.0, 1.0, 0.0]), ([-1e308, -1e308, 1.0], [0.0, 0.0, 1.0])],
)
def test_huge_negative_weights_count_as_0(values: list[float], expected: list[float]) -> None:
    assert as_allocation(np.array(values), strict=False) == pytest.approx(expected)
    batch = as_allocation(np.array([[1.0, 1.0, 1.0], values]), strict=False)
    assert batch[1] == pytest.approx(expected)


@pytest.mark.parametrize("values", [[-1e308, 1e308, 1e308], [1e308, 1e308, -1e308]])
def test_sums_that_overflow_are_refused_whatever_the_order(values: list[float]) -> None:
    for shown in (values, [[1.0, 1.0, 1.0], values]):
        with pytest.raises(AllocationError, match="its sum is not"):
            as_allocation(np.array(shown), strict=False)


NOT_FINITE = [[np.nan, 1.0], [1.0, np.inf], [np.inf, -np.inf], [-np.inf, 0.0], [1e308, 1e308]]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("values", NOT_FINITE)
def test_what_is_not_finite_is_refused_without_a_warning(values: list[float], strict: bool) -> None:
    with pytest.raises(AllocationError, match="not finite"):
        as_allocation(np.array(values), strict=strict)
    with pytest.raises(AllocationError, match=r"in row 1: .* not finite"):
        as_allocation(np.array([[0.5, 0.5], values]), strict=strict)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([-0.1, 1.1], r"\[math=-0\.1, code=1\.1\] has a negative weight"),
        ([0.5, 0.6], r"\[math=0\.5, code=0\.6\] sums to 1\.1; strict=True accepts a sum of 1"),
        ([0.0, 0.0], r"\[math=0, code=0\] sums to 0"),
        ([1e-9, 0.0], "sums to 1e-09"),
    ],
)
def test_strict_messages_show_the_vector_with_its_names(values: list[float], message: str) -> None:
    names = ("math", "code")
    with pytest.raises(AllocationError, match=message):
        as_allocation(np.array(values), strict=True, names=names)
    # in a batch the offending row is the one that is shown
    with pytest.raises(AllocationError, match="in row 2: .*" + message):
        as_allocation(np.array([[0.5, 0.5], [0.0, 1.0], values]), strict=True, names=names)
    as_allocation(np.array(values), strict=False, names=names)


def test_the_error_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        as_allocation(np.array([2.0, -1.0]), strict=True)

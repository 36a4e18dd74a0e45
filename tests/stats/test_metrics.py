"""Metrics on hand-made vectors: what each one sees and what it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.envs.reward import essential_set
from readsim.stats import metrics
from tests.support.strategies import grids, shares

REQUIREMENT = np.array([0.5, 0.3, 0.2, 0.0])
TARGET = metrics.target_set(REQUIREMENT)
ESSENTIAL = essential_set(REQUIREMENT, 3)


def row(*change: float) -> Array:
    return np.array(change)


def test_the_target_is_the_top_of_the_requirement() -> None:
    assert TARGET.tolist() == [True, False, False, False]
    assert metrics.target_set(row(0.2, 0.4, 0.4)).tolist() == [False, True, False]


def test_drops_outside_the_essential_set_are_negative_but_not_harmful() -> None:
    change = row(0.1, 0.0, 0.02, -0.06)
    assert metrics.harmful_spillover(change, ESSENTIAL) == 0.0
    assert metrics.negative_spillover(change, TARGET) == pytest.approx(0.02)


def test_a_drop_of_the_target_is_harmful_but_not_negative_spillover() -> None:
    change = row(-0.1, 0.0, 0.02, 0.0)
    assert metrics.harmful_spillover(change, ESSENTIAL) == pytest.approx(0.1)
    assert metrics.negative_spillover(change, TARGET) == 0.0


def test_one_change_seen_by_all() -> None:
    change = row(0.10, -0.03, 0.06, -0.09)
    assert metrics.on_target(change, TARGET) == pytest.approx(0.10)
    assert metrics.off_target(change, TARGET) == pytest.approx(-0.02)
    assert metrics.negative_spillover(change, TARGET) == pytest.approx(0.04)
    assert metrics.harmful_spillover(change, ESSENTIAL) == pytest.approx(0.03)
    sd = np.full(4, 0.02)
    # 0.03 is within 1.96 x 0.02, 0.09 is not
    assert metrics.significant_drops(change, sd, TARGET) == pytest.approx(1 / 3)
    assert metrics.significant_drops(change, sd, TARGET, z=1.0) == pytest.approx(2 / 3)
    assert metrics.significant_drops(change, 0 * sd, TARGET) == pytest.approx(2 / 3)


def test_a_world_of_one_capability_has_nothing_off_target() -> None:
    change, target = row(-0.1), np.array([True])
    assert metrics.on_target(change, target) == -0.1
    for function in (metrics.off_target, metrics.negative_spillover, metrics.negative_floor):
        assert function(change, target) == 0.0
    assert metrics.significant_drops(change, change, target) == 0.0


@given(grids((3, 2, 5), -60, 60), shares(5))
def test_any_leading_axes(change: Array, requirement: Array) -> None:
    target, essential = metrics.target_set(requirement), essential_set(requirement, 2)
    for function, chosen in (
        (metrics.on_target, target),
        (metrics.off_target, target),
        (metrics.negative_spillover, target),
    ):
        shown = function(change, chosen)
        assert shown.shape == (3, 2)
        for place in np.ndindex(3, 2):
            assert shown[place] == pytest.approx(float(function(change[place], chosen)))
    harm = metrics.harmful_spillover(change, essential)
    assert harm.shape == (3, 2)
    assert (harm >= 0.0).all()


@given(grids(5, -60, 60), shares(5), st.floats(0.0, 10.0))
def test_how_they_relate(change: Array, requirement: Array, factor: float) -> None:
    target = metrics.target_set(requirement)
    negative = float(metrics.negative_spillover(change, target))
    assert negative >= max(0.0, -float(metrics.off_target(change, target))) - 1e-12
    scaled = float(metrics.negative_spillover(factor * change, target))
    assert scaled == pytest.approx(factor * negative, abs=1e-12)
    everything = essential_set(requirement, 5)
    drops = float(metrics.harmful_spillover(change, everything))
    own_drop = max(0.0, -float(metrics.on_target(change, target)))
    assert drops == pytest.approx(4 * negative + own_drop, abs=1e-12)


def test_the_floor_is_what_noise_alone_shows() -> None:
    """E[max(-X, 0)] = 0.399 sd for X ~ N(0, sd^2)."""
    sd = np.array([0.5, 0.01, 0.02, 0.06])
    noise = np.random.default_rng(0).normal(size=(100_000, 4)) * sd
    shown = metrics.negative_spillover(noise, TARGET)
    error = 5 * shown.std() / np.sqrt(len(shown))
    floor = float(metrics.negative_floor(sd, TARGET))
    assert floor == pytest.approx(0.3989422804 * 0.03)
    assert shown.mean() == pytest.approx(floor, abs=error)
    significant = metrics.significant_drops(noise, sd, TARGET).mean()
    assert significant == pytest.approx(0.025, abs=0.002)


def test_gap_closed() -> None:
    utility = np.array([0.4, 0.5, 0.6, 0.3, 0.5])
    reference = np.array([0.4, 0.4, 0.4, 0.4, 0.5])
    oracle = np.array([0.6, 0.6, 0.6, 0.6, 0.5])
    shown = metrics.gap_closed(utility, reference, oracle)
    assert shown[:4] == pytest.approx([0.0, 0.5, 1.0, -0.5])
    assert np.isnan(shown[4])  # no gap to close
    assert np.isnan(metrics.gap_closed(row(0.5), row(0.5), row(0.5 + 1e-13))).all()

"""The measurement model: noise of the right size, paired, biased where asked, inside the range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.runs.profile_scale import LOSSES
from readsim.streams import BlockStream
from readsim.worlds import random_world
from readsim.worlds.probe import Probe
from tests.support.plain import binomial_sd
from tests.support.strategies import grids

P = np.array([0.2, 0.5, 0.75])
ITEMS = np.array([64.0, 200.0, 1000.0])


def probe(
    items: Array = ITEMS, bias: float = 0.0, slope: float = 1.0, pairing: float = 0.85
) -> Probe:
    k = len(items)
    return Probe(items, np.full(k, bias), np.full(k, slope), pairing)


def deviates(cause: str, n: int = 40_000) -> Array:
    """Standardised deviates (n, 3), as in a run."""
    stream = BlockStream([11], cause, 3, 1000)
    return np.array([stream.take()[0] for _ in range(n)])


ITEM_LUCK, FIRST, SECOND = deviates("items"), deviates("probe"), deviates("dev")


@pytest.mark.parametrize("pairing", [0.0, 0.5, 0.85, 1.0])
def test_mean_and_variance_of_a_measurement(pairing: float) -> None:
    model = probe(pairing=pairing)
    shown = model.measure(P, model.luck(ITEM_LUCK), FIRST)
    sd = np.sqrt(P * (1 - P) / ITEMS)
    assert np.abs((shown.mean(axis=0) - P) / sd).max() < 5 / np.sqrt(len(shown))
    assert shown.std(axis=0) == pytest.approx(sd, rel=5 / np.sqrt(2 * len(shown)))
    assert model.deviation(P) == pytest.approx(sd, rel=1e-12)


@pytest.mark.parametrize("pairing", [0.0, 0.5, 0.85, 1.0])
def test_measurements_on_the_same_items_are_paired(pairing: float) -> None:
    model = probe(pairing=pairing)
    luck = model.luck(ITEM_LUCK)
    first, second = model.measure(P, luck, FIRST), model.measure(P, luck, SECOND)
    for j in range(3):
        correlation = np.corrcoef(first[:, j], second[:, j])[0, 1]
        assert correlation == pytest.approx(pairing, abs=5 / np.sqrt(len(first)))


@pytest.mark.parametrize("pairing", [0.0, 0.6, 1.0])
def test_deviation_of_a_difference(pairing: float) -> None:
    """The standard error that a run reports is that of simulated pairs of measurements."""
    model, later = probe(pairing=pairing), P + np.array([0.1, 0.0, 0.2])
    luck = model.luck(ITEM_LUCK)
    change = model.measure(later, luck, SECOND) - model.measure(P, luck, FIRST)
    predicted = model.difference_deviation(P, later)
    assert change.mean(axis=0) == pytest.approx(later - P, abs=1e-3)
    tolerance = 5 / np.sqrt(2 * len(change))
    # fully paired, an unchanged score repeats exactly
    assert change.std(axis=0) == pytest.approx(predicted, rel=tolerance, abs=1e-15)
    assert model.difference_deviation(later, P) == pytest.approx(predicted)


@given(grids(4, 0, 60), grids(4, 0, 60), st.integers(0, 2**32 - 1))
def test_scores_stay_scores(profile: Array, items: Array, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = probe(np.round(60 * items), bias=rng.normal(), slope=rng.uniform(0.1, 3.0))
    shown = model.measure(profile, model.luck(rng.normal(size=(20, 4))), rng.normal(size=(20, 4)))
    assert shown.shape == (20, 4)
    assert (shown >= 0.0).all()
    assert (shown <= 1.0).all()


@given(grids(4, 0, 60), grids(4, 0, 60))
def test_deviation_one_by_one(profile: Array, items: Array) -> None:
    items = np.round(60 * items)
    expected = [binomial_sd(p, n) for p, n in zip(profile.tolist(), items.tolist(), strict=True)]
    assert probe(items).deviation(profile) == pytest.approx(expected, abs=1e-15)


def test_no_items_measure_exactly() -> None:
    model = probe(np.zeros(3))
    luck = model.luck(ITEM_LUCK[:10])
    assert np.array_equal(model.measure(P, luck, FIRST[:10]), np.tile(P, (10, 1)))
    assert model.difference_deviation(P, P).tolist() == [0.0] * 3


def test_nothing_is_uncertain_at_0_and_1() -> None:
    ends = np.array([0.0, 1.0, 1.0 + 1e-13])  # a hair outside by rounding
    model = probe()
    assert model.deviation(ends).tolist() == [0.0] * 3
    assert model.measure(ends, ITEM_LUCK[0], FIRST[0]).tolist() == [0.0, 1.0, 1.0]


def test_bias_and_slope_act_on_the_score_not_on_its_noise() -> None:
    exact, tilted = probe(), probe(bias=-0.05, slope=0.8)
    luck = exact.luck(ITEM_LUCK[:100])
    noise = exact.measure(P, luck, FIRST[:100]) - P
    expected = np.maximum(0.8 * P - 0.05 + noise, 0.0)
    assert tilted.measure(P, luck, FIRST[:100]) == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(tilted.deviation(P), exact.deviation(P))


def test_negated_losses_have_one_nat_an_item() -> None:
    model = Probe(ITEMS, np.zeros(3), np.ones(3), 0.85, LOSSES)
    losses = np.array([-3.0, -1.0, 2.0])
    shown = model.measure(losses, model.luck(ITEM_LUCK), FIRST)
    assert model.deviation(losses) == pytest.approx(ITEMS**-0.5)
    assert shown.mean(axis=0) == pytest.approx(losses, abs=0.005)
    assert shown.std(axis=0) == pytest.approx(ITEMS**-0.5, rel=0.02)
    assert shown.min() < -3.0  # no clipping to a score


def test_measuring_changes_nothing_it_was_given() -> None:
    profile, luck, fresh = P.copy(), ITEM_LUCK[:5].copy(), FIRST[:5].copy()
    for model in (probe(), probe(bias=0.1)):
        model.measure(profile, luck, fresh)
        model.luck(luck)
    assert np.array_equal(profile, P)
    assert np.array_equal(luck, ITEM_LUCK[:5])
    assert np.array_equal(fresh, FIRST[:5])


def test_splits_of_a_world() -> None:
    """Bias and slope belong to the probe suite; utility is defined on the test benchmark."""
    world = random_world(0, capabilities=2).replace(
        probe_bias=np.array([0.1, 0.0]), probe_slope=np.array([0.9, 1.0]), pairing=0.5
    )
    for split in ("probe", "dev"):
        assert world.probe(split).bias.tolist() == [0.1, 0.0]
        assert world.probe(split).items.tolist() == [64, 64]
    test = world.probe("test")
    assert test.bias.tolist() == [0.0, 0.0]
    assert test.slope.tolist() == [1.0, 1.0]
    assert test.items.tolist() == [1000, 1000]
    assert test.pairing == 0.5

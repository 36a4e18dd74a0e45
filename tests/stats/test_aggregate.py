"""Scores over many worlds: numbers by hand, scipy, and the intervals' coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)

TIED = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda s: st.tuples(*(arrays(np.float64, (r, 3), elements=st.integers(0, 3)) for r in s))
)


def test_by_hand() -> None:
    scores = np.array([[0.0, 0.2, 0.4, 9.0], [0.6, 0.8, 1.0, -5.0]])
    # sorted -5 0 | .2 .4 .6 .8 | 1 9
    assert interquartile_mean(scores) == pytest.approx(0.5)
    assert interquartile_mean(np.arange(5.0)[None]) == pytest.approx(2.0)  # floor(5 / 4) = 1 cut
    assert optimality_gap(scores) == pytest.approx(1 - (0 + 0.2 + 0.4 + 1 + 0.6 + 0.8 + 1 - 5) / 8)
    assert optimality_gap(scores, goal=0.5) == pytest.approx(
        0.5 - (0 + 0.2 + 0.4 + 0.5 * 4 - 5) / 8
    )
    np.testing.assert_allclose(
        performance_profile(scores, np.array([-10.0, 0.0, 0.5, 9.0])), [1, 6 / 8, 4 / 8, 0]
    )
    # world 1: 2 > 1 and 2 = 2; world 2: 0 < 1 twice
    x, y = np.array([[2.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 1.0]])
    assert probability_of_improvement(x, y) == pytest.approx((0.75 + 0.0) / 2)


@given(TIED)
def test_probability_of_improvement_is_mann_whitney(pair: tuple[Array, Array]) -> None:
    x, y = pair
    by_world = [
        stats.mannwhitneyu(a, b, method="asymptotic").statistic / (len(x) * len(y))
        if len({*a, *b}) > 1
        else 0.5
        for a, b in zip(x.T, y.T, strict=True)
    ]
    assert probability_of_improvement(x, y) == pytest.approx(np.mean(by_world))
    assert probability_of_improvement(y, x) == pytest.approx(1.0 - np.mean(by_world))


@given(arrays(np.float64, (3, 7), elements=st.floats(-2.0, 2.0)))
def test_interquartile_mean_is_a_trimmed_mean(scores: Array) -> None:
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))
    several = np.stack([scores, 2.0 * scores])
    np.testing.assert_allclose(
        interquartile_mean(several), interquartile_mean(scores) * np.array([1.0, 2.0])
    )


def test_columns_of_one_world_share_their_seeds() -> None:
    scores = np.arange(5.0)[:, None] + np.array([0.0, 10.0, 20.0])

    def spread(drawn: Array) -> Array:
        return np.asarray(np.abs(drawn[..., 1] - drawn[..., 0] - 10.0).max(axis=-1))

    _, high = stratified_bootstrap(scores, spread, worlds=["a", "a", "b"], resamples=50)
    assert high.max() == 0.0
    _, high = stratified_bootstrap(scores, spread, resamples=50)
    assert high.max() > 0.0
    with pytest.raises(ConfigError, match="2 worlds for 3 columns"):
        stratified_bootstrap(scores, spread, worlds=["a", "b"])
    with pytest.raises(ConfigError, match="the same worlds"):
        probability_of_improvement(scores, scores[:, :2])


def test_methods_stay_together_by_seed() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(6, 4))
    both = np.stack([base + 0.5, base])
    low, high = stratified_bootstrap(
        both, lambda s: (s[0] - s[1]).mean(axis=(-2, -1)), resamples=200
    )
    np.testing.assert_allclose([low, high], 0.5)


def test_the_bootstrap_interval_covers() -> None:
    # 12 seeds of 8 worlds with means of their own: 95 %, less the sqrt(11 / 12) of resampling
    rng = np.random.default_rng(1)
    means = rng.normal(size=8)
    draws = 300
    hits = 0
    for n in range(draws):
        scores = means + rng.normal(size=(12, 8))
        low, high = stratified_bootstrap(
            scores, lambda s: s.mean(axis=(-2, -1)), resamples=200, seed=n
        )
        hits += bool(low <= means.mean() <= high)
    assert hits / draws == pytest.approx(0.937, abs=3.5 * np.sqrt(0.06 / draws))

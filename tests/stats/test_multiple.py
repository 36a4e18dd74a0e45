"""Adjusted p-values: worked examples, statsmodels, and the error rates they promise."""

from random import Random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats import benjamini_hochberg, holm

P = arrays(np.float64, st.integers(1, 15), elements=st.floats(0.0, 1.0))


def test_worked_examples() -> None:
    # by hand: .01 x 4, .03 x 3, then the running maximum
    p = np.array([0.03, 0.01, 0.04, 0.005])
    np.testing.assert_allclose(holm(p), [0.06, 0.03, 0.06, 0.02])
    # Benjamini and Hochberg (1995), section 3.2: 15 endpoints; Bonferroni and Hochberg's procedure
    # reject three at .05, false discovery control four
    p = np.array(
        [
            *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
            *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
        ]
    )
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4
    assert (holm(p) <= 0.05).sum() == 3
    assert benjamini_hochberg(p)[3] == pytest.approx(0.0095 * 15 / 4)


@pytest.mark.extra("statsmodels")
@settings(max_examples=30)
@given(P)
def test_they_are_those_of_statsmodels(p: Array) -> None:
    from statsmodels.stats.multitest import multipletests

    for ours, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        with patch("gc.collect"):  # it tidies the whole process on every call
            theirs = multipletests(p, method=method)[1]
        np.testing.assert_allclose(ours(p), theirs, atol=1e-12)


@given(P, st.randoms(use_true_random=False))
def test_order_and_size(p: Array, shuffle: Random) -> None:
    for adjust in (holm, benjamini_hochberg):
        out = adjust(p)
        assert ((out >= p - 1e-12) & (out <= 1.0)).all()
        order = list(range(len(p)))
        shuffle.shuffle(order)
        np.testing.assert_allclose(adjust(p[order]), out[order])
        assert (np.diff(out[np.argsort(p, kind="stable")]) >= -1e-12).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-12).all()


def test_missing_values_are_no_tests() -> None:
    p = np.array([[0.01, np.nan], [0.04, np.nan]])
    for adjust in (holm, benjamini_hochberg):
        out = adjust(p)
        np.testing.assert_allclose(out[:, 0], adjust(p[:, 0]))
        assert np.isnan(out[:, 1]).all()
        assert np.isnan(adjust(np.full(3, np.nan))).all()
        with pytest.raises(ConfigError, match=r"1\.2"):
            adjust(np.array([0.1, 1.2]))


def test_error_rates() -> None:
    rng = np.random.default_rng(0)
    draws, tests, false = 4_000, 10, 6
    shared = rng.random((draws, 1)) < 0.5  # half of the time all tests share one p
    p = np.where(shared, rng.random((draws, 1)), rng.random((draws, tests)))
    p[:, false:] = rng.beta(0.1, 20.0, (draws, tests - false))  # real effects
    family = np.mean([(holm(row)[:false] <= 0.1).any() for row in p])
    assert family <= 0.1 + 3.5 * np.sqrt(0.09 / draws)
    assert family > 0.03
    rejected = np.array([benjamini_hochberg(row) <= 0.1 for row in p])
    rate = (rejected[:, :false].sum(axis=1) / np.maximum(rejected.sum(axis=1), 1)).mean()
    assert rate <= 0.1 + 3.5 * np.sqrt(0.09 / draws)

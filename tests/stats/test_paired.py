"""Paired differences: against scipy, against counting by hand, and whether tests hold their level."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.stats import (
    bca_interval,
    half_width,
    least_p,
    paired,
    pairing_gain,
    sign_flip_test,
    t_interval,
    t_test,
)

# few distinct values, so that ties and zeros come up
TIED = arrays(np.float64, st.integers(1, 8), elements=st.integers(-3, 3).map(float))
VALUES = arrays(np.float64, st.integers(2, 12), elements=st.floats(-1.0, 1.0))


# -- tests ---------------------------------------------------------------------------------------


@given(TIED)
def test_sign_flips_are_counted(differences: Array) -> None:
    sums = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=len(differences))]
    naive = np.mean([s >= abs(differences.sum()) - 1e-9 for s in sums])
    assert sign_flip_test(differences) == pytest.approx(naive)
    assert least_p(len(differences)) <= sign_flip_test(differences) <= 1.0


def test_sign_flips_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 6, 8):
        a, b = rng.normal(0.5, 1.0, n), rng.normal(0.0, 1.0, n)
        reference = stats.permutation_test(
            (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=100_000
        )
        assert sign_flip_test(a - b) == pytest.approx(reference.pvalue)


def test_darwins_plants() -> None:
    # Fisher (1935): 15 pairs of maize, differences in eighths of an inch. Of the 2^15 sign patterns
    # 1,726 give a sum as large in size as the observed 314; the t test has t = 2.148, p = .0497.
    darwin = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
    assert darwin.sum() == 314
    assert t_test(darwin) == pytest.approx(0.0497, abs=5e-5)
    assert sign_flip_test(darwin) == 1726 / 2**15
    # and by chance, with the pairs twice
    assert sign_flip_test(np.tile(darwin, 2), seed=1) == pytest.approx(0.0045, abs=0.0025)


@given(VALUES)
def test_t_is_that_of_scipy(differences: Array) -> None:
    if np.ptp(differences) < 1e-6:
        return
    assert t_test(differences) == pytest.approx(stats.ttest_1samp(differences, 0.0).pvalue)
    low, high = t_interval(differences)
    assert (low <= 0.0 <= high) == (t_test(differences) >= 0.05)


def test_values_that_say_little() -> None:
    one = np.array([0.3])
    assert np.isnan(t_test(one))
    assert np.isnan(half_width(one))
    assert sign_flip_test(one) == 1.0
    zeros, constant = np.zeros(6), np.full(6, 0.1 + 0.2)
    assert (t_test(zeros), sign_flip_test(zeros)) == (1.0, 1.0)
    assert (t_test(constant), sign_flip_test(constant)) == (0.0, 2 / 64)
    assert bca_interval(constant) == pytest.approx((0.3, 0.3))
    assert np.isnan(bca_interval(np.array([1.0, 2.0]))).all()
    for n, least in ((1, 1.0), (3, 0.25), (5, 0.0625), (8, 0.0078125), (64, 1e-4)):
        assert least_p(n) == least
        assert sign_flip_test(np.arange(1.0, n + 1.0)) == pytest.approx(least)


# -- the report ----------------------------------------------------------------------------------


def test_everything_of_a_pair() -> None:
    rng = np.random.default_rng(1)
    luck = rng.normal(0.0, 3.0, (20, 1))
    a, b = (luck + rng.normal(mean, 1.0, (20, 4)) for mean in (1.0, 0.0))
    result = paired(a, b)
    d = (a - b).mean(axis=1)
    assert result.n == 20
    assert result.mean == pytest.approx(d.mean())
    assert result.median == pytest.approx(np.median(d))
    assert result.sd == pytest.approx(d.std(ddof=1))
    reference = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert result.p_t == pytest.approx(reference.pvalue)
    assert result.t == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert result.bca == bca_interval(d)
    assert result.p_sign_flip < 0.001
    apart = a.mean(axis=1).var(ddof=1) + b.mean(axis=1).var(ddof=1)
    assert result.pairing == pytest.approx(1.0 - d.var(ddof=1) / apart)
    assert result.pairing > 0.9
    assert result.notes == ()


@given(VALUES, st.floats(-5.0, 5.0))
def test_what_seeds_share_does_not_matter(values: Array, luck: float) -> None:
    other = values[::-1].copy()
    plain, moved = paired(values, other), paired(values + luck, other + luck)
    assert moved.mean == pytest.approx(plain.mean, abs=1e-9)
    assert moved.t == pytest.approx(plain.t, abs=1e-9)


def test_what_cannot_be_said_is_a_note() -> None:
    [note] = paired(np.array([1.0]), np.array([0.5])).notes
    assert "one seed" in note
    assert "no difference" in paired(np.ones(9), np.ones(9)).notes[0]
    assert "no spread" in paired(np.ones(9), np.zeros(9)).notes[0]
    [note] = paired(np.array([1.0, 2.0, 4.0]), np.zeros(3)).notes
    assert "cannot give less than 0.25" in note
    assert np.isnan(pairing_gain(np.ones(5), np.zeros(5)))


def test_values_that_cannot_be_paired_are_refused() -> None:
    for a, b in ((np.ones(3), np.ones(2)), (np.ones(0), np.ones(0)), (np.ones((1, 1, 1)),) * 2):
        with pytest.raises(ConfigError, match="expected \\(n,\\) or \\(n, tasks\\)"):
            paired(a, b)
    with pytest.raises(ConfigError, match="b holds nan"):
        paired(np.ones(2), np.array([1.0, np.nan]))


# -- do they hold what they say? -----------------------------------------------------------------


def test_tests_hold_their_level() -> None:
    rng = np.random.default_rng(2)
    draws = 2_000
    for n in (5, 8):
        normal = rng.normal(size=(draws, n))
        skewed = rng.exponential(size=(draws, n)) * rng.choice([-1.0, 1.0], (draws, n))
        for sample in (normal, skewed):
            p = np.array([sign_flip_test(d) for d in sample])
            for level in (0.0625, 0.125, 0.25):  # attainable for both n: exact, so the rate is it
                bound = 3.5 * np.sqrt(level * (1 - level) / draws)
                assert np.mean(p <= level) == pytest.approx(level, abs=bound)
        p_t = np.array([t_test(d) for d in normal])
        assert np.mean(p_t <= 0.05) == pytest.approx(0.05, abs=3.5 * np.sqrt(0.0475 / draws))
    drawn = np.array([sign_flip_test(d, seed=s) for s, d in enumerate(rng.normal(size=(200, 20)))])
    assert np.mean(drawn <= 0.1) == pytest.approx(0.1, abs=3.5 * np.sqrt(0.09 / 200))


def test_intervals_cover() -> None:
    rng = np.random.default_rng(3)
    draws = 1_000
    for n in (3, 8, 20):
        ends = np.array([t_interval(d) for d in rng.normal(1.0, 2.0, (draws, n))])
        covered = np.mean((ends[:, 0] <= 1.0) & (ends[:, 1] >= 1.0))
        assert covered == pytest.approx(0.95, abs=3.5 * np.sqrt(0.0475 / draws))


def test_the_bootstrap_covers_with_many_seeds_and_not_with_few() -> None:
    rng = np.random.default_rng(4)
    rates = {}
    for n in (5, 30):
        ends = [bca_interval(d, resamples=499) for d in rng.exponential(1.0, (300, n))]
        rates[n] = np.mean([low <= 1.0 <= high for low, high in ends])
    assert rates[30] == pytest.approx(0.93, abs=0.05)
    assert rates[5] < 0.9  # as its docstring warns


def test_what_is_printed_can_be_read() -> None:
    a, b = np.array([1.123456789, 2.5, 3.25]), np.array([1.0, 2.0, 3.0])
    found = paired(a, b)
    lines = dict(line.split(":", 1) for line in str(found).splitlines())
    assert lines["seeds"].strip() == "3"
    assert lines["mean difference"].strip() == f"{found.mean:+.4g}"
    assert lines["t interval"].strip() == f"{found.t[0]:+.4g} to {found.t[1]:+.4g}"
    assert lines["note"].strip() == found.notes[0]
    assert max(map(len, str(found).split())) < 16
    assert repr(found.mean) in repr(found)  # all digits
    assert "nan" not in str(paired([1.0], [0.5]))

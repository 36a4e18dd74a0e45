"""Power of the paired t test: statsmodels, simulation, and inverses of each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from readsim.errors import ConfigError
from readsim.stats import detectable_difference, power, seeds_needed


def test_a_textbook_number() -> None:
    # Cohen: an effect of half a standard deviation takes 34 pairs for power .8 at .05
    assert seeds_needed(0.5, 1.0) == 34
    assert power(0.5, 1.0, 34) == pytest.approx(0.8078, abs=5e-5)
    assert power(0.5, 1.0, 33) < 0.8


@pytest.mark.extra("statsmodels")
@given(st.floats(0.05, 3.0), st.integers(2, 200))
def test_power_is_that_of_statsmodels(effect: float, n: int) -> None:
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().power(effect, n, 0.05)
    if np.isfinite(expected):
        assert power(effect, 1.0, n) == pytest.approx(expected, abs=1e-7)


def test_power_is_what_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    draws = 4_000
    for n, effect in ((4, 2.0), (8, 1.0), (24, 0.5)):
        sample = rng.normal(effect, 1.0, (draws, n))
        t = sample.mean(axis=1) / sample.std(axis=1, ddof=1) * np.sqrt(n)
        found = np.mean(np.abs(t) > stdtrit(n - 1, 0.975))
        expected = power(effect, 1.0, n)
        bound = 3.5 * np.sqrt(expected * (1 - expected) / draws)
        assert found == pytest.approx(expected, abs=bound)


@given(st.floats(0.02, 50.0), st.floats(0.01, 10.0), st.sampled_from([0.5, 0.8, 0.95]))
def test_seeds_needed_is_the_first_that_does(difference: float, sd: float, goal: float) -> None:
    n = seeds_needed(difference, sd, goal=goal)
    assert power(difference, sd, n) >= goal
    assert n == 2 or power(difference, sd, n - 1) < goal
    assert seeds_needed(-difference, sd, goal=goal) == n


@given(st.integers(2, 500), st.floats(0.01, 10.0))
def test_detectable_is_the_inverse_of_power(n: int, sd: float) -> None:
    difference = detectable_difference(sd, n)
    assert power(difference, sd, n) == pytest.approx(0.8, abs=1e-6)
    assert seeds_needed(1.001 * difference, sd) <= n


def test_what_has_no_answer() -> None:
    assert np.isnan(power(1.0, 1.0, 1))
    assert np.isnan(detectable_difference(1.0, 1))
    assert np.isnan(detectable_difference(np.nan, 8))
    assert detectable_difference(0.0, 8) == 0.0
    assert (power(1.0, 0.0, 3), power(0.0, 0.0, 3)) == (1.0, 0.05)
    assert power(1e6, 1.0, 3) == 1.0
    assert seeds_needed(1.0, 0.0) == 2
    with pytest.raises(ConfigError, match="not 0"):
        seeds_needed(0.0, 1.0)
    with pytest.raises(ConfigError, match="too small"):
        seeds_needed(1e-9, 1.0)
    with pytest.raises(ConfigError, match="sd = -1"):
        power(1.0, -1.0, 3)
    with pytest.raises(ConfigError, match=r"goal = 0\.01"):
        detectable_difference(1.0, 8, goal=0.01)
    with pytest.raises(ConfigError, match="level = 2"):
        power(1.0, 1.0, 8, level=2.0)

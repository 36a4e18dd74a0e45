"""How hard a prompt is: Eq. (7), tertiles, and the mix that the curriculum asks for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.generation import calibration
from readsim_hf.generation.calibration import calibrate
from readsim_hf.generation.curriculum import Curriculum, bucket_mix
from readsim_hf.generation.difficulty import Difficulty, Method, Tertiles
from readsim_hf.prompts.prompt import Prompt
from tests.support.made_templates import Sum, sums

METHODS: tuple[Method, ...] = ("rank", "paper_minmax")
tables = st.integers(1, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(-5, 5), min_size=columns, max_size=columns), min_size=1, max_size=40
    ).map(lambda rows: np.array(rows, dtype=np.float64))
)


@given(tables, st.sampled_from(METHODS), st.integers(0, 2**32))
def test_difficulty_is_within_0_and_1_outside_the_pool_too(
    pool: Array, method: Method, seed: int
) -> None:
    outside = np.random.default_rng(seed).normal(0, 20, size=(30, pool.shape[1]))
    fitted = Difficulty.fit(pool, method)
    for factors in (pool, outside):
        d = fitted.score(factors)
        assert d.shape == (len(factors),)
        assert ((d >= 0) & (d <= 1)).all()
        alone = [fitted.score(factors[row : row + 1])[0] for row in range(len(factors))]
        assert np.array_equal(d, alone)
    assert np.array_equal(
        fitted.score(outside), fitted.score(np.clip(outside, pool.min(0), pool.max(0)))
    )


@given(tables)
def test_paper_minmax_is_the_formula(pool: Array) -> None:
    expected = np.zeros(len(pool))
    for column in pool.T:
        span = column.max() - column.min()
        expected += (column - column.min()) / span if span > 0 else 0.0
    shown = Difficulty.fit(pool, "paper_minmax").score(pool)
    assert shown == pytest.approx(expected / pool.shape[1], abs=1e-12)


@given(tables)
def test_rank_is_the_mid_rank(pool: Array) -> None:
    ranks = [
        (stats.rankdata(column) - 0.5) / len(pool) if np.ptp(column) > 0 else np.zeros(len(pool))
        for column in pool.T
    ]
    assert Difficulty.fit(pool).score(pool) == pytest.approx(np.mean(ranks, axis=0), abs=1e-12)


@given(tables, st.sampled_from(METHODS), st.floats(-1e6, 1e6))
def test_a_constant_factor_contributes_0(pool: Array, method: Method, value: float) -> None:
    more = np.column_stack([pool, np.full(len(pool), value)])
    before, after = Difficulty.fit(pool, method), Difficulty.fit(more, method)
    columns = pool.shape[1]
    expected = before.score(pool) * columns / (columns + 1)
    assert after.score(more) == pytest.approx(expected, abs=1e-12)
    more[:, -1] += 3.0
    assert after.score(more) == pytest.approx(expected, abs=1e-12)


@given(tables, st.sampled_from(METHODS), st.floats(0.01, 100), st.floats(-100, 100))
def test_units_do_not_matter(pool: Array, method: Method, scale: float, shift: float) -> None:
    moved = pool.copy()
    moved[:, 0] = scale * moved[:, 0] + shift
    expected = Difficulty.fit(pool, method).score(pool)
    assert Difficulty.fit(moved, method).score(moved) == pytest.approx(expected, abs=1e-9)


@given(tables, st.sampled_from([np.exp, np.cbrt, np.arctan, lambda x: x**5]))
def test_rank_is_invariant_to_any_increasing_scale(
    pool: Array, scale: Callable[[Array], Array]
) -> None:
    fitted, moved = Difficulty.fit(pool), Difficulty.fit(scale(pool))
    asked = np.random.default_rng(0).uniform(-7, 7, size=(20, pool.shape[1]))
    for factors in (pool, asked):
        assert np.array_equal(fitted.score(factors), moved.score(scale(factors)))


def test_minmax_is_not_and_one_outlier_moves_it() -> None:
    pool = np.arange(10.0)[:, None]
    far = np.vstack([pool, [[1000.0]]])
    assert Difficulty.fit(far, "paper_minmax").score(pool).max() < 0.01
    assert Difficulty.fit(far).score(pool).max() > 0.8


def test_no_factors_are_no_difficulty() -> None:
    assert np.array_equal(Difficulty.fit(np.empty((3, 0))).score(np.empty((2, 0))), [0.0, 0.0])


@pytest.mark.parametrize(
    ("pool", "method", "message"),
    [
        (np.ones((2, 2)), "zscore", "unknown difficulty method 'zscore'"),
        (np.ones((0, 2)), "rank", "0 prompts"),
        (np.ones(3), "rank", r"shape \(3,\)"),
        (np.array([[1.0, np.nan]]), "rank", "nan at prompt 0, factor 1"),
    ],
)
def test_pools_that_are_refused(pool: Array, method: Method, message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        Difficulty.fit(pool, method)


def test_factors_of_another_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 a prompt, expected 2"):
        Difficulty.fit(np.ones((4, 2))).score(np.ones((1, 3)))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.integers(0, 2**32))
@example([0] * 9, 0)
@example([0, 0, 0, 1], 0)
def test_bucket_sizes_are_within_1_of_a_third(levels: list[int], seed: int) -> None:
    d, ties = np.array(levels) / 3, np.random.default_rng(seed).random(len(levels))
    fitted = Tertiles.fit(d, ties)
    buckets = np.array([fitted.bucket(*place) for place in zip(d, ties, strict=True)])
    sizes = np.bincount(buckets, minlength=3)
    assert (np.abs(sizes - len(levels) / 3) < 1).all()
    # Harder prompts are never in an easier bucket.
    assert (np.diff(buckets[np.lexsort((ties, d))]) >= 0).all()


def test_new_prompts_with_tied_difficulties_split_in_proportion() -> None:
    """Three quarters of the prompts are equally hard: still a third to each bucket."""
    rng = np.random.default_rng(0)
    levels = np.array([0.0, 0.0, 0.0, 1.0])
    pool, new = rng.choice(levels, size=3000), rng.choice(levels, size=3000)
    fitted = Tertiles.fit(pool, rng.random(3000))
    sizes = Counter(fitted.bucket(d, tie) for d, tie in zip(new, rng.random(3000), strict=True))
    assert all(abs(sizes[b] / 3000 - 1 / 3) < 0.04 for b in range(3))


def test_distance_to_a_bucket() -> None:
    fitted = Tertiles.fit(np.arange(9.0), np.linspace(0, 0.9, 9))
    assert fitted.cuts == ((3.0, 0.0), (6.0, 0.0))
    assert [fitted.distance(1.0, bucket) for bucket in range(3)] == [0.0, 2.0, 5.0]
    assert [fitted.distance(8.0, bucket) for bucket in range(3)] == [5.0, 2.0, 0.0]


def test_calibration_buckets_are_thirds_of_the_pool_and_of_new_prompts() -> None:
    # Terms of 0 and 1 in 3 lengths: hardly anything but ties.
    for made in (sums("math"), sums("math", below=2, terms=(9, 10, 11))):
        scale = calibrate(made)
        rng = np.random.default_rng(0)
        prompts = {p.key: p for n in range(3000) for p in (made[n % 5].make(rng),)}
        sizes = Counter(scale.place(prompt, key)[1] for key, prompt in prompts.items())
        assert all(abs(sizes[b] / len(prompts) - 1 / 3) < 0.05 for b in range(3))


def test_scores_that_are_kept_are_those_of_the_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST_SCORES", 2)  # so that they are dropped again and again
    [template] = sums("math", 1)
    scale = calibrate([template], size=50)
    for seed in [*range(40), *range(40)]:
        prompt = template.make(np.random.default_rng(seed))
        row = np.array([[prompt.factors[name] for name in scale.factors]])
        assert scale.place(prompt, prompt.key)[0] == scale.difficulty.score(row)[0]


def test_templates_may_have_different_factors() -> None:
    @dataclass(frozen=True)
    class Plain(Sum):
        def make(self, rng: np.random.Generator) -> Prompt:
            return replace(super().make(rng), factors={"other": float(rng.integers(5))})

    scale = calibrate([Sum("math/a", "math"), Plain("math/b", "math")])
    assert scale.factors == ("other", "size", "terms")


@given(st.floats(0, 1))
def test_bucket_mix_is_linear(u: float) -> None:
    expected = (1 - u) * np.array([0.5, 0.4, 0.1]) + u * np.array([0.15, 0.35, 0.5])
    assert np.array_equal(bucket_mix(u), expected)
    assert bucket_mix(u).sum() == pytest.approx(1)
    assert np.array_equal(bucket_mix(1.0, "reversed"), bucket_mix(0.0))
    assert bucket_mix(u, "reversed") == pytest.approx(bucket_mix(1 - u), abs=1e-15)
    assert np.array_equal(bucket_mix(u, "off"), np.full(3, 1 / 3))


def test_bucket_mix_outside_the_budget() -> None:
    assert np.array_equal(bucket_mix(1.01), bucket_mix(1.0))
    with pytest.raises(ConfigError, match="nan"):
        bucket_mix(float("nan"))
    with pytest.raises(UnknownNameError, match="did you mean 'reversed'"):
        bucket_mix(0.5, cast(Curriculum, "reverse"))

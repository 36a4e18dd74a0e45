"""Tests of shape on runs: the level that they claim where the null is true, and power where it is not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import lsq_linear, nnls

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory import shape_tests as shapes


def design(
    sources: int, runs: int, rows: int, rng: np.random.Generator, still: bool = True
) -> tuple[Array, Array]:
    """Cumulative tokens (n, S) of runs of one mixture each, or of a new one every step, and their runs."""
    fed = rng.dirichlet(np.ones(sources), (runs, 1 if still else rows))
    fed = np.broadcast_to(fed, (runs, rows, sources))
    return fed.cumsum(axis=1).reshape(-1, sources) / rows, np.repeat(np.arange(runs), rows)


def refused(
    truth: Callable[[Array], Array],
    test: Callable[..., shapes.ShapeTest],
    logs: int,
    sources: int = 3,
    runs: int = 10,
    rows: int = 8,
    apart: bool = False,
) -> int:
    count = 0
    for seed in range(logs):
        rng = np.random.default_rng(seed)
        b, run = design(sources, runs, rows, rng, still=apart or seed % 2 == 0)
        noise = 0.01 * rng.normal(size=len(b)) + 0.01 * rng.normal(size=runs)[run]
        more = {"draws": 39} if test is shapes.concave_test else {}
        count += test(b, truth(b) + noise, run, **more).p <= 0.05
    return count


def root(b: Array) -> Array:
    out: Array = 0.3 * np.sqrt(b).sum(axis=1)
    return out


def exponential(b: Array) -> Array:
    out: Array = 0.3 * (1 - np.exp(-4 * b)).sum(axis=1)
    return out


def line(b: Array) -> Array:
    out: Array = 0.3 * b @ np.linspace(1.0, 0.2, b.shape[1])
    return out


def kink(b: Array) -> Array:
    out: Array = 2.0 * np.minimum(b, 0.1).sum(axis=1)
    return out


def interaction(b: Array) -> Array:
    out: Array = root(b) + 0.6 * b[:, 0] * b[:, 1]
    return out


def late(b: Array) -> Array:
    out: Array = 0.5 * (b**2 * (3 - 2 * b)).sum(axis=1)
    return out


@pytest.mark.parametrize("truth", [root, exponential, line, late])
def test_additive_truths_are_not_refused(truth: Callable[[Array], Array]) -> None:
    assert refused(truth, shapes.additive_test, 100) <= 14  # 100 x .05 = 5; above 14: .0001


@pytest.mark.parametrize("truth", [root, exponential, line, kink, interaction])
def test_concave_truths_are_not_refused(truth: Callable[[Array], Array]) -> None:
    assert refused(truth, shapes.concave_test, 14) <= 4


def test_a_kink_between_quantiles_is_concave() -> None:
    """Ten corners a source refused it six times: none lay near the kink."""
    assert refused(kink, shapes.concave_test, 40, runs=12, rows=10) <= 3


@pytest.mark.parametrize("truth", [root, exponential, line, late])
def test_many_sources_keep_the_level(truth: Callable[[Array], Array]) -> None:
    assert refused(truth, shapes.additive_test, 60, sources=8, runs=24, rows=10, apart=True) <= 10


def test_what_is_not_so_is_refused() -> None:
    assert refused(interaction, shapes.additive_test, 6, apart=True) >= 3
    assert refused(late, shapes.concave_test, 6, apart=True) >= 5


def test_the_power_told_grows_with_the_runs() -> None:
    power = []
    for runs in (5, 40):
        rng = np.random.default_rng(0)
        b, run = design(2, runs, 4, rng)
        y = root(b) + 0.03 * rng.normal(size=len(b))
        power.append(shapes.additive_test(b, y, run).power)
    assert 0 <= power[0] < power[1] <= 1


SHAPES = (shapes.additive_test, shapes.concave_test, shapes.nondecreasing_test)


@pytest.mark.parametrize(
    ("truth", "concave", "rises"),
    [
        (late, False, True),
        (lambda b: root(b) - 0.4 * b[:, 0] - 0.3 * np.sqrt(b[:, 0]), True, False),
        (root, True, True),
    ],
)
def test_a_slow_start_and_a_fall_are_told_apart(
    truth: Callable[[Array], Array], concave: bool, rises: bool
) -> None:
    b, run = design(3, 12, 10, np.random.default_rng(5))
    y = truth(b) + 0.005 * np.random.default_rng(6).normal(size=len(b))
    assert (shapes.concave_test(b, y, run, draws=39).p > 0.05) is concave
    assert (shapes.nondecreasing_test(b, y, run, draws=39).p > 0.05) is rises


@pytest.mark.parametrize("truth", [root, exponential, line, kink, late])
def test_rising_truths_are_not_refused(truth: Callable[[Array], Array]) -> None:
    count = 0
    for seed in range(12):
        b, run = design(3, 40, 3, np.random.default_rng(seed))
        y = truth(b) + 0.002 * np.random.default_rng(seed + 99).normal(size=len(b))
        count += shapes.nondecreasing_test(b, y, run, draws=19).p <= 0.05
    assert count <= 3


@pytest.mark.parametrize("test", SHAPES)
def test_shares_of_one_budget_show_nothing(test: Callable[..., shapes.ShapeTest]) -> None:
    """Sources that sum to a constant: a product of two is a sum of curves, and a slope of all is none."""
    rng = np.random.default_rng(0)
    b = rng.dirichlet(np.ones(3), 60)
    found = test(b, root(b) + b[:, 0] * b[:, 1] + 0.01 * rng.normal(size=60), np.arange(60))
    assert found.p == 1.0
    assert np.isnan(found.power)


@pytest.mark.parametrize("test", SHAPES)
def test_exact_scores_that_fit_hold_with_power(test: Callable[..., shapes.ShapeTest]) -> None:
    """A misfit of no account is none, and one of a point would have been seen."""
    b, run = design(2, 8, 10, np.random.default_rng(0))
    found = test(b, line(b), run)
    assert found.p == 1.0
    assert found.power > 0.9


def test_many_rows_of_few_runs_cost_as_much_as_few() -> None:
    """The fits are in coordinates of the span of their columns: r of them, however many rows there are."""
    b = design(2, 6, 400, np.random.default_rng(0), still=False)[0]
    cone = shapes._Cone(shapes.products(b), shapes.hinges(b), -shapes.hinges(b, 3))
    assert len(cone.coordinates(root(b))) <= 110
    y = np.random.default_rng(1).normal(size=len(b))
    assert np.linalg.norm(cone.coordinates(y)) == pytest.approx(np.linalg.norm(y))
    at = cone.fit(cone.coordinates(y))[0]
    whole = np.column_stack([shapes.products(b), -shapes.products(b), shapes.hinges(b)])
    assert np.linalg.norm(at) == pytest.approx(nnls(whole, y, maxiter=9999)[1], rel=1e-6)


def test_ramps_span_what_rises() -> None:
    b = np.linspace(0, 1, 60)[:, None]
    x = shapes.ramps(b, knots=10)
    assert (np.diff(x, axis=0) >= 0).all()
    assert x.min() == 0.0
    assert x.max() == 1.0
    rising = x @ np.random.default_rng(0).uniform(size=x.shape[1])
    assert nnls(x, rising)[1] < 1e-9
    assert nnls(x, 1 - rising)[1] > 0.1


def test_without_noise_a_misfit_of_no_account_is_none() -> None:
    b, run = design(3, 8, 10, np.random.default_rng(0))
    for test in (shapes.additive_test, shapes.concave_test):
        assert test(b, exponential(b), run).p == 1.0
        assert test(b, np.zeros(len(b)), run).p == 1.0
    assert shapes.additive_test(b, interaction(b), run).p < 0.05


@pytest.mark.parametrize("test", [shapes.additive_test, shapes.concave_test])
def test_what_is_no_measurement_is_refused(test: Callable[..., shapes.ShapeTest]) -> None:
    b, run = design(2, 8, 6, np.random.default_rng(0))
    y, gone = root(b), np.arange(len(b)) == 3
    for words, changed in (
        ("y: no finite number in row 3", (b, np.where(gone, np.nan, y), run)),
        ("tokens: no finite number in row 3", (np.where(gone[:, None], np.inf, b), y, run)),
        ("negative", (-b, y, run)),
        (r"expected \(n, S\)", (b, y[:-1], run)),
        ("expected numbers", (b, ["x"] * len(b), run)),
        ("label is missing", (b, y, np.where(gone, np.nan, run))),
        ("each its own label", (b, y, 0 * run)),
    ):
        with pytest.raises(ConfigError, match=words):
            test(*changed)
    with pytest.raises(ConfigError, match="seen = 0"):
        test(b, y, run, seen=0)


def test_columns_of_pandas_and_rows_of_their_own() -> None:
    """A DataFrame and a Series; each row its own label, as the message advises."""
    rng = np.random.default_rng(1)
    b = rng.dirichlet(np.ones(2), 60)
    y = root(b) + 0.02 * rng.normal(size=60)
    frame = pd.DataFrame(b, columns=["a", "b"])
    for test, more in ((shapes.additive_test, {}), (shapes.concave_test, {"draws": 19})):
        found = test(frame, pd.Series(y), np.arange(60), **more)
        assert found == test(b, y, [f"run {n}" for n in range(60)], **more)


def test_the_power_is_of_the_departure_asked_for() -> None:
    """Scores in points with `seen` in points have the p and the power of scores in [0, 1]."""
    rng = np.random.default_rng(0)
    b, run = design(2, 8, 6, rng)
    y = root(b) + 0.02 * rng.normal(size=len(b))
    for test, more in ((shapes.additive_test, {}), (shapes.concave_test, {"draws": 39})):
        small, large = test(b, y, run, **more), test(b, 100 * y, run, seen=1.0, **more)
        assert large.p == pytest.approx(small.p)
        assert large.power == pytest.approx(small.power)
        assert large.size == pytest.approx(100 * small.size)
    assert shapes.additive_test(b, 100 * y, run).power < small.power


def test_hinges_span_concave_curves_and_products_pairs() -> None:
    b = np.array([[0.0, 3.0, 0.0], [1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [4.0, 0.0, 0.0]])
    x = shapes.hinges(b, knots=2)
    assert x.min() == 0.0
    assert x.max() == 1.0
    fit = lsq_linear(x, np.minimum(b[:, 0], 2.0), bounds=(0, np.inf))
    assert fit.cost < 1e-9
    np.testing.assert_allclose(shapes.products(b)[:, 0], b[:, 0] * b[:, 1] / 12)
    assert shapes.products(b).shape == (4, 1)  # the third source was never used
    with pytest.raises(ConfigError, match="all 0"):
        shapes.hinges(np.zeros((3, 2)))


def test_the_f_test_is_that_of_nested_least_squares() -> None:
    """Both fits anew by least squares, and p of the F distribution."""
    rng = np.random.default_rng(3)
    b, run = design(2, 12, 6, rng, still=False)
    y = root(b) + 0.02 * rng.normal(size=len(b)) + rng.normal(size=12)[run]
    null = np.column_stack([np.eye(12)[run], shapes.smooth(b)])
    wide = np.column_stack([null, shapes.products(b)])
    loss, rank = [], []
    for columns in (null, wide):
        scaled = columns / np.linalg.norm(columns, axis=0)
        fit = np.linalg.lstsq(scaled, y, rcond=1e-9)
        loss.append(np.sum((y - scaled @ fit[0]) ** 2))
        rank.append(fit[2])
    free = len(y) - rank[1]
    f = (loss[0] - loss[1]) / (rank[1] - rank[0]) / (loss[1] / free)
    found = shapes.additive_test(b, y, run)
    assert found.p == pytest.approx(stats.f.sf(f, rank[1] - rank[0], free), rel=1e-6)
    assert found.size == pytest.approx(np.sqrt((loss[0] - loss[1]) / len(y)), rel=1e-6)


def test_what_rows_of_a_run_share_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    b, run = design(3, 10, 8, rng)
    y = interaction(b) + 0.01 * rng.normal(size=len(b))
    one, two = (shapes.additive_test(b, y + c * rng.normal(size=10)[run], run).p for c in (0, 5))
    assert one == pytest.approx(two, rel=1e-6)


def test_too_little_to_test() -> None:
    b, run = design(2, 4, 9, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="4 runs: at least 5"):
        shapes.additive_test(b, b.sum(axis=1), run)
    b, run = design(2, 6, 1, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="6 rows"):
        shapes.additive_test(b, b.sum(axis=1), run)

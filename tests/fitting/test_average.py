"""The average over laws: weights, held-out predictions, intervals that hold, what counts how much."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.average import (
    Average,
    LawData,
    combine,
    combine_held_out,
    fit_laws,
    from_law_scale,
    hold_out,
    stack,
    to_law_scale,
)
from readsim.fitting.averaged import Fit, fit_average
from readsim.fitting.conformal import FEW, LEAST, quantile, widening_of
from readsim.fitting.guide import Guide
from readsim.fitting.laws.features import blocks
from readsim.fitting.sealed import average_of, beside, load_average, save_average
from readsim.fitting.weights import binomial_variance, cell_weights, trust_in_chosen
from readsim.worlds import save_world
from tests.support.made_fits import additive_truth, known_world, mixtures


def small_fit(**changes: object) -> Fit:
    """30 runs of the known world, of three lengths."""
    world, rng = known_world(losses=False), np.random.default_rng(0)
    tokens = mixtures(30) * rng.choice([2e5, 5e5, 1e6], (30, 1))
    measured = world.profile_after([tokens]) + 0.01 * rng.standard_normal((30, 2))
    given: dict[str, object] = {
        "sources": world.sources,
        "capabilities": world.capabilities,
        "scores": True,
        "members": 1,
        "folds": 3,
    }
    return fit_average(tokens, measured, **(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fit() -> Fit:
    """One for all tests of this file."""
    return small_fit()


def test_weights_are_those_of_least_squares_on_the_simplex() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((400, 2))
    good, bad = (truth + s * rng.standard_normal((400, 2)) for s in (0.1, 1.0))
    weights = stack(np.stack([good, bad]), truth, np.ones_like(truth))
    assert weights.sum(axis=0) == pytest.approx(1.0)
    assert (weights >= 0.0).all()
    # two independent errors: the best share of the worse is 0.1^2 / (0.1^2 + 1^2), before shrinking
    assert weights[1] == pytest.approx(0.0099, abs=0.02)
    few = stack(np.stack([good, bad])[:, :3], truth[:3], np.ones((3, 2)))
    assert (few[1] > weights[1]).all()  # little is known: nearer to equal


def test_a_law_that_is_right_for_one_capability_alone_gets_its_weight_there() -> None:
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((300, 2))
    one, two = truth.copy(), truth.copy()
    one[:, 1], two[:, 0] = rng.standard_normal((2, 300))
    weights = stack(np.stack([one, two]), truth, np.ones_like(truth))
    assert weights[0, 0] > 0.9
    assert weights[1, 1] > 0.9


@pytest.mark.slow
def test_the_average_is_never_clearly_worse_than_the_best_law() -> None:
    short = []
    for seed in range(6):
        truth = additive_truth(seed)
        x, unseen = mixtures(40, seed, 4), mixtures(200, 100 + seed, 4)
        y = truth(x) + 0.05 * np.random.default_rng(seed).standard_normal((40, 3))
        runs = LawData(x, y, np.ones_like(y))
        held = hold_out(runs, blocks(x, 5), None)
        weights, laws = stack(held.each, y, runs.weight), fit_laws(runs)
        each = np.stack([laws.each[name](unseen) for name in held.names])
        ranks = [_spearman(p, truth(unseen)) for p in each]
        short.append(max(ranks) - _spearman(combine(each, weights), truth(unseen)))
    mean, error = np.mean(short), np.std(short, ddof=1) / 6**0.5
    assert mean - 2 * error < 0.005
    assert mean < 0.02


def _spearman(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return float(np.mean([spearmanr(a[:, j], b[:, j]).statistic for j in range(a.shape[1])]))


def test_held_out_rows_do_not_see_their_own_fold() -> None:
    x = mixtures(30, 0, 4)
    y = additive_truth(1)(x)
    fold = blocks(x, 3)
    moved = y.copy()
    moved[fold == 0] += 5.0
    made = [
        hold_out(LawData(x, values, np.ones_like(y)), fold, None).each[:, fold == 0]
        for values in (y, moved)
    ]
    assert made[0] == pytest.approx(made[1])


@pytest.mark.parametrize(("n", "word"), [(FEW, "quantile"), (LEAST, "together"), (6, "Student")])
def test_intervals_cover_what_is_measured(n: int, word: str) -> None:
    rng, hits = np.random.default_rng(0), []
    for _ in range(300):
        errors = np.abs(rng.standard_t(8, (n, 3)))
        made = widening_of(errors, np.ones_like(errors), np.arange(n))
        hits.append(float((np.abs(rng.standard_t(8, (50, 3))) <= made.factor).mean()))
    assert word in made.how
    assert (
        0.94 < np.mean(hits) < (0.97 if n >= LEAST else 0.99)
    )  # Student's t errs to the safe side


def test_the_quantile_is_the_smallest_that_a_next_error_stays_below() -> None:
    errors = np.arange(1.0, 1001.0)
    assert quantile(errors, np.ones(1000), 1000) == pytest.approx(951, abs=1.5)
    assert quantile(errors, np.r_[np.ones(500), np.zeros(500)], 500) == pytest.approx(476, abs=1.5)


@pytest.mark.slow
def test_intervals_of_scores_and_utility_hold_on_unseen_runs() -> None:
    score, utility = [], []
    weights = np.array([0.5, 0.3, 0.2])
    for seed in range(4):
        whole, rng = additive_truth(seed), np.random.default_rng(seed)
        x, unseen = mixtures(60, seed, 4), mixtures(150, 100 + seed, 4)
        # well inside of [0, 1]: what is beyond is no score, and no interval goes there
        y, seen = (
            0.5 + 0.3 * (whole(a) - 0.5) + 0.02 * rng.standard_normal((len(a), 3))
            for a in (x, unseen)
        )
        made = small_average(x, y)
        told = made.forecast(unseen)
        score.append(float(((told.low <= seen) & (seen <= told.high)).mean()))
        centre, low, high = made.utility(unseen, lambda p: p @ weights, weights)
        assert centre == pytest.approx(told.mean @ weights)
        utility.append(float(((low <= seen @ weights) & (seen @ weights <= high)).mean()))
    assert 0.92 <= np.mean(score) <= 0.98
    assert 0.92 <= np.mean(utility) <= 0.985


def small_average(x: Array, y: Array) -> Average:
    """Without the shared curves, which take long."""
    runs, fold = LawData(x, y, np.ones_like(y)), blocks(x, 5)
    held = hold_out(runs, fold, None)
    weights = stack(held.each, y, runs.weight)
    outside = combine_held_out(held, runs, fold)
    world = known_world(losses=False)  # its profiles are not asked for: it has no weight
    groups = np.arange(len(x))
    laws = fit_laws(runs)
    return Average(world, runs, held.names, weights, 1.0, fold, groups, outside, held.sd, laws)


def test_the_scale_of_laws_and_back() -> None:
    losses, scores = np.array([[-2.0, -0.5]]), np.array([[0.2, 0.9]])
    assert from_law_scale(to_law_scale(losses, True), True) == pytest.approx(losses)
    assert from_law_scale(to_law_scale(scores, False), False) == pytest.approx(scores)
    assert from_law_scale(np.array([[1.3, -0.2]]), False).tolist() == [[1.0, 0.0]]


def test_the_average_has_all_laws_and_forecasts(fit: Fit) -> None:
    assert fit.average.names == ("log-ridge", "sparse", "gaussian-process", "shared-curves")
    tokens = mixtures(40, 9) * 8e5
    truth = known_world(losses=False).profile_after([tokens])
    told = fit.average.forecast(tokens)
    assert np.abs(told.mean - truth).mean() < 0.03
    assert ((told.low <= truth) & (truth <= told.high)).mean() > 0.85
    assert fit.trust is None
    assert np.isnan(fit.chosen_weight)


@pytest.mark.slow
def test_an_average_is_saved_beside_its_world_and_no_other(fit: Fit, tmp_path: Path) -> None:
    folder = tmp_path
    world = fit.law.world.replace(provenance={"average": "beside"})
    save_world(world, folder / "w.toml")
    path, tokens = beside(folder / "w.toml"), mixtures(5) * 1e6
    save_average(fit.average, path)
    again = load_average(world, path)
    assert np.array_equal(again.predict(tokens), fit.average.predict(tokens))
    for one, two in zip(again.forecast(tokens), fit.average.forecast(tokens), strict=True):
        assert np.array_equal(one, two)
    other = world.replace(help=2.0 * world.help)
    with pytest.raises(ConfigError, match="belongs to another world"):
        load_average(other, path)
    assert average_of(world, str(folder / "gone.toml"))[0] is None
    assert "is not there" in average_of(world, str(folder / "gone.toml"))[1]
    guided = small_fit(guide=_guide(fit, again.unit))
    save_average(guided.average, path, _guide(fit, again.unit))
    world = guided.law.world
    assert np.array_equal(load_average(world, path).predict(tokens), guided.average.predict(tokens))


def _guide(fit: Fit, unit: float) -> Guide:
    return Guide(fit.law.world, fit.average, ("alpha", "beta", "gamma"), ("other", "alpha"), unit)


def test_a_guide_goes_by_names(fit: Fit) -> None:
    guide = _guide(fit, fit.average.unit)
    tokens = mixtures(4) * 1e6
    assert guide(tokens) == pytest.approx(fit.average.predict(tokens)[:, ::-1])
    some = Guide(fit.law.world, None, ("new", "alpha"), ("new", "other"), fit.average.unit)
    assert some.missing == ("new",)
    made = some(np.array([[5e5, 5e5]]))
    assert np.isnan(made[0, 0])
    alone = fit.law.world.profile_after([np.array([[1e6, 0.0, 0.0]])])
    assert made[0, 1] == pytest.approx(alone[0, 1])
    with pytest.raises(ConfigError, match="no name is the same"):
        Guide(fit.law.world, None, ("x",), ("other",), 1.0)


def test_noise_of_items_is_binomial_and_weighs_cells() -> None:
    scores, items = np.full((4, 1), 0.2), np.array([[10.0], [40.0], [0.0], [40.0]])
    assert binomial_variance(scores, items)[:, 0] == pytest.approx([0.016, 0.004, 0.0, 0.004])
    x = mixtures(60, 0, 4)
    rng, items = np.random.default_rng(0), np.where(np.arange(60) % 2, 20.0, 2000.0)[:, None]
    p = np.clip(additive_truth(1)(x), 0.05, 0.95)
    scores = rng.binomial(items.astype(int), p) / items
    weight = cell_weights(x, scores, np.broadcast_to(items, p.shape))
    assert (weight[1::2] < 0.5 * weight[::2]).all()
    unseen = mixtures(200, 5, 4)
    truth = additive_truth(1)(unseen)
    errors = [
        float(((fit_laws(LawData(x, scores, w)).sure(unseen) - truth) ** 2).mean())
        for w in (weight, np.ones_like(weight))
    ]
    assert errors[0] < errors[1]


@pytest.mark.slow
def test_chosen_rows_that_were_lucky_bias_a_fit_unless_they_are_marked() -> None:
    short = []
    for seed in range(6):
        x, y, chosen = chosen_rows(seed)
        unseen, truth = mixtures(300, 50 + seed, 4), additive_truth(seed)
        factor = trust_in_chosen(x, y, np.ones_like(y), chosen)
        assert factor < 0.5
        ranks = []
        for f in (factor, 1.0):
            runs = LawData(x, y, np.ones_like(y) * np.where(chosen, f, 1.0)[:, None])
            ranks.append(_spearman(fit_laws(runs).sure(unseen), truth(unseen)))
        short.append(ranks[0] - ranks[1])
    assert min(short) > 0.0


def chosen_rows(seed: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """40 random runs and 40 near the one that came out best, of which only lucky ones were kept."""
    rng, truth = np.random.default_rng(seed), additive_truth(seed)
    x = rng.dirichlet(np.full(4, 0.7), 40)
    y = truth(x) + 0.02 * rng.standard_normal((40, 3))
    near = rng.dirichlet(40.0 * x[np.argmax(y.mean(axis=1))] + 0.3, 40)
    lucky = truth(near) + 0.03 + 0.04 * np.abs(rng.standard_normal((40, 3)))
    return np.vstack([x, near]), np.vstack([y, lucky]), np.arange(80) >= 40


def test_chosen_rows_that_are_like_the_others_count_like_them() -> None:
    x = mixtures(60, 0, 4)
    y = additive_truth(1)(x) + 0.01 * np.random.default_rng(0).standard_normal((60, 3))
    assert trust_in_chosen(x, y, np.ones_like(y), np.arange(60) >= 20) >= 0.5
    assert trust_in_chosen(x, y, np.ones_like(y), np.arange(60) >= 5) == 1.0  # too few to ask


@pytest.mark.parametrize(
    ("change", "message"), [({"folds": 1}, "folds = 1"), ({"trust": 2.0}, "trust")]
)
def test_settings_that_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_fit(**change)

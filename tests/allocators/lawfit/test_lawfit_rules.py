"""AutoScale, ADO and RegMix: published numbers, rules worked by hand, the libraries themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.allocators.lawfit.ado import ADO, fit_power_laws, with_least
from readsim.allocators.lawfit.autoscale import AutoScale, best_sizes, extrapolated, power_law
from readsim.allocators.lawfit.exp_law import huber
from readsim.allocators.lawfit.log_linear import LogLinear, MixingLaws
from readsim.allocators.lawfit.regmix import RegMix, leaf_size
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim.runs.setups import setup_for
from tests.support.made_setups import drive, setup

# Published in the notebooks of AutoScale's code. Tokens are in billions, for the domains common crawl,
# github, books, wiki, c4, stack exchange, arxiv.
AT_03 = np.array([1.55818971, 0.2, 1.1645966, 1.42333261, 1.49550525, 0.68184781, 0.47652801])
AT_12 = np.array([1.63121445, 0.2, 1.30180479, 1.21425702, 1.83266187, 0.62006189, 0.2])
AT_5 = [1.17096789, 0.13714286, 0.99783655, 0.71032654, 1.53999724, 0.38665696, 0.0575592]
AT_412 = [85.97994105, 8.77714286, 89.19703657, 28.22608777, 181.3773799, 18.61009415, 0.27234501]

# Perplexity over all domains: with equal tokens, with one domain at a fifth, with one domain at three
# times (the same notebooks), and the optimum found there.
EQUAL = 28.11373645
DOWN = [30.11152249, 28.37687875, 29.85955983, 29.90195668, 30.37704005, 29.23766591, 28.92552215]
UP = [25.78619752, 27.68033216, 26.25833879, 26.47376351, 25.49797272, 27.01485416, 27.24200395]
OPTIMUM = [1.62475352, 0.2, 1.27415166, 1.17979573, 1.8518998, 0.63716376, 0.23223551]


def test_extrapolation_by_hand() -> None:
    first, second = np.array([1.0, 4.0]), np.array([4.0, 8.0])
    assert extrapolated(first, second, 12.0) == pytest.approx([4.0, 8.0])
    assert extrapolated(first, second, 32.0) == pytest.approx([16.0, 16.0])  # 4 4 / 1, 8 8 / 4
    assert extrapolated(first, second, 96.0) == pytest.approx([64.0, 32.0])


def test_published_extrapolation() -> None:
    first, second = AT_03 / 7 * 0.3, AT_12 / 7 * 1.2
    assert extrapolated(first, second, 5.000487243200733) == pytest.approx(AT_5, rel=1e-6)
    assert extrapolated(first, second, 412.44002730550164) == pytest.approx(AT_412, rel=1e-6)


def test_published_optimum() -> None:
    sizes = np.array([0.2, 1.0, 3.0])
    fits = [
        power_law(sizes, np.array([down, EQUAL, up]) / EQUAL)
        for down, up in zip(DOWN, UP, strict=True)
    ]
    a, b, _ = np.array(fits).T
    assert best_sizes(a, b, 7.0, 0.2) == pytest.approx(OPTIMUM, abs=1e-5)


def test_a_power_law_goes_through_three_points_of_one() -> None:
    sizes = np.array([0.2, 1.0, 3.0])
    for true in ((1.3, 0.8, 0.4), (0.8, 0.12, 0.07), (2.1, 0.03, 0.04)):
        y = (sizes + true[0]) ** -true[1] + true[2]
        a, b, c = power_law(sizes, y)  # two laws meet three points: not always the true one
        assert (sizes + a) ** -b + c == pytest.approx(y, abs=1e-6)
    assert power_law(sizes, np.array([1.0, 0.9, 1.1])) == pytest.approx([1.0, 0.0, 0.0])


@given(seed=st.integers(0, 2**32 - 1))
def test_best_sizes_have_one_slope_and_none_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s = int(rng.integers(2, 8))
    a, b = rng.uniform(0, 3, s), rng.uniform(0.05, 2, s) * (rng.random(s) > 0.2)
    n = best_sizes(a, b, float(s), 0.2)
    assert n.sum() == pytest.approx(s)
    assert n.min() >= 0.2 - 1e-12
    slope = b * (n + a) ** -(b + 1.0)
    above = n > 0.2 + 1e-9
    if b.any():
        assert slope[above] == pytest.approx(slope[above].max(), rel=1e-6)
        assert (slope[~above] <= slope[above].max() * (1 + 1e-6)).all()
    else:
        assert n == pytest.approx(1.0)


def test_a_run_of_autoscale_is_ddo_at_two_scales() -> None:
    """Losses that each source lowers by a power law of its own tokens: the trials ask for those."""
    asked: list[tuple[Array, int]] = []
    strength, power = np.array([0.4, 0.1]), np.array([0.5, 0.5])

    def loss(tokens: Array) -> Array:
        out: Array = 0.2 + strength * (tokens / 1000.0 + 1.0) ** -power
        return out

    start = loss(np.zeros(2))

    def trial(allocation: Array, tokens: int, charge: bool) -> Array:
        asked.append((allocation * tokens, tokens))
        assert not charge
        return start - loss(allocation * tokens)

    chosen = setup((0.5, 0.5), budget=50_000, trial=trial)
    rule = AutoScale(scale=0.04, ratio=4.0)
    played, _ = drive(rule, chosen, [(1.0 - start).tolist()] * 3)
    expected = [
        [[1, 1], [0.2, 1], [1, 0.2], [3, 1], [1, 3]],  # of 1000 tokens each, then of 4000
        [[4, 4], [0.8, 4], [4, 0.8], [12, 4], [4, 12]],
    ]
    sizes = np.array([tokens for tokens, _ in asked]).reshape(2, 5, 2)
    assert sizes == pytest.approx(np.array(expected) * 1000.0, rel=1e-3)
    best = []
    for scale, tokens in zip((1.0, 4.0), sizes, strict=True):
        y = loss(tokens).mean(axis=1) / loss(tokens[0]).mean()
        fits = [power_law(np.array([0.2, 1.0, 3.0]), y[[1 + i, 0, 3 + i]]) for i in (0, 1)]
        a, b, _ = np.array(fits).T
        best.append(scale * best_sizes(a, b, 2.0, 0.2))
    tokens = extrapolated(best[0], best[1], 50.0)
    assert played == pytest.approx(np.tile(tokens / tokens.sum(), (3, 1)), abs=2e-3)
    assert best[0][0] > best[1][0] / 4 > 1.0  # a lowers the loss more, but less so with more tokens


def test_autoscale_refuses_scales_beyond_the_budget() -> None:
    with pytest.raises(ConfigError, match="larger scale is above the budget"):
        AutoScale(scale=0.5, ratio=4.0)


# ADO


def test_power_laws_without_noise_are_recovered() -> None:
    tokens = np.tile(np.arange(1.0, 16.0), (3, 1))
    floor, level, alpha = (
        np.array([0.3, 0.0, 1.8]),
        np.array([0.4, 0.6, 1.0]),
        np.array([0.5, 0.3, 0.7]),
    )
    loss = floor[:, None] + level[:, None] * tokens ** -alpha[:, None]
    for found, true in zip(fit_power_laws(tokens, loss, 1e-3), (floor, level, alpha), strict=True):
        assert found == pytest.approx(true, abs=0.02)


@pytest.mark.slow
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_authors_grid_of_starts_finds_no_better_power_law(seed: int) -> None:
    """Their objective without its penalties, by L-BFGS-B from a part of their grid of starts."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    d = np.arange(1.0, 11.0)
    true = rng.uniform(0.1, 0.5) + rng.uniform(0.1, 0.6) * d ** -rng.uniform(0.1, 0.8)
    loss = true * np.exp(rng.normal(0.0, 0.01, 10))

    def objective(p: Any) -> float:
        a, e, alpha = p
        law = np.exp(e) + np.exp(a) * d**-alpha
        return 1e6 * float(huber(np.log(law) - np.log(loss), 1e-3).sum())

    floor, level, alpha = (float(v[0]) for v in fit_power_laws(d[None], loss[None], 1e-3))
    ours = objective([np.log(level), np.log(max(floor, 1e-9)), alpha])
    box = [(-20.0, 5.0), (-20.0, 5.0), (0.0, 0.8)]
    for start in ([-2, -2, 0.1], [-1, -1, 0.4], [0, -2, 0.7], [-1, -0.5, 0.2]):
        assert ours <= minimize(objective, start, method="L-BFGS-B", bounds=box).fun * 1.02 + 0.1


def test_ados_rule_by_hand() -> None:
    """Losses on known laws, so that the slopes are known: prior h^.5 alpha A D^-alpha / D."""
    chosen = setup((0.5, 0.3, 0.2))
    d = np.arange(1.0, 6.0)[:, None]
    floor, level, alpha = (
        np.array([0.1, 0.2, 0.3]),
        np.array([0.6, 0.4, 0.2]),
        np.array([0.6, 0.4, 0.2]),
    )
    loss = floor + level * d**-alpha
    played, state = drive(ADO(), chosen, np.vstack([np.ones((1, 3)) * 0.5, 1.0 - loss]).tolist())
    assert np.allclose(played[:4], chosen.prior)  # three probes are not enough
    # The first fit, after decision 3: h is still the prior, since nothing else was played.
    score = chosen.prior**1.5 * alpha * level * 4.0**-alpha / 4.0
    instant = score / score.sum()
    assert played[4] == pytest.approx(0.9 * chosen.prior + 0.1 * instant, abs=2e-3)
    # The second: the mean has taken a fifth of the first, h a tenth of what was played then.
    mean = chosen.prior + (instant - chosen.prior) / 5.0
    h = 0.9 * chosen.prior + 0.1 * played[4]
    score = chosen.prior * h**0.5 * alpha * level * 5.0**-alpha / 5.0
    assert played[5] == pytest.approx(0.9 * mean + 0.1 * score / score.sum(), abs=2e-3)
    assert state["tokens"][-1] == pytest.approx([5000.0] * 3)


def test_ado_can_count_the_tokens_of_each_source() -> None:
    chosen = setup((0.5, 0.3, 0.2))
    _, state = drive(ADO(same_counts=False), chosen, [[0.5, 0.5, 0.5]] * 4)
    assert state["tokens"][-1] == pytest.approx(3000.0 * chosen.prior)


def test_ados_floor_is_normalised_once_more() -> None:
    assert with_least(np.array([0.98, 0.02, 0.0]), 0.01) == pytest.approx(
        np.array([98, 2, 1]) / 101
    )


def test_ado_stays_finite_without_any_loss() -> None:
    played, _ = drive(ADO(), setup((1.0, 0.0, 0.0)), [[1.0, 1.0, 1.0]] * 8)
    assert np.isfinite(played).all()
    assert (played >= 0.0).all()


# RegMix


def by_first_share(allocation: Array, tokens: int, charge: bool) -> Array:
    """A trial in which only source a helps, and only capability a."""
    return np.array([0.1 * allocation[0], 0.0, 0.0])


@pytest.mark.extra("lightgbm")
def test_regmix_finds_the_source_that_helps() -> None:
    rule = RegMix(trials=200)
    played, _ = drive(rule, setup(trial=by_first_share), [[0.5, 0.5, 0.5]] * 3)
    assert np.allclose(played, played[0])
    assert played[0].sum() == pytest.approx(1.0)
    assert played[0, 0] > 0.7


def test_regmix_names_the_extra_before_anything_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readsim.allocators.lawfit.regmix.find_spec", lambda name: None)
    env = DistillEnv("gateway", budget=10**6, steps=2)
    env.reset(seed=0)
    with pytest.raises(CapabilityMissingError, match=r"pip install 'readsim\[lightgbm\]'"):
        setup_for(env, load_allocator("regmix+guard=0.1"), 0)


@pytest.mark.extra("lightgbm")
def test_regmix_is_lightgbm_with_the_published_settings() -> None:
    """The same fit and simulation by hand: the mean of the best 26 of 20,000, of 256 trials."""
    import lightgbm

    rows: list[Array] = []
    losses: list[float] = []

    def trial(allocation: Array, tokens: int, charge: bool) -> Array:
        change: Array = np.sqrt(allocation) * np.array([0.3, 0.2, 0.1])
        rows.append(allocation)
        losses.append(-float(change.mean()))
        return change

    rule = RegMix(trials=256, candidates=20_000, top=26)
    played, _ = drive(rule, setup(trial=trial), [[0.5, 0.5, 0.5]] * 2)
    x, y = np.array(rows), np.array(losses)
    published = {"objective": "regression", "learning_rate": 0.01, "seed": 42, "verbosity": -1}
    model = lightgbm.train(
        {**published, "num_threads": 1},
        lightgbm.Dataset(x[:171], y[:171]),
        1000,
        valid_sets=[lightgbm.Dataset(x[171:], y[171:])],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    drawn = np.random.default_rng(1).dirichlet(np.full(3, 1 / 3), 20_000)
    best = drawn[np.argsort(np.asarray(model.predict(drawn, num_threads=1)))[:26]].mean(axis=0)
    assert played[0] == pytest.approx(best, abs=0.03)


def test_leaves_shrink_with_few_rows() -> None:
    assert [leaf_size(rows) for rows in (3, 24, 96, 200, 512)] == [1, 2, 9, 20, 20]


@pytest.mark.parametrize(
    ("rule", "values", "fragment"),
    [
        (RegMix, {"trials": 3}, "trials = 3"),
        (RegMix, {"top": 0}, "top = 0"),
        (LogLinear, {"kl": -0.1}, "kl = -0.1"),
        (LogLinear, {"repetition": 0.0}, "repetition = 0.0"),
        (LogLinear, {"trial_share": 0.0}, "trial_share = 0.0"),
        (MixingLaws, {"delta": 0.0}, "delta = 0.0"),
        (MixingLaws, {"charge": 1}, "charge = 1"),
        (AutoScale, {"ratio": 1.0}, "ratio = 1.0"),
        (AutoScale, {"down": 1.0}, "down = 1.0"),
        (ADO, {"gamma": 0.0}, "gamma = 0.0"),
        (ADO, {"first_fit": 2}, "first_fit = 2"),
    ],
)
def test_bad_settings_are_named(rule: Any, values: dict[str, Any], fragment: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=fragment):
        rule(**values)


def test_charged_trials_may_not_use_the_whole_budget() -> None:
    with pytest.raises(ConfigError, match="32 charged trials would use the whole budget"):
        LogLinear(charge=True).init(setup(trial=by_first_share))

"""Law-fitting peers: laws recovered, optima against independent solvers, worlds they win and lose."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.lawfit.ado import ADO, fit_scaling, preference
from readsim.allocators.lawfit.autoscale import AutoScale, extrapolated, fit_power, power_optimum
from readsim.allocators.lawfit.exponential import Law, best_mixture, fit_law, huber
from readsim.allocators.lawfit.log_linear import LogLinear
from readsim.allocators.lawfit.regmix import RegMix
from readsim.allocators.lawfit.trials import caps_of, draw_mixtures
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.env import DistillEnv
from readsim.errors import ConfigError
from readsim.rollout import rollout
from readsim.worlds import World, load_world, optimum
from tests.helpers import allocations
from tests.made_setups import drive, ends, setup

FITTED = ("log-linear", "mixing-laws", "regmix", "autoscale")
SKLEARN = {"regmix": {"regressor": "sklearn"}}


def law(seed: int, v: int, s: int) -> Law:
    rng = np.random.default_rng(seed)
    return Law(rng.normal(size=v), rng.normal(-1, 0.5, v), rng.normal(-1, 2, (v, s)))


def quiet(name: str) -> World:
    world = load_world(name)
    return world.replace(
        items=np.zeros(len(world.capabilities)), efficiency_sd=np.zeros(len(world.sources))
    )


def run(name: str, world: World, budget: int, **settings: Any) -> tuple[float, Array]:
    env = DistillEnv(world, world.task_names[0], budget)
    rows, _ = rollout([env], load_allocator(name, SKLEARN.get(name, {}) | settings), [0])
    return float(rows[-1]["utility"]), allocations(rows)[-1]


def test_mixtures_are_regmixs() -> None:
    drawn = draw_mixtures(np.random.default_rng(0), np.array([0.5, 0.5, 0.0]), 3000)
    assert np.allclose(drawn.sum(axis=1), 1.0)
    assert (drawn > 0).all()
    assert drawn.mean(axis=0)[2] < drawn.mean(axis=0)[0]
    strong, weak = drawn[14::15], drawn[0::15]  # the strengths take turns
    assert weak.max(axis=1).mean() > strong.max(axis=1).mean() + 0.1


@given(st.floats(-5, 5), st.floats(0.01, 2))
def test_huber(error: float, delta: float) -> None:
    value, slope = huber(np.array([error]), delta)
    by_hand = error**2 / 2 if abs(error) <= delta else delta * (abs(error) - delta / 2)
    assert value[0] == pytest.approx(by_hand)
    assert slope[0] == pytest.approx(max(-delta, min(delta, error)))


def test_a_law_is_recovered_from_exact_rows() -> None:
    true, rng = law(1, 2, 3), np.random.default_rng(2)
    mixtures = rng.dirichlet(np.ones(3), 60)
    found = fit_law(mixtures, true.losses(mixtures), 0.02)
    fresh = rng.dirichlet(np.ones(3), 200)
    assert found.losses(fresh) == pytest.approx(true.losses(fresh), abs=5e-3)


def test_one_outlier_does_not_move_a_huber_fit_far() -> None:
    true, rng = law(3, 1, 3), np.random.default_rng(4)
    mixtures = rng.dirichlet(np.ones(3), 80)
    rows = true.losses(mixtures)
    spoilt = rows.copy()
    spoilt[7] += 20.0 * rows.std()
    fresh = rng.dirichlet(np.ones(3), 100)
    wanted = true.losses(fresh)
    robust = np.abs(fit_law(mixtures, spoilt, 0.02).losses(fresh) - wanted).mean()
    square = np.abs(fit_law(mixtures, spoilt, 1e6).losses(fresh) - wanted).mean()
    assert robust < 0.3 * square


def test_losses_that_do_not_vary_have_no_slope() -> None:
    found = fit_law(np.eye(3), np.full((3, 2), 0.25), 0.02)
    assert not found.t.any()
    assert found.losses(np.eye(3)) == pytest.approx(np.full((3, 2), 0.25))


@pytest.mark.extra("cvxpy")
@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_a_cone_solvers(seed: int) -> None:
    cvxpy: Any = import_module("cvxpy")
    true, rng = law(seed, 3, 5), np.random.default_rng(seed)
    weights, prior = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(5)) * 0.9 + 0.02
    kl = [0.0, 0.05, 1.0][seed % 3]
    caps = np.array([0.15, 0.3, 1.0, 0.4, 0.25]) if seed % 2 else np.ones(5)
    w = cvxpy.Variable(5, nonneg=True)
    cost = weights @ cvxpy.exp(true.k + true.t @ w)
    cost += kl * cvxpy.sum(cvxpy.rel_entr(w, prior))
    problem = cvxpy.Problem(cvxpy.Minimize(cost), [cvxpy.sum(w) == 1, w <= caps])
    problem.solve(solver=cvxpy.CLARABEL)
    ours = best_mixture(true, weights, prior, kl, caps)
    assert (ours <= caps + 1e-9).all()
    assert ours.sum() == pytest.approx(1.0)
    reached = float(weights @ np.exp(true.k + true.t @ ours))
    reached += kl * float(np.sum(ours * np.log(np.maximum(ours, 1e-12) / prior)))
    assert reached == pytest.approx(float(problem.value), abs=1e-5)


def test_a_strong_anchor_is_the_prior() -> None:
    prior = np.array([0.2, 0.3, 0.5])
    w = best_mixture(law(0, 2, 3), np.array([0.5, 0.5]), prior, 1e6, np.ones(3))
    assert w == pytest.approx(prior, abs=1e-4)


def test_caps_come_from_pools() -> None:
    chosen = setup(pools=np.array([1000.0, np.inf, 8000.0]), budget=20_000)
    assert caps_of(chosen, 4.0) == pytest.approx([0.2, 1.0, 1.0])
    with pytest.raises(ConfigError, match=r"last for 0\.15 of the budget"):
        caps_of(setup(pools=np.full(3, 1000.0), budget=20_000), 1.0)
    world = load_world("finite-pools")
    _, played = run("log-linear", world, 150_000_000)
    assert (played * 150e6 <= 4 * world.pool_tokens * (1 + 1e-6)).all()


def test_power_curves_and_their_optimum() -> None:
    n = np.array([1 / 3, 1.0, 3.0])
    a, b = fit_power(n, (n + 0.7) ** -0.4 + 2.0)
    assert (n + a) ** -b - (1 + a) ** -b == pytest.approx((n + 0.7) ** -0.4 - 1.7**-0.4, abs=1e-6)
    assert fit_power(n, n)[1] == 0.0  # a loss that rises
    curves = np.array([[0.5, 0.3], [0.1, 0.6], [2.0, 0.2], [1.0, 0.0]])
    best = power_optimum(curves, 4.0)
    assert best.sum() == pytest.approx(4.0)
    assert best[3] == 0.0
    draws = np.random.default_rng(0).dirichlet(np.ones(3), 20_000) * 4.0
    cost = ((draws + curves[:3, 0]) ** -curves[:3, 1]).sum(axis=1)
    assert float(((best[:3] + curves[:3, 0]) ** -curves[:3, 1]).sum()) <= cost.min() + 1e-9


def test_extrapolation_by_hand() -> None:
    # N1 = (1, 1), N2 = (2, 1): ratio (2, 1); 4 + 1, 8 + 1, then 16 + 1 >= 10
    assert extrapolated(np.array([1.0, 1.0]), np.array([2.0, 1.0]), 9.5) == pytest.approx(
        [16 / 17, 1 / 17]
    )
    even = extrapolated(np.array([0.1, 0.2]), np.array([0.2, 0.4]), 1.0)
    assert even == pytest.approx([1 / 3, 2 / 3])  # the same shares at both scales stay


def test_scaling_laws_of_ado() -> None:
    d = np.arange(1.0, 21.0)
    alpha, error, now = fit_scaling(d, 0.4 + 0.3 * d**-0.5, 0.05, 0.46, 0.8)
    assert (alpha, error) == pytest.approx((0.5, 0.4), abs=1e-3)
    assert now == pytest.approx(0.4 + 0.3 * 20**-0.5, abs=1e-3)


def test_ados_preference_by_hand() -> None:
    prior, slope, h = np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.2, 0.0]), np.full(3, 0.25)
    raw = [0.5 * 0.1 * 0.5, 0.25 * 0.2 * 0.5, 0.0]
    shares = [raw[0] / sum(raw), raw[1] / sum(raw), 0.01]
    expected = np.array(shares) / sum(shares)
    assert preference(prior, slope, h, 0.5, 0.01) == pytest.approx(expected)
    assert preference(prior, np.zeros(3), h, 0.5, 0.01) == pytest.approx(prior)


def test_ado_follows_what_still_learns() -> None:
    """a falls as a power law, b has stopped: after the warm-up a gets more."""
    profiles = [(1 - 0.9 * t**-0.5, 0.5) for t in range(1, 13)]
    played, _ = drive(ADO(), setup((0.5, 0.5)), profiles)
    assert np.allclose(played[:4], 0.5)
    assert (np.diff(played[4:, 0]) > -1e-9).all()
    assert played[-1, 0] > 0.7


@pytest.mark.parametrize("name", FITTED)
def test_with_exact_trials_they_approach_the_static_oracle(name: str) -> None:
    """R52, L1: order-free, no noise, trials as long as the run."""
    world, budget = quiet("related-web"), 20_000_000
    settings = {"second": 0.9, "first": 0.3} if name == "autoscale" else {"trial_share": 0.999}
    if name != "autoscale":
        settings["trials"] = 192
    if name == "log-linear":
        settings["kl"] = 0.0
    value, _ = run(name, world, budget, **settings)
    best = optimum(world, world.task(world.task_names[0]), budget).utility
    floor = run("uniform", world, budget)[0]
    assert value <= best + 1e-9
    share = 0.9 if name in ("log-linear", "mixing-laws") else 0.3  # trees and DDO are coarse
    assert value > floor + share * (best - floor)


def test_the_anchor_holds_where_trials_are_tiny() -> None:
    world = load_world("read8-llama")
    _, played = run("log-linear", world, 20_000_000, trial_share=0.001)
    prior = allocations(rollout([DistillEnv(world)], load_allocator("task-static"), [0])[0])[0]
    assert np.abs(played - prior).sum() < 0.6
    _, free = run("log-linear", world, 20_000_000, trial_share=0.001, kl=0.0)
    assert np.abs(free - prior).sum() > np.abs(played - prior).sum()


@pytest.mark.parametrize("name", ["mixing-laws", "regmix", "autoscale"])
def test_noise_decides_where_trials_are_tiny(name: str) -> None:
    """Trials of a thousandth of the budget, probes of 64 items: seeds disagree on the mixture."""
    world = load_world("read8-llama")
    settings = {"first": 0.0005, "second": 0.001} if name == "autoscale" else {"trial_share": 0.001}
    envs = [DistillEnv(world, "math", 20_000_000) for _ in range(4)]
    rows, _ = rollout(envs, load_allocator(name, SKLEARN.get(name, {}) | settings), range(4))
    utility = [row["utility"] for row in rows if row["kind"] == "final"]
    exact = [DistillEnv(world, "math", 20_000_000) for _ in range(4)]
    known, _ = rollout(exact, load_allocator("oracle-static"), range(4))
    bound = [row["utility"] for row in known if row["kind"] == "final"]
    assert np.mean(utility) < np.mean(bound) - 0.003


@pytest.mark.parametrize("name", ["log-linear", "mixing-laws", "autoscale"])
def test_a_law_of_short_trials_misses_a_gate(name: str) -> None:
    """In `gateway` what opens the other skills shows nothing in a tenth of the budget."""
    world = quiet("gateway")
    value, _ = run(name, world, 150_000_000)
    best = optimum(world, world.task(world.task_names[0]), 150e6).utility
    assert value < best - 0.01


def test_ado_wins_and_loses() -> None:
    """It feeds the source that still teaches; an unlearnable loss that only falls by chance misleads."""
    help_ = [[0.5, 0, 0], [0, 0.001, 0], [0, 0, 0.001]]
    world = load_world("random:seed=1,capabilities=3").replace(
        help=np.array(help_), harm=np.zeros((3, 3)), items=np.zeros(3)
    )
    best, mean = ends(world, ADO(), dict.fromkeys(world.visible, 1.0))
    assert mean.argmax() == 0
    assert best > ends(world, load_allocator("uniform"), dict.fromkeys(world.visible, 1.0))[0]


@pytest.mark.parametrize(
    "regressor", ["sklearn", pytest.param("lightgbm", marks=pytest.mark.extra("lightgbm"))]
)
def test_regmix_ranks_mixtures(regressor: str) -> None:
    rng = np.random.default_rng(0)
    mixtures = draw_mixtures(rng, np.full(3, 1 / 3), 128)
    rows = np.exp(-3 * mixtures[:, [0]]) + 0.2 * mixtures[:, [1]]
    chosen = setup((1.0,), ("a", "b", "c"))
    w, report = RegMix(regressor=regressor, trials=128).fit(chosen, mixtures, rows)
    assert w.argmax() == 0
    assert w[0] > 0.7
    assert report["regressor"] == regressor


@pytest.mark.extra("lightgbm")
def test_regmix_is_lightgbm_with_its_settings() -> None:
    import lightgbm

    rng = np.random.default_rng(1)
    mixtures = draw_mixtures(rng, np.full(3, 1 / 3), 64)
    y = np.exp(-3 * mixtures[:, 0])
    ours = RegMix(trees=50, patience=50)._lightgbm(mixtures, y, 7)
    model = lightgbm.LGBMRegressor(
        n_estimators=50,
        learning_rate=0.01,
        min_child_samples=3,
        min_data_in_bin=1,
        random_state=7,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
    model.fit(mixtures[:48], y[:48])
    assert ours(mixtures[48:]) == pytest.approx(model.booster_.predict(mixtures[48:]), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("regmix", {"trials": 1}, "trials = 1"),
        ("regmix", {"regressor": "xgboost"}, "unknown regressor 'xgboost'"),
        ("log-linear", {"kl": -1.0}, "kl = -1.0"),
        ("mixing-laws", {"trial_share": 0.0}, "trial_share = 0.0"),
        ("autoscale", {"first": 0.2}, "first < second"),
        ("ado", {"warmup": 0}, "warmup = 0"),
    ],
)
def test_bad_settings(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, KeyError), match=message):
        load_allocator(name, settings)


def test_one_source_needs_no_trial() -> None:
    for rule in (LogLinear(), AutoScale()):
        assert rule.init(setup((1.0,)))["allocation"] == pytest.approx([1.0])

"""Calibrated uncertainty and step regret: drawn beliefs, edge cases, the implemented ensemble."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.allocators.read.allocator import ReAD, upper_confidence
from readsim.allocators.read.calibration import (
    conformal_kappa,
    residual_variance,
    standard_errors,
    with_residual,
)
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.reward import proxy_reward
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.testing.backend_checks import same
from readsim.theory import Verdict, calibration, regret
from readsim.theory.witness import Decision, true_rewards, watch
from readsim.worlds import load_world
from tests.test_backend_contract import simulated


def beliefs(seed: int, n: int, kappa: float, beta: float) -> Decision:
    """Random mu, sigma and a q within beta sigma; the choice is the UCB rule's."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    mu, sigma = rng.normal(size=size), rng.exponential(size=size) * rng.integers(0, 2, size)
    q = mu + beta * sigma * rng.choice([-1.0, 1.0, *rng.uniform(-1, 1, 4)], size)
    chosen = int(np.argmax(upper_confidence(mu, sigma, kappa)))
    return Decision(n, 0, mu, sigma, q, chosen, kappa)


@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.floats(0, 4))
def test_pt9_the_general_bound_is_never_broken(seed: int, kappa: float, beta: float) -> None:
    d = beliefs(seed, 0, kappa, beta)
    best = int(np.argmax(d.q))
    lost = regret.regret(d.q, d.chosen)
    assert 0 <= lost <= regret.regret_bound(kappa, beta, d.sigma[d.chosen], d.sigma[best]) + 1e-9
    if kappa >= beta:
        assert lost <= regret.two_kappa_sigma(kappa, d.sigma[d.chosen]) + 1e-9


@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.floats(0, 4))
def test_the_general_bound_by_hand(seed: int, kappa: float, beta: float) -> None:
    s, best = np.random.default_rng(seed).exponential(size=2)
    expected = kappa * s + beta * s + (max(beta - kappa, 0)) * best
    assert regret.regret_bound(kappa, beta, s, best) == pytest.approx(expected)


@pytest.mark.parametrize("kappa", [0.5, 1.0, 3.0])
def test_the_bound_is_tight(kappa: float) -> None:
    """Two arms that look alike, one kappa sigma worse than thought, the other as much better."""
    mu, sigma, q = np.zeros(2), np.ones(2), np.array([-kappa, kappa])
    chosen = int(np.argmax(upper_confidence(mu, sigma, kappa)))
    assert chosen == 0
    assert regret.regret(q, chosen) == regret.two_kappa_sigma(kappa, sigma[chosen]) == 2 * kappa


def test_the_general_bound_is_tight_for_a_small_kappa() -> None:
    """beta > kappa: the played arm is beta worse than thought, the best one beta better."""
    kappa, beta, sigma = 0.5, 2.0, np.array([1.0, 3.0])
    mu = np.array([0.0, -kappa * 2.0])  # equal upper bounds: 0.5 and -1 + 1.5
    chosen = int(np.argmax(upper_confidence(mu, sigma, kappa)))
    q = mu + beta * sigma * np.array([-1.0, 1.0])
    assert chosen == 0
    assert regret.regret(q, 0) == pytest.approx(float(regret.regret_bound(kappa, beta, 1.0, 3.0)))


def test_negative_a_kappa_below_beta_voids_the_short_form() -> None:
    """Spec, C7: about a quarter of random instances break 2 kappa sigma at kappa <= beta / 2."""
    broken = 0
    for seed in range(400):
        d = beliefs(seed, 0, 0.5, 1.0)
        claimed = float(regret.two_kappa_sigma(d.kappa, d.sigma[d.chosen]))
        broken += regret.regret(d.q, d.chosen) > claimed + 1e-12
    assert broken > 20


def test_negative_a_rule_that_is_not_ucb_breaks_the_bound() -> None:
    q, sigma = np.array([0.0, 1.0]), np.full(2, 0.1)
    assert regret.regret(q, 0) > regret.two_kappa_sigma(1.0, sigma[0])


def test_edges_one_candidate_no_width_and_the_corollary() -> None:
    one = Decision(0, 0, np.zeros(1), np.zeros(1), np.ones(1), 0, 1.0)
    assert regret.regret(one.q, 0) == 0
    short, general = regret.check([one], "one")
    assert (short.statistic, short.verdict) == (0.0, Verdict.UNDECIDED)  # one run: no interval
    assert general.verdict is Verdict.HOLDS
    wrong = Decision(0, 0, np.array([1.0, 0.0]), np.zeros(2), np.array([0.0, 1.0]), 0, 1.0)
    short, _ = regret.check([wrong], "sigma = 0")
    assert short.statistic == 1.0
    assert calibration.empirical_beta(wrong.q - wrong.mu, wrong.sigma) == np.inf
    with pytest.raises(ConfigError, match=">= 0"):
        regret.regret_bound(-1.0, 0.0, 1.0, 1.0)


# ----------------------------------------------------------------- calibration tools


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_reliability_of_normal_errors(factor: float) -> None:
    rng = np.random.default_rng(3)
    sigma = rng.exponential(size=40_000) + 0.1
    error = rng.normal(size=40_000) * sigma
    levels = np.array([0.1, 0.5, 0.9])
    seen = calibration.reliability(error, factor * sigma, levels)
    if factor == 1.0:
        np.testing.assert_allclose(seen, levels, atol=0.015)
    else:
        assert ((seen > levels) == (factor > 1)).all()
    assert calibration.coverage(error, sigma, 1.0) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1])
def test_levels_are_probabilities(bad: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        calibration.reliability(np.ones(2), np.ones(2), np.array([bad]))


def test_conformal_kappa_covers_a_new_pair() -> None:
    """Exchangeable scores: coverage of the next one is in [1 - delta, 1 - delta + 1 / (n + 1)]."""
    rng, delta, n = np.random.default_rng(5), 0.2, 24
    hits = []
    for _ in range(4000):
        sigma = rng.exponential(size=n + 1) + 0.1
        error = rng.standard_t(3, size=n + 1) * sigma
        kappa = conformal_kappa(error[:n], sigma[:n], delta)
        hits.append(abs(error[n]) <= kappa * sigma[n])
    assert 0.8 - 0.02 <= np.mean(hits) <= 0.84 + 0.02


def test_conformal_kappa_by_hand() -> None:
    error, sigma = np.array([1.0, -4.0, 3.0, 2.0]), np.array([1.0, 2.0, 1.0, 0.5])
    assert conformal_kappa(error, sigma, 0.4) == 3.0  # scores 1 2 3 4, rank ceil(5 * 0.6)
    assert conformal_kappa(error, sigma, 0.2) == 4.0
    assert conformal_kappa(error, sigma, 0.1) == np.inf
    assert conformal_kappa(np.zeros(0), np.zeros(0), 0.5) == np.inf
    for delta in (0.0, 1.0):
        with pytest.raises(ConfigError, match="delta"):
            conformal_kappa(error, sigma, delta)


def test_edges_of_standard_errors() -> None:
    got = standard_errors(np.array([0.0, 1.0, -1.0]), np.array([0.0, 0.0, 2.0]))
    assert got.tolist() == [0.0, np.inf, 0.5]
    with pytest.raises(ConfigError, match="sigma >= 0"):
        standard_errors(np.ones(1), -np.ones(1))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_the_residual_term_makes_the_mean_square_right(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    sigma, error = rng.exponential(size=50), size * rng.normal(size=50)
    lacking = residual_variance(error, sigma)
    assume(lacking > 0)
    total = np.mean(with_residual(sigma, lacking) ** 2)
    assert total == pytest.approx(float(np.mean(error**2)))
    assert residual_variance(np.zeros(50), sigma) == 0.0


# ----------------------------------------------------------------- the implemented ensemble


def envs(seeds: list[int], world: str = "read8-llama") -> list[DistillEnv]:
    return [DistillEnv(load_world(world), None, 20_000_000, steps=6) for _ in seeds]


def test_the_truth_is_the_reward_of_the_noise_free_change() -> None:
    """By world equations alone, after two steps: no stream, no probe."""
    world = load_world("read8-llama").replace(efficiency_sd=np.zeros(8))
    env = DistillEnv(world, "math", 20_000_000, steps=4)
    env.reset(seed=3)
    done: list[Array] = []
    rng = np.random.default_rng(0)
    for _ in range(2):
        _, _, _, _, info = env.step(rng.dirichlet(np.ones(8)))
        done.append(info["allocation"] * info["tokens"])
    candidates = rng.dirichlet(np.ones(8), 3)
    before = world.profile_after(done)
    episode = env.episode
    expected = [
        proxy_reward(
            world.profile_after([*done, a * 5e6]) - before,
            episode.task.requirement,
            episode.prices,
            episode.reward.cost / 4,
        )
        for a in candidates
    ]
    saved = env.snapshot()["backend"]["profile"]
    np.testing.assert_allclose(
        true_rewards(env, candidates, 5e6, "noise-free"), expected, atol=1e-12
    )
    assert np.array_equal(saved, env.snapshot()["backend"]["profile"])


def test_pt10_watching_changes_nothing_and_the_proposition_holds() -> None:
    from readsim.runs.loop import rollout

    seeds = [0, 1]
    read = ReAD(pool=200)
    decisions, rows = watch(envs(seeds), read, seeds)
    assert same(rows, rollout(envs(seeds), read, seeds)[0])
    assert len(decisions) == 12
    c1 = calibration.check(decisions, "read")
    assert 0 < c1.detail["pairs"] < 1
    assert c1.statistic == np.mean(
        [all(covered(d) for d in decisions if d.seed == s) for s in seeds]
    )
    error, sigma = calibration.pairs(decisions)
    assert (np.abs(error) <= c1.detail["beta"] * sigma + 1e-15).all()
    short, general = regret.check(decisions, "read")
    assert 0 <= short.statistic <= 1
    assert general.verdict is Verdict.HOLDS
    for d in decisions:
        assert d.chosen == int(np.argmax(upper_confidence(d.mu, d.sigma, d.kappa)))


def covered(d: Decision) -> bool:
    return bool((np.abs(d.q - d.mu) <= d.kappa * d.sigma).all())


@pytest.mark.slow
@pytest.mark.parametrize("repair", ["residual", "conformal"])
def test_repairs_widen_what_is_covered(repair: str) -> None:
    seeds = [0, 1]
    plain, _ = watch(envs(seeds), ReAD(pool=400), seeds)
    mended, _ = watch(envs(seeds), ReAD(pool=400, repair=repair), seeds)
    before, after = (calibration.check(d, "x").detail["pairs"] for d in (plain, mended))
    assert after > before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"repair": "magic"}, "repair"),
        ({"repair": "residual", "pool": 0}, "pool"),
        ({"delta": 1.0}, "delta"),
    ],
)
def test_repairs_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigError, KeyError), match=said):
        ReAD(**settings)


def test_a_backend_without_a_noise_free_reward_is_said_by_name() -> None:
    class Opaque:
        def __init__(self) -> None:
            self._inner = simulated()

        def __getattr__(self, name: str) -> object:
            if name == "outlook":
                raise AttributeError(name)
            return getattr(self._inner, name)

    backend = Opaque()
    task = {backend._inner.capabilities[0]: 1.0}
    env = DistillEnv(backend=backend, task=task, budget=300, steps=3)  # type: ignore[arg-type]
    with pytest.raises(
        CapabilityMissingError, match=r"uncertainty\) needs a noise-free reward.*Opaque"
    ):
        watch([env], ReAD(pool=0), [0])

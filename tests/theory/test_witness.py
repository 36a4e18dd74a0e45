"""The truth beside beliefs: q of the proxy reward by brute force, the kappa that was used, any rule."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Context, State
from readsim.allocators.read.allocator import ReAD
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.reward import proxy_reward
from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim.theory import Verdict, calibration, regret
from readsim.theory.witness import (
    Decision,
    expected_drop,
    explaining_kappa,
    kappa_text,
    stated_kappa,
    true_rewards,
    watch,
)
from readsim.worlds import load_world


def env(world: str = "conflict", steps: int = 5) -> DistillEnv:
    return DistillEnv(load_world(world), None, 20_000_000, steps=steps)


def test_expected_drop_by_quadrature() -> None:
    x = np.linspace(-12, 12, 200_001)
    weight = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    for mean, sd in ((0.0, 1.0), (0.5, 0.7), (-2.0, 0.3), (3.0, 0.01)):
        brute = float((np.minimum(mean + sd * x, 0.0) * weight).sum())
        got = float(expected_drop(np.array(mean), np.array(sd)))
        assert got == pytest.approx(brute, abs=1e-7)
    np.testing.assert_array_equal(
        expected_drop(np.array([-1.0, 2.0]), np.zeros(2)), np.array([-1.0, 0.0])
    )


def test_q_is_the_mean_of_the_rewards_that_noisy_probes_give() -> None:
    """By drawing both probes around the interval, on the same items, 40,000 times."""
    world = load_world("conflict").replace(efficiency_sd=np.zeros(8))
    made = DistillEnv(world, None, 20_000_000, steps=5)
    made.reset(seed=1)
    made.step(np.eye(8)[0])
    candidates = np.array([np.eye(8)[2], np.full(8, 1 / 8)])
    q = true_rewards(made, candidates, 4e6)
    rng, probe, episode = np.random.default_rng(0), world.probe("probe"), made.episode
    before = world.profile_after([4e6 * np.eye(8)[0]])
    cost = episode.reward.cost / 5
    for value, a in zip(q, candidates, strict=True):
        after = world.profile_after([4e6 * np.eye(8)[0], 4e6 * a])
        luck = probe.luck(rng.normal(size=(40_000, 8)))
        first, last = (
            probe.measure(p, luck, rng.normal(size=(40_000, 8))) for p in (before, after)
        )
        seen = proxy_reward(last - first, episode.task.requirement, episode.prices, cost)
        assert value == pytest.approx(float(seen.mean()), abs=5 * float(seen.std()) / 200)
        # and the noise-free reward lies outside what noise of the mean can explain
    bare = true_rewards(made, candidates, 4e6, "noise-free")
    assert (bare > q).all()
    with pytest.raises(UnknownNameError, match="noise-free"):
        true_rewards(made, candidates, 4e6, "noise free")


def test_exact_probes_make_both_the_same() -> None:
    world = load_world("conflict").replace(items=np.zeros(8))
    made = DistillEnv(world, None, 20_000_000, steps=5)
    made.reset(seed=0)
    both = [true_rewards(made, np.eye(8), 4e6, q) for q in ("proxy", "noise-free")]
    np.testing.assert_allclose(both[0], both[1], atol=1e-15)


# ----------------------------------------------------------------- the kappa that was used


@given(st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_a_kappa_that_explains_a_choice_is_found(seed: int, kappa: float) -> None:
    rng = np.random.default_rng(seed)
    mu, sigma = rng.normal(size=6), rng.exponential(size=6)
    chosen = int(np.argmax(mu + kappa * sigma))
    assert explaining_kappa(mu, sigma, chosen, kappa) == kappa
    least = explaining_kappa(mu, sigma, chosen)
    assert 0 <= least <= kappa + 1e-9
    assert (mu + least * sigma).max() <= (mu + least * sigma)[chosen] + 1e-9


def test_no_kappa_explains_a_dominated_choice() -> None:
    mu, sigma = np.array([0.0, 1.0]), np.array([0.1, 0.2])
    assert np.isnan(explaining_kappa(mu, sigma, 0, 1.0))
    assert explaining_kappa(mu, sigma, 1, 1.0) == 1.0


class Timid(ReAD):
    """Chooses by the mean alone, and says nothing of it."""

    def select(self, state: State, context: Context) -> Array:
        candidates, mu, _ = self.outlook(state, context)
        chosen: Array = candidates[int(np.argmax(mu))]
        return chosen


class Contrary(ReAD):
    """Takes what it thinks worst, and is least unsure of."""

    def select(self, state: State, context: Context) -> Array:
        candidates, mu, sigma = self.outlook(state, context)
        chosen: Array = candidates[int(np.argmin(mu + 5 * sigma))]
        return chosen


def test_a_rule_that_overrides_the_choice_is_seen() -> None:
    seeds = [0, 1, 2]
    decisions, _ = watch([env() for _ in seeds], Timid(pool=100, kappa=2.0), seeds)
    assert any(d.kappa == 0.0 for d in decisions)
    decisions, _ = watch([env() for _ in seeds], Contrary(pool=100), seeds)
    assert all(np.isnan(d.kappa) for d in decisions)
    short, general = regret.check(decisions, "contrary")
    assert (short.statistic, short.verdict) == (1.0, Verdict.FAILS)
    assert "100% of the choices are explained by no kappa" in short.advice
    assert calibration.check(decisions, "contrary").verdict is Verdict.FAILS
    assert np.isfinite(regret.cumulative(decisions, 2.0).bound).all()
    assert general.statistic == -np.inf


class Told(ReAD):
    """An outlook as it is told."""

    def __init__(self, told: Any) -> None:
        super().__init__(pool=0)
        self.told = told

    def select(self, state: Any, context: Context) -> Array:
        first: Array = np.eye(8)[0]
        return first

    def outlook(self, state: State, context: Context) -> tuple[Array, Array, Array]:
        if isinstance(self.told, Exception):
            raise self.told
        found: tuple[Array, Array, Array] = self.told
        return found


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (ValueError("no"), "raised ValueError"),
        ((np.eye(8), np.zeros(8), 1.0), r"returned shapes .*\(\)\)"),
        ((np.eye(8), np.zeros(7), np.ones(8)), "returned shapes"),
        ((np.eye(3), np.zeros(3), np.ones(3)), r"\(A, 8\)"),
        ((np.eye(8), np.zeros(8), -np.ones(8)), "negative deviation"),
        ((np.eye(8), np.full(8, np.nan), np.ones(8)), "NaN"),
        (None, "raised TypeError"),
        ((np.eye(8), ["x"] * 8, np.ones(8)), "raised ValueError"),
    ],
)
def test_a_bad_outlook_is_said_in_a_sentence(told: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"Told: its outlook .*{words}") as caught:
        watch([env()], Told(told), [0])
    assert "at step 0 in world 'conflict'" in str(caught.value)


def test_an_error_of_a_rule_names_the_rule() -> None:
    class Broken(Timid):
        def update(self, state: State, transition: Any) -> State:
            raise KeyError("gone")

    with pytest.raises(KeyError) as caught:
        watch([env()], Broken(pool=0), [0])
    assert "allocator 'Broken" in caught.value.__notes__[0]
    assert "Witness" not in caught.value.__notes__[0]


class Open(Timid):
    """Says as a class what its kappa is."""

    kappa = 2.0


def test_the_kappa_that_a_rule_states() -> None:
    """The state goes first, then the rule's own attribute or setting; a switch is no number."""
    rule = Open(pool=0)
    assert stated_kappa(rule, {"kappa": 0.5, "alpha": 3.0}) == 0.5
    assert stated_kappa(rule, {"alpha": 3}) == 3.0
    rule.kappa = np.int64(2)  # type: ignore[assignment]
    assert stated_kappa(rule, {}) == stated_kappa(rule, None) == 2.0
    rule.kappa = True
    assert np.isnan(stated_kappa(rule, {}))
    assert stated_kappa(load_allocator("linucb"), {}) == 1.0


def test_what_is_said_of_a_kappa() -> None:
    def said(*pairs: tuple[float, float]) -> str:
        one = np.ones(1)
        return kappa_text([Decision(0, 0, one, one, one, 0, used, said) for said, used in pairs])

    assert said((2.0, 2.0), (2.0, 2.0)) == "stated 2.0"
    assert said((np.nan, 0.3), (np.nan, 0.3)) == "not stated, inferred 0.3"
    assert said((np.nan, 0.3), (np.nan, np.nan)) == (
        "not stated, inferred 0.3, none explains 50% of the choices"
    )
    assert said((np.nan, np.nan)) == "not stated, none explains 100% of the choices"
    assert said((2.0, 2.0), (1.0, 0.5)) == (
        "stated 1.0 to 2.0, inferred 0.5 for the 50% of choices that it does not explain"
    )


@pytest.mark.parametrize("name", ["linucb", "thompson"])
def test_other_rules_have_beliefs_too(name: str) -> None:
    seeds = [0, 1]
    decisions, _ = watch([env() for _ in seeds], load_allocator(name), seeds)
    assert len(decisions) == 10
    if name == "linucb":
        assert {d.kappa for d in decisions} == {1.0}
    calibration.check(decisions, name)


def test_what_has_no_beliefs_is_said() -> None:
    with pytest.raises(CapabilityMissingError, match=r"outlook.*Uniform"):
        watch([env()], load_allocator("uniform"), [0])

    class Elsewhere(ReAD):
        def select(self, state: Any, context: Context) -> Array:
            return np.array([0.37, 0.63, *np.zeros(6)])

    with pytest.raises(Exception, match="none of the candidates") as caught:
        watch([env()], Elsewhere(pool=0), [0])
    assert isinstance(caught.value, ConfigError) or isinstance(caught.value.__cause__, ConfigError)


def test_cumulative_regret_against_an_own_width() -> None:
    seeds = [0, 1]
    decisions, _ = watch([env() for _ in seeds], ReAD(pool=100), seeds)
    found = regret.cumulative(decisions, lambda t: 1.0 + t)
    assert found.regret.shape == found.bound.shape == (2, 5)
    assert (np.diff(found.regret, axis=1) >= 0).all()
    first = next(d for d in decisions if d.seed == 1)
    assert found.regret[1, 0] == pytest.approx(regret.regret(first.q, first.chosen))
    own = regret.cumulative(decisions)
    np.testing.assert_allclose(
        own.bound[1, -1],
        sum(2 * d.kappa * d.sigma[d.chosen] for d in decisions if d.seed == 1),
    )
    with pytest.raises(ConfigError, match="one length"):
        regret.cumulative(decisions[1:])

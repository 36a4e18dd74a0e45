"""Rules of multi-teacher distillation: by hand, beside a reference, in worlds that they win and lose."""

from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Transition
from readsim.allocators.multi_teacher.d3 import HeadroomImprovement, headroom_times_improvement
from readsim.allocators.multi_teacher.dn import dispersion_factors
from readsim.allocators.multi_teacher.gradient_share import gradient_factors
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import OffersSourceSignals, SourceSignals
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.simulator import SimBackend
from readsim.worlds import World, random_world
from tests.support.helpers import allocations

NAMES = ("dn", "gradient-share", "d3")


def two_skills(**changed: Any) -> World:
    """Two skills that do not touch each other, required alike."""
    base = random_world(0, capabilities=2, noise=0, coupling=0.0)
    same: dict[str, Any] = {
        "start": np.array([0.3, 0.3]),
        "ceiling": np.array([0.9, 0.9]),
        "scale_tokens": np.array([2e7, 2e7]),
        "help": np.diag([0.5, 0.5]),
    }
    return base.replace(**{**same, **changed})


def final(world: World, name: str) -> float:
    env = DistillEnv(world, {"skill_0": 0.5, "skill_1": 0.5}, 40_000_000, steps=10)
    return float(rollout([env], name, [0]).rows[-1]["utility"])


def test_loud_domains_are_turned_down_within_limits() -> None:
    sigma, mean = np.array([1.0, 2.0, 40.0, np.nan]), np.array([0.5, 0.5, 0.5, np.nan])
    shares = np.array([0.5, 0.25, 0.25, 0.0])
    pooled = np.sqrt(0.5 * 1 + 0.25 * 4 + 0.25 * 1600)
    by_hand = [min(pooled / 1, 4.0), min(pooled / 2, 4.0), max(pooled / 40, 0.25), np.nan]
    np.testing.assert_allclose(dispersion_factors(sigma, mean, shares, 4.0), by_hand)
    # Means apart are a part of the pooled deviation: that of a mixture, drawn.
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.normal(0, 1, 200_000), rng.normal(3, 2, 200_000)])
    factors = dispersion_factors(
        np.array([1.0, 2.0]), np.array([0.0, 3.0]), np.array([0.5, 0.5]), 100.0
    )
    np.testing.assert_allclose(factors, drawn.std() / np.array([1.0, 2.0]), rtol=0.01)
    nothing = dispersion_factors(np.full(2, np.nan), np.full(2, np.nan), np.ones(2) / 2, 4.0)
    assert np.isnan(nothing).all()
    assert dispersion_factors(np.zeros(2), np.zeros(2), np.ones(2) / 2, 4.0).tolist() == [4.0, 4.0]


def test_gradients_get_the_shares_that_are_asked_for() -> None:
    gradient, target = np.array([1.0, 2.0, 0.5]), np.array([0.5, 0.3, 0.2])
    shares = target * gradient_factors(gradient, target, 100.0)
    added = shares / shares.sum() * gradient
    np.testing.assert_allclose(added / added.sum(), target)
    assert gradient_factors(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 4.0).tolist() == [0.5, 4.0]


def test_headroom_times_improvement_by_hand() -> None:
    kl = np.array([[1.0, 1.0], [0.9, 1.0], [0.5, 1.1], [0.4, 0.0]])
    falls = np.array([[0.1, 0.0], [1 - 5 / 9, -0.1], [0.2, 1.0]])
    by_hand = np.array([0.4 / 1.0, 0.0]) * falls.mean(axis=0)
    np.testing.assert_allclose(headroom_times_improvement(kl, np.ones(2), 3), by_hand)
    np.testing.assert_allclose(headroom_times_improvement(kl[:1], np.ones(2), 3), [0.0, 0.0])
    worse = headroom_times_improvement(np.array([[1.0], [2.0]]), np.ones(1), 3)
    assert worse.tolist() == [0.0]


def test_d3_is_its_published_rule_decision_by_decision() -> None:
    """Two decisions written out: the softmax of signal / max / .5, with the floors."""
    rule = HeadroomImprovement(smoothing=0.0)
    world = two_skills()
    env = DistillEnv(world, {"skill_0": 0.5, "skill_1": 0.5}, 1_000_000, steps=5)
    env.reset(seed=0)
    setup = setup_for(env, rule, 0)
    state = rule.init(setup)
    np.testing.assert_array_equal(state["weights"], setup.prior)
    for kl in (np.array([2.0, 1.0]), np.array([1.0, 0.8])):
        state = rule.update(state, transition(setup, kl))
    signal = np.array([0.5 * 0.5, 0.8 * 0.2])
    raised = np.exp(signal / signal.max() / 0.5)
    np.testing.assert_allclose(state["score"], signal)
    np.testing.assert_allclose(state["weights"], 0.1 + 0.8 * raised / raised.sum())


def transition(setup: Any, kl: Array) -> Transition:
    from readsim.allocators.base import Context

    context = Context(setup, 0, np.full(2, 0.3), 1.0, np.zeros(0), setup.prior)
    signals = SourceSignals(np.ones(2), kl, np.sqrt(2 * kl))
    return Transition(context, setup.prior, 0.0, np.zeros(2), np.full(2, 0.3), 1, None, signals)


def test_the_newest_signal_of_a_source_is_kept_while_it_is_not_trained() -> None:
    rule = load_allocator("dn")
    env = DistillEnv(two_skills(), {"skill_0": 0.5, "skill_1": 0.5}, 1_000_000, steps=5)
    env.reset(seed=0)
    setup = setup_for(env, rule, 0)
    state = rule.update(rule.init(setup), transition(setup, np.array([0.5, 2.0])))
    kept = rule.update(state, transition(setup, np.array([0.5, np.nan])))
    np.testing.assert_allclose(kept["weights"], state["weights"])
    unseen = rule.update(rule.init(setup), transition(setup, np.full(2, np.nan)))
    np.testing.assert_array_equal(unseen["weights"], setup.prior)


def test_the_simulators_stand_ins_are_gaps_and_rates() -> None:
    world = random_world(2, sources=3, capabilities=4, noise=0)
    backend = SimBackend(world)
    assert isinstance(backend, OffersSourceSignals)
    backend.reset(0)
    (gradient, kl, dispersion), used = backend.source_signals()
    gap = world.ceiling - backend.true_profile()
    for n, name in enumerate(world.sources):
        at = world.capabilities.index(name) if name in world.capabilities else None
        assert kl[n] == pytest.approx(gap.mean() if at is None else gap[at])
    np.testing.assert_allclose(dispersion, np.sqrt(2 * kl))
    np.testing.assert_allclose(gradient, np.linalg.norm(backend.alignment()[0], axis=1))
    assert not used


@pytest.mark.parametrize("name", NAMES)
def test_alike_skills_are_fed_alike(name: str) -> None:
    env = DistillEnv(two_skills(), {"skill_0": 0.5, "skill_1": 0.5}, 40_000_000, steps=6)
    picks = np.array(allocations(rollout([env], name, [0]).rows))
    np.testing.assert_allclose(picks, 0.5, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "wins", "loses"),
    [
        # The loud one learns slowly: what is taken from it is not missed. It learns fast: it is.
        (
            "dn",
            {"ceiling": np.array([0.9, 0.5]), "scale_tokens": np.array([4e8, 2e7])},
            {"ceiling": np.array([0.95, 0.31]), "scale_tokens": np.array([2e7, 2e7])},
        ),
        # The loud one harms the other; the loud one is the only one that learns.
        (
            "gradient-share",
            {"harm": np.array([[0.0, 0.6], [0.0, 0.0]])},
            {"help": np.diag([0.5, 0.05])},
        ),
        # One does not learn at all; one learns slowly at first and has the most to learn.
        (
            "d3",
            {"help": np.diag([0.5, 0.0])},
            {
                "scale_tokens": np.array([6e7, 2e7]),
                "help": np.diag([0.6, 0.1]),
                "ceiling": np.array([0.9, 0.4]),
            },
        ),
    ],
)
def test_each_has_a_world_that_it_wins_and_one_that_it_loses(
    name: str, wins: dict[str, Any], loses: dict[str, Any]
) -> None:
    good, bad = two_skills(**wins), two_skills(**loses)
    assert final(good, name) > final(good, "task-static")
    assert final(bad, name) < final(bad, "task-static")


def test_they_need_a_backend_that_sees_the_signals() -> None:
    class Blind:
        """The contract and nothing else."""

        def __init__(self, inner: SimBackend) -> None:
            self.sources, self.capabilities, self.hidden = (
                inner.sources,
                inner.capabilities,
                inner.hidden,
            )
            for method in ("reset", "run_interval", "dev_eval", "final_eval"):
                setattr(self, method, getattr(inner, method))

    backend: Any = Blind(SimBackend(two_skills()))
    env = DistillEnv(backend=backend, task="average", budget=100, steps=2)
    with pytest.raises(CapabilityMissingError, match="needs 'signals'"):
        rollout([env], "dn", [0])

"""Which runs to make next: better than random ones, within the limits, the same from the same seed."""

from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError
from readsim.fitting.design import (
    after_run,
    choose_runs,
    decision_gain,
    expected_regrets,
    spread_gain,
)
from readsim.fitting.laws.gaussian_process import GaussianProcess, Joint
from readsim.fitting.mixture_pool import mixture_pool, nearest_mixtures, share_limits
from readsim.fitting.proposal import propose
from readsim.worlds import load_world
from tests.support.made_fits import additive_truth, mixtures

WEIGHTS, NOISE = np.array([0.5, 0.3, 0.2]), 0.1
SEEDS = 40


def test_one_run_takes_off_what_conditioning_does() -> None:
    rng = np.random.default_rng(0)
    half = rng.standard_normal((2, 5, 5))
    belief = Joint(np.zeros((5, 2)), half @ half.transpose(0, 2, 1), np.array([0.3, 0.7]))
    later = after_run(belief, 3)
    for j in range(2):
        c = belief.covariance[j]
        left = c - np.outer(c[:, 3], c[3]) / (c[3, 3] + belief.noise[j])
        assert later.covariance[j] == pytest.approx(left)
    targets, weights = np.array([0, 1, 4]), np.array([1.0, 2.0])
    gain = spread_gain(belief, targets, weights)[3]
    lost = [
        weights @ np.diagonal(b.covariance, axis1=1, axis2=2)[:, targets].mean(axis=1)
        for b in (belief, later)
    ]
    assert gain == pytest.approx(lost[0] - lost[1])


def test_the_gain_of_a_decision_is_that_of_simulated_runs() -> None:
    rng = np.random.default_rng(1)
    half = rng.standard_normal((4, 4))
    mean, covariance, noise = np.array([0.5, 0.2, 0.0, -0.3]), half @ half.T, 0.4
    gain = decision_gain(mean, covariance, noise, np.arange(4))
    z = rng.standard_normal(400_000)
    for c in range(4):
        later = mean[:, None] + covariance[:, c, None] / np.sqrt(covariance[c, c] + noise) * z
        assert gain[c] == pytest.approx(later.max(axis=0).mean() - mean.max(), abs=0.01)
    draws = rng.standard_normal((2, 100_000, 4))
    whole = rng.multivariate_normal(mean, covariance, 200_000).max(axis=1).mean()
    before, after = expected_regrets(mean, 0.3 * covariance, 0.7 * covariance, draws)
    assert before == pytest.approx(whole - mean.max(), abs=0.01)
    learned = rng.multivariate_normal(mean, 0.3 * covariance, 200_000).max(axis=1).mean()
    assert after == pytest.approx(whole - learned, abs=0.01)
    few = [
        expected_regrets(mean, 0.3 * covariance, 0.7 * covariance, d[:, None])
        for d in draws[:, :5].swapaxes(0, 1)
    ]
    assert all(0.0 <= later <= now for now, later in few)


@pytest.mark.slow
@pytest.mark.parametrize("decision", [False, True])
def test_chosen_runs_beat_random_ones(decision: bool) -> None:
    short = []
    for seed in range(SEEDS):
        rng, truth = np.random.default_rng(seed), additive_truth(seed)
        x = mixtures(6, seed, 4)
        y = truth(x) + NOISE * rng.standard_normal((6, 3))
        pool = mixture_pool(60, np.zeros(4), np.ones(4), rng)
        belief = GaussianProcess(x, y, np.ones_like(y)).joint(pool)
        places = np.arange(len(pool))
        scale = WEIGHTS if decision else 1.0 / belief.mean.std(axis=0).clip(1e-3) ** 2
        made = choose_runs(
            belief,
            6,
            pool=places,
            targets=places,
            weights=scale,
            decision=decision,
            cost=np.ones(len(pool)),
            seed=np.random.default_rng(seed),
        )
        assert (made.after <= made.before).all()
        random = rng.choice(len(pool), (6, 6))
        losses = []
        for chosen in (made.places, *random):
            more = truth(pool[chosen]) + NOISE * rng.standard_normal((6, 3))
            process = GaussianProcess(
                np.vstack([x, pool[chosen]]), np.vstack([y, more]), np.ones((12, 3))
            )
            losses.append(_loss(process(pool), truth(pool), decision))
        short.append(np.mean(losses[1:]) - losses[0])
    assert np.mean(short) - 2 * np.std(short, ddof=1) / SEEDS**0.5 > 0.0


def _loss(made: Array, truth: Array, decision: bool) -> float:
    """Regret of the mixture that seems best, or the relative squared error."""
    if decision:
        utility = truth @ WEIGHTS
        return float(utility.max() - utility[np.argmax(made @ WEIGHTS)])
    return float((((made - truth) / truth.std(axis=0)) ** 2).mean())


def test_a_total_is_not_overspent_and_each_choice_is_the_best_per_token() -> None:
    belief = Joint(np.zeros((3, 1)), np.diag([1.0, 1.2, 0.5])[None], np.array([0.1]))
    made = choose_runs(
        belief,
        5,
        pool=np.arange(3),
        targets=np.arange(3),
        weights=np.ones(1),
        decision=False,
        cost=np.array([1.0, 4.0, 1.0]),
        total=2.5,
        seed=np.random.default_rng(0),
    )
    assert made.places.tolist() == [0, 2]


def test_shares_are_moved_to_the_nearest_mixture_within_limits() -> None:
    low, high = np.array([0.1, 0.0, 0.0]), np.array([1.0, 0.3, 0.6])
    made = nearest_mixtures(mixtures(50), low, high)
    assert made.sum(axis=1) == pytest.approx(1.0)
    assert (made >= low - 1e-9).all()
    assert (made <= high + 1e-9).all()
    inside = np.array([[0.5, 0.2, 0.3]])
    assert nearest_mixtures(inside, low, high) == pytest.approx(inside)


@pytest.mark.parametrize(
    ("least", "most", "message"),
    [
        ({"a": 0.7, "b": 0.6}, {}, "least shares sum to 1.3"),
        ({}, {"a": 0.3, "b": 0.3}, "the largest to 0.6"),
        ({"a": 0.5}, {"a": 0.2}, "its least share 0.5 is above its largest, 0.2"),
        ({"a": 1.5}, {}, "from 0 to 1"),
    ],
)
def test_limits_that_no_mixture_keeps(
    least: dict[str, float], most: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        share_limits(["a", "b"], least, most)
    with pytest.raises(UnknownNameError, match="'c'"):
        share_limits(["a", "b"], {"c": 0.1}, {})


@pytest.mark.slow
@pytest.mark.parametrize("decision", [False, True])
def test_a_proposal_keeps_menu_and_limits_and_comes_again(decision: bool) -> None:
    world = load_world("gateway")
    name = world.sources[0]
    given = {
        "budgets": [1e6, 4e6],
        "total": 6e6,
        "most": {name: 0.25},
        "least": {world.sources[1]: 0.1},
    }
    one, two = (propose(world, None, 4, decision=decision, **given) for _ in range(2))  # type: ignore[arg-type]
    pairs: list[Any] = list(zip(one, two, strict=True))
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert set(one.tokens) <= {1e6, 4e6}
    assert one.tokens.sum() <= 6e6
    assert (one.shares[:, 0] <= 0.25 + 1e-9).all()
    assert (one.shares[:, 1] >= 0.1 - 1e-9).all()
    assert one.shares.sum(axis=1) == pytest.approx(1.0)
    assert (one.after <= one.before).all()
    with pytest.raises(ConfigError, match="less than the shortest run"):
        propose(world, None, 2, decision=decision, budgets=[1e6], total=1e5)

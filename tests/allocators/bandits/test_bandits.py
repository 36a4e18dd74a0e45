"""Bandit peers: each against its published rule, worked by hand in plain Python."""

from math import e, exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.bandits.boltzmann import Boltzmann, look_ahead
from readsim.allocators.bandits.exp3 import Exp3, tuned_gamma
from readsim.allocators.bandits.odm import ODMDataFlex, ODMPaper, ODMSmoothed, exploration
from readsim.allocators.base import Context
from readsim.allocators.registry import load_allocator
from readsim.allocators.static import Uniform
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from tests.support.helpers import allocations
from tests.support.made_setups import clean_world, drive, ends, setup

PROFILES = [
    (0.3, 0.5, 0.8),
    (0.4, 0.65, 0.8),
    (0.5, 0.65, 0.75),
    (0.55, 0.6, 0.75),
    (0.6, 0.7, 0.8),
]
LONG = [PROFILES[t % 5] for t in range(9)]


def shares(weights: list[float]) -> list[float]:
    """Divided by their sum."""
    return [w / sum(weights) for w in weights]


# Exp3


def test_exp3_by_hand() -> None:
    rewards = [0.2, -0.1, 0.4, 0.0]
    played, state = drive(Exp3(gamma=0.3, low=-0.2, high=0.3), setup(), PROFILES, rewards=rewards)
    assert set(played.ravel().tolist()) == {0.0, 1.0}
    w = [1.0, 1.0, 1.0]
    for step, reward in enumerate(rewards):
        p = [0.7 * w_i / sum(w) + 0.1 for w_i in w]
        arm = int(played[step].argmax())
        x = min(max((reward + 0.2) / 0.5, 0.0), 1.0)
        w[arm] *= exp(0.3 * x / p[arm] / 3)
    assert np.allclose(np.exp(state["log_weights"]), [w_i / max(w) for w_i in w])
    assert state["arm"] == int(played[3].argmax())
    assert state["probability"] == pytest.approx(p[arm])
    assert state["scaled"] == pytest.approx(0.4)


def test_exp3_draws_with_its_probabilities() -> None:
    allocator = Exp3(gamma=0.4)
    counts = np.zeros(3)
    for seed in range(3000):
        chosen = setup(seed=seed)
        state = {**allocator.init(chosen), "log_weights": np.log([4.0, 1.0, 1.0])}
        context = Context(chosen, 0, np.zeros(3), 1.0, np.zeros(0), chosen.prior)
        counts += allocator.select(state, context)
    p = [0.6 * 4 / 6 + 0.4 / 3, 0.6 / 6 + 0.4 / 3, 0.6 / 6 + 0.4 / 3]
    assert np.allclose(counts / 3000, p, atol=0.035)  # 4 standard deviations


def test_exp3_gamma_of_the_corollary() -> None:
    assert tuned_gamma(3, 50) == pytest.approx(sqrt(3 * log(3) / ((e - 1) * 50)))
    assert tuned_gamma(8, 20) == pytest.approx(0.696, abs=1e-3)
    assert tuned_gamma(3, 1) == 1.0
    played, _ = drive(Exp3(), setup((1.0,)), [(0.1,)] * 4, rewards=[1.0, 2.0, 3.0])
    assert np.allclose(played, 1.0)


def test_exp3_running_range() -> None:
    _, state = drive(Exp3(), setup(), PROFILES[:2], rewards=[7.0])
    assert state["scaled"] == 0.5
    _, state = drive(Exp3(), setup(), PROFILES[:4], rewards=[7.0, 9.0, 8.5])
    assert (state["least"], state["most"], state["scaled"]) == (7.0, 9.0, 0.75)


def test_exp3_finds_the_arm_that_pays() -> None:
    """Only a brings anything; 400 decisions are enough to see it, 4 are not."""
    world = clean_world(start=[0.2, 0.5, 0.5], help=[[0.6, 0, 0], [0, 0, 0], [0, 0, 0]])
    fixed = Exp3(low=0.0, high=0.0005)
    _, mean = ends(world, fixed, steps=400, budget=10_000_000)
    assert mean[0] > 0.5
    _, few = ends(world, fixed, steps=4, budget=10_000_000)
    assert few.max() <= 0.75  # hardly more than chance


# ODM, three versions


def eps(t: int, least: float = 0.0) -> float:
    return 1 / 3 if t == 0 else max(least, min(1 / 3, sqrt(log(3) / (3 * t))))


def test_the_exploration_schedule_is_uniform_for_long() -> None:
    assert [exploration(3, t) for t in range(9)] == pytest.approx([eps(t) for t in range(9)])
    assert exploration(8, 16) == 1 / 8  # 8 ln 8 = 16.6
    assert exploration(8, 17) < 1 / 8
    assert exploration(1, 5) == 0.0
    eight, _ = drive(ODMPaper(), setup((1 / 8,) * 8), [tuple(np.linspace(0.1, 0.8, 8))] * 19)
    uniform = np.isclose(eight, 1 / 8).all(axis=1)
    assert uniform.tolist() == [True] * 17 + [False] * 2


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_odm_paper_by_hand(scale: float) -> None:
    played, _ = drive(ODMPaper(reward_scale=scale), setup(), LONG)
    total, pi = [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]
    for t, profile in enumerate(LONG[1:], start=1):
        for i in range(3):
            total[i] += scale * (1 - profile[i]) / pi[i]
        power = [exp(eps(t - 1) * r) for r in total]
        pi = shares([p * (1 - 3 * eps(t)) / sum(power) + eps(t) for p in power])
        assert np.allclose(played[t], pi, rtol=1e-12)
    assert np.ptp(played[-1]) > 0.001


def test_odm_smoothed_by_hand() -> None:
    played, _ = drive(ODMSmoothed(), setup(), LONG)
    mean = [0.0, 0.0, 0.0]
    for t, profile in enumerate(LONG[1:], start=1):
        mean = [0.9 * m + 0.1 * exp(1 - p) for m, p in zip(mean, profile, strict=True)]
        scaling = (1 - 3 * eps(t)) / sum(m * eps(t - 1) for m in mean)
        pi = shares([m * eps(t - 1) * scaling + eps(t) for m in mean])
        assert np.allclose(played[t], pi, rtol=1e-12)
    assert np.ptp(played[-1]) > 0.001


def test_odm_dataflex_by_hand() -> None:
    played, _ = drive(ODMDataFlex(), setup(), LONG)
    mean, pi = [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]
    for t, profile in enumerate(LONG[1:], start=1):
        for i in range(3):
            mean[i] = 0.9 * mean[i] + 0.1 * 15.0 * (1 - profile[i]) / pi[i]
        x = [eps(t - 1, 0.03) * m for m in mean]
        power = [exp(max(x_i - max(x), -5.0)) for x_i in x]
        e_t = eps(t, 0.03)
        pi = shares([p * (1 - 3 * e_t) / sum(power) + e_t for p in power])
        assert np.allclose(played[t], pi, rtol=1e-12)
    assert np.ptp(played[-1]) > 0.01


def test_odm_dataflex_warms_up_and_clips() -> None:
    played, _ = drive(ODMDataFlex(warmup=4), setup(), LONG)
    whole, _ = drive(ODMDataFlex(), setup(), LONG[4:])
    assert np.allclose(played[:4], 1 / 3)
    assert np.array_equal(played[4:], whole)
    far = setup(scores=False)
    _, state = drive(ODMDataFlex(), far, [(-1e6, -1.0, 0.0)] * 3)
    assert state["score"][0] == 1e4


@pytest.mark.parametrize("allocator", [ODMPaper(), ODMSmoothed(), ODMDataFlex()])
def test_equal_losses_are_uniform(allocator: Any) -> None:
    played, _ = drive(allocator, setup(), [(0.4, 0.4, 0.4)] * 9)
    assert np.allclose(played, 1 / 3)


ODM = ["odm-paper", "odm-smoothed", "odm-dataflex"]


@pytest.mark.parametrize("name", ODM)
def test_the_order_of_the_domains_does_not_matter(name: str) -> None:
    order = [2, 0, 1]
    plain, _ = drive(load_allocator(name), setup((0.5, 0.3, 0.2)), LONG)
    moved_paths = [tuple(np.array(p)[order]) for p in LONG]
    moved, _ = drive(load_allocator(name), setup((0.2, 0.5, 0.3)), moved_paths)
    assert np.allclose(moved, plain[:, order], rtol=1e-12)


nats = st.floats(-1e5, 0.0)


@given(
    st.sampled_from([*ODM, "exp3", "boltzmann"]),
    st.lists(st.tuples(nats, nats, nats), min_size=2, max_size=8),
)
def test_extreme_losses_stay_on_the_simplex(name: str, path: list[tuple[float, ...]]) -> None:
    chosen = setup(scores=False, alignment=lambda: np.outer(path[0], path[1]))
    rewards = [float(sum(p)) for p in path]
    played, _ = drive(load_allocator(name), chosen, path, rewards=rewards)
    assert np.isfinite(played).all()
    assert (played >= 0).all()
    assert np.allclose(played.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", ODM)
def test_odm_feeds_the_highest_loss_for_better_or_worse(name: str) -> None:
    behind, mean = ends(clean_world(), load_allocator(name))
    assert mean[0] == mean.max()
    assert behind > ends(clean_world(), Uniform())[0]
    lost = clean_world(start=[0.2, 0.5, 0.5], help=[[0, 0, 0], [0, 0.3, 0], [0, 0, 0.3]])
    assert ends(lost, load_allocator(name))[0] < ends(lost, Uniform())[0]


# DynamixSFT


def test_boltzmann_by_hand() -> None:
    per_token = np.array([[4.0, 9.0, 9.0], [9.0, 1.0, 9.0], [9.0, 9.0, -2.0]]) * 1e-6
    task = (0.5, 0.3, 0.2)
    played, _ = drive(Boltzmann(), setup(task, alignment=lambda: per_token), PROFILES)
    q = [0.0, 0.0, 0.0]
    for t, profile in enumerate(PROFILES):
        if t:
            drops = [4.0, 1.0, -2.0]
            r = [d / (1 - p) for d, p in zip(drops, profile, strict=True)]
            scaled = [(x - min(r)) / (max(r) - min(r)) for x in r]
            q = [0.95 * a + 0.05 * b for a, b in zip(q, scaled, strict=True)]
        p = shares([r_i * exp(4.0 * x) for r_i, x in zip(task, q, strict=True)])
        assert np.allclose(played[t], [0.7 * x + 0.3 / 3 for x in p], rtol=1e-12)


def test_the_look_ahead_without_differences_or_own_capabilities() -> None:
    alike = setup(alignment=lambda: np.ones((3, 3)))
    assert np.array_equal(look_ahead(alike, np.full(3, 0.5)), np.zeros(3))
    other = setup((0.75, 0.25), ("x", "b"), alignment=lambda: np.array([[4.0, 8.0], [9.0, 1.0]]))
    # x: (.75 * 4 + .25 * 8) over (.75 * .4 + .25 * .8); b: 1 over .8
    assert np.allclose(look_ahead(other, np.array([0.6, 0.2])), [1.0, 0.0])


def test_boltzmann_wins_and_loses_by_relative_progress() -> None:
    """Relative drops single out a: good where a has far to go, bad where a is all but done."""
    sharp = {"beta": 8.0, "alpha": 0.5}
    best, mean = ends(clean_world(), load_allocator("boltzmann", sharp))
    assert mean[0] == mean.max()
    assert best > ends(clean_world(), Uniform())[0]
    done = clean_world(
        start=[0.97, 0.2, 0.2],
        ceiling=[0.999, 0.9, 0.9],
        help=[[0.03, 0, 0], [0, 0.3, 0], [0, 0, 0.3]],
    )
    worst, mean = ends(done, load_allocator("boltzmann", sharp))
    assert mean[0] == mean.max()
    assert worst < ends(done, Uniform())[0]


@pytest.mark.parametrize(
    ("name", "settings", "fragment"),
    [
        ("exp3", {"gamma": 0.0}, "gamma = 0.0"),
        ("exp3", {"gamma": 1.5}, "gamma = 1.5: expected a number > 0 and <= 1, or None"),
        ("exp3", {"low": 0.0}, "give both or neither"),
        ("exp3", {"low": 1.0, "high": 0.0}, "low must be below high"),
        ("odm-paper", {"reward_scale": -1.0}, "reward_scale = -1.0"),
        ("odm-smoothed", {"smoothing": 2.0}, "smoothing = 2.0"),
        ("odm-dataflex", {"warmup": -1}, "warmup = -1"),
        ("odm-paper", {"alpha": 0.5}, "alpha"),
        ("boltzmann", {"beta": "high"}, "beta = 'high'"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        load_allocator(name, settings)


def test_exp3_plays_one_source_a_decision() -> None:
    env = DistillEnv(clean_world(), {"a": 1.0}, 2_000_000, steps=10)
    rows, _ = rollout([env], load_allocator("exp3"), [3])
    chosen = allocations(rows)
    assert ((chosen == 0) | (chosen == 1)).all()
    assert [row["report"]["arm"] for row in rows[1:-1]] == chosen.argmax(axis=1).tolist()

"""Exponentiated-gradient peers: each against its published rule, worked by hand in plain Python."""

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Allocator
from readsim.allocators.exponentiated.core import exponentiated, smoothed, softmax
from readsim.allocators.exponentiated.ddk import DDK
from readsim.allocators.exponentiated.doge import DoGE
from readsim.allocators.exponentiated.doremi import DoReMi
from readsim.allocators.exponentiated.shearing import Shearing
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.errors import ConfigError, ReadsimError, UnknownNameError
from tests.support.made_setups import drive, setup

TEACHER = np.array([0.9, 0.6, 0.8])
PROFILES = [(0.3, 0.5, 0.8), (0.4, 0.65, 0.8), (0.5, 0.65, 0.75), (0.55, 0.6, 0.75)]


def shares(weights: list[float]) -> list[float]:
    """Divided by their sum."""
    return [w / sum(weights) for w in weights]


# the update itself


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8))
def test_softmax_is_on_the_simplex_for_any_logits(logits: list[float]) -> None:
    out = softmax(np.array(logits))
    assert out.min() >= 0.0
    assert out.sum() == pytest.approx(1.0)


def test_the_update_accumulates_and_keeps_zeros() -> None:
    w = np.array([0.5, 0.5, 0.0])
    once = exponentiated(w, np.array([1.0, 0.0, 5.0]))
    assert np.allclose(once, [*shares([exp(1.0), 1.0]), 0.0])
    assert np.allclose(exponentiated(once, np.array([1.0, 0.0, 5.0]))[0], exp(2) / (exp(2) + 1))
    assert np.allclose(smoothed(once, 0.3), 0.7 * once + 0.1)


# DoReMi, Shearing, DDK: a reference loss


def test_doremi_by_hand() -> None:
    played, state = drive(DoReMi(), setup(teacher=TEACHER), PROFILES)
    w = [1 / 3, 1 / 3, 1 / 3]
    assert np.allclose(played[0], w)
    for step, profile in enumerate(PROFILES[1:], start=1):
        clipped = [
            max((1 - p) - (1 - t), 0.0) for p, t in zip(profile, TEACHER.tolist(), strict=True)
        ]
        w = shares([w_i * exp(1.0 * x) for w_i, x in zip(w, clipped, strict=True)])
        w = [(1 - 1e-4) * w_i + 1e-4 / 3 for w_i in w]
        assert np.allclose(played[step], w, rtol=1e-12)
    assert np.allclose(state["score"], [0.35, 0.0, 0.05])


def test_negated_losses_are_losses_in_nats() -> None:
    negated = setup(scores=False, teacher=np.array([-1.0, -2.0, -1.5]))
    played, _ = drive(DoReMi(), negated, [(-3.0, -2.0, -2.0), (-2.5, -1.0, -2.0)])
    w = shares([exp(1.5), 1.0, exp(0.5)])
    assert np.allclose(played[1], [(1 - 1e-4) * x + 1e-4 / 3 for x in w])


def test_a_task_weighs_the_excess() -> None:
    task = setup((0.5, 0.3, 0.2), teacher=TEACHER)
    played, _ = drive(DoReMi(c=0.0), task, PROFILES[:2])
    w = shares([exp(3 * 0.5 * 0.5), 1.0, exp(3 * 0.2 * 0.0)])
    assert np.allclose(played[1], w)


@pytest.mark.parametrize("update", ["doremi", "bandit"])
def test_shearing_by_hand(update: str) -> None:
    played, _ = drive(Shearing(update_type=update), setup(teacher=TEACHER), PROFILES)
    w = [1 / 3, 1 / 3, 1 / 3]
    for step, profile in enumerate(PROFILES[1:], start=1):
        signed = [t - p for p, t in zip(profile, TEACHER.tolist(), strict=True)]
        if update == "doremi":
            w = shares([w_i * exp(d) for w_i, d in zip(w, signed, strict=True)])
        else:
            w = shares([exp(w_i + d) for w_i, d in zip(w, signed, strict=True)])
        w = [(1 - 1e-4) * w_i + 1e-4 / 3 for w_i in w]
        assert np.allclose(played[step], w, rtol=1e-12)


def test_ddk_by_hand() -> None:
    played, _ = drive(DDK(), setup(teacher=TEACHER), PROFILES)
    assert np.allclose(played[0], 1 / 3)

    def ratio(profile: tuple[float, ...]) -> list[float]:
        pairs = zip(profile, TEACHER.tolist(), strict=True)
        return [exp(1 - p) / exp(1 - t) for p, t in pairs]

    r = shares([exp(x) for x in ratio(PROFILES[0])])  # Eq. (1), before training
    for step, profile in enumerate(PROFILES[1:], start=1):
        psi = [r_i * exp(x) for r_i, x in zip(r, ratio(profile), strict=True)]
        r = [0.5 * x + 0.5 / 3 for x in shares(psi)]  # Eq. (2)
        assert np.allclose(played[step], r, rtol=1e-12)


@pytest.mark.parametrize("allocator", [DoReMi(), Shearing(), DDK()])
def test_at_the_reference_they_stay_where_they_are(allocator: Allocator) -> None:
    played, _ = drive(allocator, setup(teacher=TEACHER), [TEACHER.tolist()] * 6)
    assert np.allclose(played, 1 / 3)


def test_the_bandit_variant_forgets_where_doremi_accumulates() -> None:
    chosen = setup(teacher=TEACHER)
    behind = [(0.3, 0.6, 0.8)] * 8
    doremi, _ = drive(DoReMi(), chosen, behind)
    bandit, _ = drive(Shearing(update_type="bandit"), chosen, behind)
    assert doremi[-1][0] > 0.97  # 7 steps of .6: exp(4.2) to 1
    assert bandit[-1][0] < 0.7


# DoGE


def test_doge_by_hand_in_domain() -> None:
    per_token = np.array([[3.0, 2.0, 1.0], [0.0, 1.0, 0.5], [-2.0, -1.0, 4.0]]) * 1e-6
    chosen = setup(alignment=lambda: per_token)
    played, _ = drive(DoGE(), chosen, PROFILES[:2])
    gains = [[x * 1000 for x in row] for row in per_token.tolist()]  # 20,000 tokens, 20 steps
    norm = sum(sum(x * x for x in row) ** 0.5 for row in gains) / 3
    w = [1 / 3, 1 / 3, 1 / 3]
    for row in played:  # the first decision knows the first gradients
        score = [(sum(gains[i]) - gains[i][i]) / (norm + 1e-6) for i in range(3)]
        moved = [0.01 * min(max(x, 0.0), 5.0) / 0.05 for x in score]
        w = shares([w_i * exp(x) for w_i, x in zip(w, moved, strict=True)])
        assert np.allclose(row, w, rtol=1e-12)
    assert moved[2] == 0.0  # -3 is clipped


def test_doge_out_of_domain_weighs_targets_by_the_task() -> None:
    per_token = np.array([[3.0, 2.0], [0.0, 1.0], [1.0, 1.0]]) * 1e-6
    chosen = setup((0.8, 0.2), ("x", "y", "z"), alignment=lambda: per_token)
    played, _ = drive(DoGE(), chosen, [(0.1, 0.1)])
    gains = [[x * 1000 for x in row] for row in per_token.tolist()]
    norm = sum(sum(x * x for x in row) ** 0.5 for row in gains) / 3
    score = [2 * (0.8 * row[0] + 0.2 * row[1]) / (norm + 1e-6) for row in gains]
    assert np.allclose(played[0], shares([exp(0.2 * min(x, 5.0)) for x in score]))


def test_doge_does_not_measure_after_the_end() -> None:
    calls: list[int] = []

    def alignment() -> Array:
        calls.append(1)
        return np.eye(3)

    drive(DoGE(), setup(alignment=alignment, steps=2), [(0.1, 0.1, 0.1)] * 3)
    assert len(calls) == 2  # before each of two decisions


# what all of them keep


EFFECTS = np.array([[0.03, 0.01, 0.0], [0.0, 0.01, 0.0], [-0.01, 0.0, 0.02]])


def rule(name: str, order: list[int], effects: Array) -> tuple[Allocator, Any]:
    """A rule and its setup with capabilities, teacher, graph and gradients in another order."""
    moved = effects[np.ix_(order, order)]
    fields: dict[str, Any] = {
        "teacher": TEACHER[order],
        "alignment": lambda: moved * 1e-5,
        "trial": lambda a, tokens, charge: np.asarray(a) @ moved,
    }
    return load_allocator(name), setup(tuple(np.array([0.5, 0.3, 0.2])[order]), **fields)


@pytest.mark.parametrize(
    "name",
    ["doremi", "shearing", "shearing-bandit", "ddk", "doge", "skill-it", "skill-it-static"],
)
def test_the_order_of_the_domains_does_not_matter(name: str) -> None:
    order = [2, 0, 1]
    plain, _ = drive(*rule(name, [0, 1, 2], EFFECTS), PROFILES)
    moved, _ = drive(*rule(name, order, EFFECTS), [tuple(np.array(p)[order]) for p in PROFILES])
    assert np.allclose(moved, plain[:, order], rtol=1e-12)


nats = st.floats(-1e5, 0.0)


@given(
    st.sampled_from(["doremi", "shearing", "shearing-bandit", "ddk", "doge", "skill-it", "aioli"]),
    st.lists(st.tuples(nats, nats, nats), min_size=2, max_size=6),
    st.tuples(nats, nats, nats),
)
def test_extreme_losses_stay_on_the_simplex(
    name: str, profiles: list[tuple[float, ...]], teacher: tuple[float, ...]
) -> None:
    effects = np.diff(np.array(profiles[:2]), axis=0)[0]
    chosen = setup(
        scores=False,
        teacher=np.array(teacher),
        alignment=lambda: np.outer(effects, effects),
        trial=lambda a, tokens, charge: effects,
    )
    played, _ = drive(load_allocator(name), chosen, profiles)
    assert np.isfinite(played).all()
    assert (played >= 0).all()
    assert np.allclose(played.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("name", "settings", "error", "fragment"),
    [
        ("doremi", {"eta": 0.0}, ConfigError, "eta = 0.0: expected a number > 0"),
        ("doremi", {"eta": True}, ConfigError, "eta = True"),
        ("doremi", {"c": 1.5}, ConfigError, "c = 1.5: expected a number >= 0 and <= 1"),
        ("doremi", {"eta": float("nan")}, ConfigError, "eta = nan"),
        ("doremi", {"etta": 1.0}, ConfigError, "etta"),
        ("shearing", {"update_type": "bandits"}, UnknownNameError, "did you mean 'bandit'"),
        ("ddk", {"alpha": 0}, ConfigError, "alpha = 0"),
        ("doge", {"mu": -1.0}, ConfigError, "mu = -1.0"),
        ("doge", {"least": 2.0, "most": 1.0}, ConfigError, "least is above most"),
        ("skill-it", {"window": 0}, ConfigError, "window = 0: expected a whole number >= 1"),
        ("skill-it", {"trial_share": 2.0}, ConfigError, "trial_share = 2.0"),
        ("skill-it", {"online": "no"}, ConfigError, "online = 'no': expected True or False"),
        ("aioli", {"ema": 2.0}, ConfigError, "ema = 2.0: .*or None"),
        ("aioli", {"lp_rounds": 1.5}, ConfigError, "lp_rounds = 1.5"),
    ],
)
def test_bad_settings_are_refused_at_construction(
    name: str, settings: dict[str, Any], error: type[ReadsimError], fragment: str
) -> None:
    with pytest.raises(error, match=fragment):
        load_allocator(name, settings)

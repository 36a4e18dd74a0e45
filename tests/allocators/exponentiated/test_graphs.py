"""Skill-It and Aioli: graphs of what teaches what, worked by hand in plain Python."""

from math import exp
from typing import Any

import numpy as np
import pytest

from readsim.allocators.exponentiated.aioli import Aioli, normalised, sweep_mixtures
from readsim.allocators.exponentiated.doremi import DoReMi
from readsim.allocators.exponentiated.skill_it import SkillIt, skill_graph
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from tests.support.made_setups import clean_world, drive, setup

TEACHER = np.array([0.9, 0.6, 0.8])
PROFILES = [(0.3, 0.5, 0.8), (0.4, 0.65, 0.8), (0.5, 0.65, 0.75), (0.55, 0.6, 0.75)]


def shares(weights: list[float]) -> list[float]:
    """Divided by their sum."""
    return [w / sum(weights) for w in weights]


# Skill-It

DROPS = np.array([[0.20, 0.10, -0.05], [0.0, 0.05, 0.02], [0.1, 0.0, 0.04]])


def skill_setup(**fields: Any) -> Any:
    rows = {tuple(row): DROPS[i] for i, row in enumerate(np.eye(3).tolist())}
    return setup(trial=lambda a, tokens, charge: rows[tuple(a.tolist())], **fields)


def graph_by_hand(start: tuple[float, ...]) -> list[list[float]]:
    return [
        [max(0.0, d) / (1 - p) for d, p in zip(row, start, strict=True)] for row in DROPS.tolist()
    ]


def test_skill_it_by_hand() -> None:
    profiles = [*PROFILES, (0.6, 0.7, 0.8), (0.6, 0.7, 0.9)]
    played, _ = drive(SkillIt(eta=0.7), skill_setup(), profiles)
    graph = graph_by_hand(profiles[0])
    assert np.allclose(played[0], shares([exp(0.7 * sum(row)) for row in graph]))
    for t in range(1, len(profiles)):
        seen = profiles[max(0, t - 3) : t]  # losses before the training of the last three rounds
        total = [sum(1 - profile[j] for profile in seen) for j in range(3)]
        exponent = [0.7 * sum(a * x for a, x in zip(row, total, strict=True)) for row in graph]
        assert np.allclose(played[t], shares([exp(x) for x in exponent]), rtol=1e-12)


def test_skill_it_eta_schedule_by_hand() -> None:
    played, _ = drive(SkillIt(eta=0.7, window=1, eta_schedule=True), skill_setup(), PROFILES)
    graph = graph_by_hand(PROFILES[0])
    for t in range(1, len(PROFILES)):
        loss = [1 - p for p in PROFILES[t - 1]]
        eta = 0.7 / (sum(loss) / sum(1 - p for p in PROFILES[0]))
        exponent = [eta * sum(a * x for a, x in zip(row, loss, strict=True)) for row in graph]
        assert np.allclose(played[t], shares([exp(x) for x in exponent]), rtol=1e-12)


def test_skill_it_is_re_based_and_its_static_form_never_moves() -> None:
    detour = [(0.3, 0.5, 0.8), (0.9, 0.1, 0.1), *[(0.5, 0.5, 0.5)] * 4]
    direct = [(0.3, 0.5, 0.8), *[(0.5, 0.5, 0.5)] * 5]
    ends_alike = [drive(SkillIt(), skill_setup(), path)[0][-1] for path in (detour, direct)]
    assert np.array_equal(ends_alike[0], ends_alike[1])  # what is older than the window is gone
    accumulating = [
        drive(DoReMi(), setup(teacher=TEACHER), path)[0][-1] for path in (detour, direct)
    ]
    assert not np.allclose(accumulating[0], accumulating[1])
    played, _ = drive(SkillIt(online=False), skill_setup(), PROFILES)
    exponent = [0.2 * sum(row) for row in graph_by_hand(PROFILES[0])]
    assert np.allclose(played, shares([exp(x) for x in exponent]))


def test_an_empty_graph_is_uniform_whatever_the_losses() -> None:
    nothing = setup(trial=lambda a, tokens, charge: -np.ones(3))
    played, _ = drive(SkillIt(eta=100.0), nothing, PROFILES)
    assert np.allclose(played, 1 / 3)
    assert np.array_equal(skill_graph(DROPS, np.zeros(3)), np.zeros((3, 3)))


def test_the_graph_costs_search_tokens_and_no_budget() -> None:
    env = DistillEnv(clean_world(), {"a": 1.0}, 1_000_000, steps=4)
    rows, _ = rollout([env], SkillIt(trial_share=0.2), [0])
    assert rows[-1]["totals"]["search"] == 3 * 200_000
    assert rows[-1]["totals"]["student"] == 1_000_000


# Aioli


def linear_profiles(allocator: Aioli, effects: Array, steps: int) -> tuple[Array, Any]:
    """Play it where every decision lowers losses by A^T p exactly; profiles are scores."""
    profiles = [np.full(effects.shape[1], 0.1)]
    played, state = np.zeros((0, len(effects))), None
    for _ in range(steps):
        chosen = setup((1 / 3, 1 / 3, 1 / 3), steps=steps)
        played, state = drive(allocator, chosen, [p.tolist() for p in profiles])
        profiles.append(profiles[-1] + played[-1] @ effects)
    return played, state


EFFECTS = np.array([[0.03, 0.01, 0.0], [0.0, 0.01, 0.0], [-0.01, 0.0, 0.02]])


def aioli_exponent(effects: Array) -> list[float]:
    """eta sum_j A_ij of the normalised A, by hand."""
    rows = effects.tolist()
    least = min(0.0, *(x for row in rows for x in row))
    raised = [[x - least for x in row] for row in rows]
    total = sum(x for row in raised for x in row)
    return [0.2 * sum(row) / total for row in raised]


def test_aioli_recovers_the_graph_and_weighs_by_it() -> None:
    played, state = linear_profiles(Aioli(), EFFECTS, 12)
    w = sweep_mixtures(3, 0.625)
    assert w[0].tolist() == [0.625, 0.1875, 0.1875]
    assert np.allclose(sorted(played[:3].tolist()), sorted(w.tolist()))  # each mixture once
    exponent = aioli_exponent(EFFECTS)
    once, twice = (shares([exp(n * x) for x in exponent]) for n in (1, 2))
    assert np.allclose(played[3:6], once)
    assert np.allclose(sorted(played[6:9].tolist()), sorted(w.tolist()))
    assert np.allclose(played[9:12], twice)  # it accumulates; a third sweep would not fit
    assert np.allclose(state["graph"].sum(), 1.0)


def test_aioli_with_a_moving_average_is_re_based() -> None:
    played, _ = linear_profiles(Aioli(ema=0.1), EFFECTS, 12)
    once = shares([exp(x) for x in aioli_exponent(EFFECTS)])
    assert np.allclose(played[3:6], once)
    assert np.allclose(played[9:12], once)


def test_aioli_moving_average_by_hand() -> None:
    """Two sweeps of two sources that see different effects."""
    first, second = np.array([[0.04, 0.0], [0.0, 0.02]]), np.array([[0.0, 0.0], [0.0, 0.06]])
    profiles = [np.array([0.1, 0.1])]
    played = np.zeros((0, 2))
    for step in range(8):
        chosen = setup((0.5, 0.5), steps=8)
        played, _ = drive(Aioli(ema=0.25, hold=1), chosen, [p.tolist() for p in profiles])
        profiles.append(profiles[-1] + played[-1] @ (first if step < 3 else second))
    a, b = [2 / 3, 1 / 3], [0.0, 1.0]
    mean = [0.75 * y + 0.25 * x for x, y in zip(a, b, strict=True)]
    assert np.allclose(played[2], shares([exp(0.2 * x) for x in a]))
    assert np.allclose(played[5], shares([exp(0.2 * x) for x in mean]))


def test_two_rounds_of_a_sweep_are_averaged() -> None:
    played, _ = linear_profiles(Aioli(lp_rounds=2), EFFECTS, 9)
    assert np.allclose(played[6:], shares([exp(x) for x in aioli_exponent(EFFECTS)]))


@pytest.mark.parametrize(("sources", "steps"), [(3, 1), (3, 3), (1, 4)])
def test_aioli_without_room_for_a_sweep_is_uniform(sources: int, steps: int) -> None:
    requirement = (1 / sources,) * sources
    played, _ = drive(Aioli(), setup(requirement, steps=steps), [requirement] * steps)
    assert np.allclose(played, 1 / sources)


def test_a_graph_of_zeros_moves_nothing() -> None:
    assert np.array_equal(normalised(np.zeros((2, 2))), np.zeros((2, 2)))
    played, _ = drive(Aioli(), setup(steps=9), [(0.5, 0.5, 0.5)] * 5)
    assert np.allclose(played[3:], 1 / 3)


def test_mixtures_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ConfigError, match="with 2 sources all mixtures are alike"):
        Aioli(one_hot_factor=0.5).init(setup((0.5, 0.5)))

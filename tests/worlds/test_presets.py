"""The worlds that ship with readsim are what they say they are."""

import math
import re
import tomllib
from functools import cache
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.worlds import (
    Optimum,
    World,
    load_world,
    load_world_file,
    optimum,
    preset_names,
    save_world,
    world_to_dict,
)
from studies.presets.command import FOLDER, write

NAMES = preset_names()
BUDGETS = (20e6, 150e6)


@cache
def preset(name: str) -> World:
    return load_world(name)


@cache
def best_static(name: str, task: str, budget: float) -> Optimum:
    return optimum(preset(name), preset(name).task(task), budget)


def random_allocations(seed: int, n: int, s: int) -> Array:
    """Half of them sparse."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.dirichlet(np.full(s, a), (n + 1) // 2) for a in (1.0, 0.2)])[:n]


# --- all of them


def _same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9)
    return a == b


@pytest.mark.slow
def test_the_study_makes_the_shipped_files(tmp_path: Path) -> None:
    made = {p.name: tomllib.loads(p.read_text(encoding="utf-8")) for p in write(tmp_path)}
    shipped = {p.name: tomllib.loads(p.read_text(encoding="utf-8")) for p in FOLDER.iterdir()}
    assert sorted(made) == sorted(shipped) == [f"{name}.toml" for name in NAMES]
    for name, data in made.items():
        assert _same(data, shipped[name]), f"{name}: run `python -m studies presets`"


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_is_exact(name: str, tmp_path: Path) -> None:
    world = preset(name)
    for suffix in ("toml", "json"):
        path = tmp_path / f"world.{suffix}"
        save_world(world, path)
        assert world_to_dict(load_world_file(path)) == world_to_dict(world)


@pytest.mark.parametrize("name", NAMES)
def test_states_its_origin_and_its_purpose(name: str) -> None:
    world = preset(name)
    assert world.name == name
    assert "For: " in world.description
    assert not re.search(
        r"Lemma L\d|RQ\d|Observation", str(world_to_dict(world))
    )  # no page has these
    assert world.provenance
    marks = ("paper: ", "code: ", "inferred: ", "ours: ", "read8-llama, ", "not used", "start 0.4")
    for key, note in world.provenance.items():
        assert note.startswith(marks) or key in ("not_used", "unit"), (key, note)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_profiles_stay_in_bounds(name: str, seed: int) -> None:
    world = preset(name)
    rng = np.random.default_rng(seed)
    efficiency = np.exp(world.efficiency_sd * rng.standard_normal((16, world.shape[0])))
    state = world.initial(world.rate(efficiency), BUDGETS[1])
    for shares in rng.dirichlet(np.full(world.shape[0], 0.3), (20, 16)):
        process = rng.standard_normal((16, world.shape[1]))
        state = world.model.advance(state, shares * BUDGETS[1] / 20, process)
        profile = world.model.profile(state)
        assert (profile >= world.floor - 1e-12).all()
        assert (profile <= world.ceiling + 1e-12).all()


def budgets_of(name: str) -> tuple[float, float]:
    """The paper's, or what a world that was measured at smaller ones is said to hold for."""
    horizon = preset(name).horizon
    return BUDGETS if math.isinf(horizon) else (0.2 * horizon, 0.6 * horizon)


# The artifact's clip and floor make the numeric search slow once skills are complete.
CASES = [
    (name, budget)
    for name in NAMES
    for budget in budgets_of(name)
    if (name, budget) != ("artifact-toy", BUDGETS[1])
]


@pytest.mark.parametrize(("name", "budget"), CASES)
def test_optimum_is_feasible_and_hard_to_beat(name: str, budget: float) -> None:
    world = preset(name)
    task = world.task(world.task_names[0])
    best = best_static(name, task.name, budget)
    assert (best.allocation >= 0).all()
    assert best.spent == pytest.approx(1.0, abs=1e-9)
    assert best.utility == pytest.approx(
        float(task.utility(world.static_profile(best.allocation, budget))), abs=1e-12
    )
    others = random_allocations(0, 200, world.shape[0])
    values = task.utility(world.static_profile(others, budget))
    assert best.utility >= values.max() - 1e-9
    # informative: training helps, and it matters how
    assert best.utility > float(task.utility(world.start)) + 0.005
    assert best.utility > values.mean() + 0.0015


@pytest.mark.parametrize("name", [n for n in NAMES if preset(n).order_free])
def test_order_does_not_matter_where_it_should_not(name: str) -> None:
    world = preset(name)
    schedule = list(random_allocations(1, 20, world.shape[0]) * 5e6)
    there, back = world.profile_after(schedule), world.profile_after(schedule[::-1])
    np.testing.assert_allclose(there, back, rtol=0, atol=1e-12)


# --- order matters in flow


def two_phase(world: World, task_name: str, budget: float) -> float:
    """The best of: one allocation first, another one after a switch; one-hots and even pairs."""
    s = world.shape[0]
    one = np.eye(s)
    pairs = [0.5 * (one[i] + one[j]) for i, j in combinations(range(s), 2)]
    rows = np.array([*one, *pairs]) * budget / 20
    first, last = (np.array(side) for side in zip(*product(rows, rows), strict=True))
    task = world.task(task_name)
    return max(
        float(task.utility(world.profile_after([first] * k + [last] * (20 - k))).max())
        for k in (8, 11, 17)
    )


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize(
    ("name", "task"), [("gateway", "math"), ("drift", "math"), ("forgetting", "tutor")]
)
def test_a_change_of_course_beats_every_constant_mixture(
    name: str, task: str, budget: float
) -> None:
    world = preset(name)
    static = best_static(name, task, budget).utility
    assert two_phase(world, task, budget) > static + 0.015


@pytest.mark.parametrize("budget", BUDGETS)
def test_gateway_punishes_the_best_next_step(budget: float) -> None:
    world = preset("gateway")
    task = world.task("math")
    state = world.model.initial(np.broadcast_to(world.rate(), (5, 5)))
    for _ in range(20):
        moved = world.model.advance(state, np.eye(5) * budget / 20)
        values = task.utility(world.model.profile(moved))
        best = int(values.argmax())
        state = tuple(np.broadcast_to(part[best], part.shape) for part in moved)
    assert values.max() < best_static("gateway", "math", budget).utility - 0.01


def test_drift_falls_within_the_smaller_budget() -> None:
    assert preset("drift").drift["after_tokens"] == BUDGETS[0] / 2


def test_forgetting_rewards_stopping_early() -> None:
    world = preset("forgetting")
    task = world.task("analyst")
    free = optimum(world, task, 150e6, spend_all=False)
    assert free.spent < 0.9
    assert free.utility > best_static("forgetting", "analyst", 150e6).utility + 0.005


# --- variants of read8-llama


def test_hidden_safety_hides_what_the_task_is_about() -> None:
    world = preset("hidden-safety")
    assert world.shape == (8, 9)
    hidden = world.hidden[0]
    assert hidden not in world.visible
    assert hidden not in world.sources
    assert world.task_names == ("safety", *world.visible)
    task = world.task("safety")
    assert len(task.requirement) == 8
    assert task.weights[8] == 0.5
    effects = world.transfer_matrix(150e6)[:, 8]
    assert effects.min() == pytest.approx(-0.12, abs=1e-5)
    assert effects.max() == pytest.approx(0.08, abs=1e-5)
    # nothing that can be seen differs from read8-llama
    np.testing.assert_array_equal(
        world.transfer_matrix(150e6)[:, :8], preset("read8-llama").transfer_matrix(150e6)
    )


def test_each_variant_changes_one_thing() -> None:
    base = world_to_dict(preset("read8-llama"))
    changed = {
        "capacity-gap": {"help"},
        "misaligned-r": {"tasks"},
        "biased-probe": {"probe_bias", "probe_slope"},
        "finite-pools": {"pool_tokens"},
        "cosine": {"schedule"},
    }
    for name, fields in changed.items():
        data = world_to_dict(preset(name))
        differing = {k for k in data if data[k] != base.get(k)}
        assert differing == fields | {"name", "description", "provenance"}


def test_capacity_gap_hits_the_largest_gaps_hardest() -> None:
    base, world = preset("read8-llama"), preset("capacity-gap")
    gap = base.ceiling - base.start
    kept = world.help.diagonal() / base.help.diagonal()
    assert (np.argsort(kept) == np.argsort(-gap)).all()


def test_misaligned_r_costs_utility() -> None:
    right, wrong = preset("read8-llama"), preset("misaligned-r")
    lost = []
    for name in right.task_names:
        task, misled = right.task(name), wrong.task(name)
        np.testing.assert_array_equal(task.weights, misled.weights)
        assert not np.array_equal(task.requirement, misled.requirement)
        told, mistold = (
            right.static_profile(r, 20e6) for r in (task.requirement, misled.requirement)
        )
        lost.append(float(task.utility(told) - task.utility(mistold)))
    assert np.mean(lost) > 0.003

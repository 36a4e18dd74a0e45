"""What runs are told that their task requires: modes, their cost, and stability."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from readsim.allocators.registry import load_allocator
from readsim.backend import OffersTruth
from readsim.envs.env import DistillEnv
from readsim.envs.requirement_modes import (
    RequirementMode,
    cosine_stability,
    positive_part,
    requirement_under,
    top_stability,
)
from readsim.errors import ReadsimError
from readsim.runs.log_schema import read_content
from readsim.runs.loop import rollout
from readsim.streams import generator
from readsim.worlds import load_world
from readsim.worlds.task import Task
from tests.cli.test_app import call

GRADIENTS = arrays(np.float64, st.integers(1, 9), elements=st.floats(-5, 5))


@given(GRADIENTS)
def test_the_positive_part_is_a_requirement(g: Any) -> None:
    """A point of the simplex, nothing where the gradient is not positive, ratios kept."""
    r = positive_part(g)
    assert np.isclose(r.sum(), 1.0)
    assert (r >= 0).all()
    if (g > 0).any():
        assert (r[g <= 0] == 0).all()
        assert np.allclose(r * np.maximum(g, 0).sum(), np.maximum(g, 0))
    else:
        assert np.allclose(r, 1 / len(g))


@given(GRADIENTS, st.sampled_from(["oracle", "stale", "noisy:3", "permuted", "uniform"]))
def test_every_mode_tells_a_point_of_the_simplex(g: Any, mode: str) -> None:
    r = requirement_under(mode, g, generator(1, "requirement"))
    assert r.shape == g.shape
    assert np.isclose(r.sum(), 1.0)
    assert (r >= 0).all()


def test_noise_shrinks_with_the_concentration_and_permuting_moves_every_entry() -> None:
    g = np.array([0.6, 0.3, 0.1, 0.0])
    errors = [
        np.mean(
            [
                np.abs(requirement_under(f"noisy:{c}", g, generator(s, "world")) - g).sum()
                for s in range(200)
            ]
        )
        for c in (1, 10, 100, 10_000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.03
    for seed in range(20):
        moved = requirement_under("permuted", g, generator(seed, "world"))
        assert np.allclose(sorted(moved), sorted(g))
        assert (np.abs(moved - g) > 0.05).all()


@pytest.mark.parametrize("mode", ["noisy", "noisy:0", "noisy:x", "noisy:inf", "orakle", "stale:1"])
def test_what_is_no_mode_is_refused_with_what_is(mode: str) -> None:
    with pytest.raises(ReadsimError, match=r"requirement|concentration|noisy"):
        DistillEnv("gateway", requirement=mode)


def test_an_oracle_follows_the_gradient_and_a_stale_requirement_stays() -> None:
    """With a CES utility the gradient moves towards what is weakest now."""
    world = load_world("read8-llama")
    weights = np.full(8, 1 / 8)
    task = Task("bottleneck", weights, weights, "ces:-3")
    both = {}
    for mode in ("oracle", "stale"):
        env = DistillEnv(world, task, 60_000_000, steps=4, requirement=mode)
        first, _ = env.reset(seed=3)
        seen = [first["requirement"]]
        for _ in range(4):
            observation, *_ = env.step(np.eye(8)[3])
            seen.append(observation["requirement"])
        assert isinstance(env.backend, OffersTruth)
        expected = positive_part(task.gradient(env.backend.true_profile()))
        both[mode] = seen
        if mode == "oracle":
            assert np.allclose(seen[-1], expected)
            assert seen[-1][3] < seen[0][3]  # math has grown: it is less of a bottleneck
        else:
            assert all(np.array_equal(r, seen[0]) for r in seen)
    assert np.array_equal(both["oracle"][0], both["stale"][0])


def test_the_allocator_and_the_reward_go_by_what_is_told() -> None:
    env = DistillEnv("read8-llama", "math", requirement="uniform")
    env.reset(seed=0)
    rows, _ = rollout([env], load_allocator("task-static"), [0])
    assert np.allclose(rows[0]["requirement"], 1 / 8)
    assert all(np.allclose(r["allocation"], 1 / 8) for r in rows if r["kind"] == "step")
    saved = env.account()
    other = DistillEnv("read8-llama", "math", requirement="uniform")
    other.reset(seed=5)
    assert np.allclose(other.reinstate(saved)["requirement"], 1 / 8)
    plain = DistillEnv("read8-llama", "math")
    assert "requirement" not in rollout([plain], load_allocator("uniform"), [0])[0][0]


def test_runs_with_one_seed_are_told_the_same_and_with_another_something_else() -> None:
    env = DistillEnv("read8-llama", "math", requirement="noisy:5")
    a = env.reset(seed=1)[0]["requirement"]
    again = env.reset()[0]["requirement"]
    assert not np.array_equal(a, again)
    assert np.array_equal(env.reset(seed=1)[0]["requirement"], a)
    assert not np.array_equal(env.reset(seed=2)[0]["requirement"], a)


def test_hidden_capabilities_are_left_out() -> None:
    world = load_world("hidden-safety")
    env = DistillEnv(world, requirement="oracle")
    r = env.reset(seed=0)[0]["requirement"]
    assert len(r) == len(world.visible)
    assert np.isclose(r.sum(), 1.0)
    shown = np.array([c not in world.hidden for c in world.capabilities])
    telling = RequirementMode("oracle", env.episode.task, shown)
    assert np.allclose(telling.first(world.start[shown], generator(0, "world")), r)


@pytest.mark.slow
def test_the_worse_the_requirement_the_worse_the_run() -> None:
    """Mean final utility over 200 seeds falls as the requirement gets worse."""
    means = []
    for mode in ("oracle", "noisy:20", "noisy:1", "permuted"):
        envs = [
            DistillEnv("read8-llama", "math", 150_000_000, steps=2, requirement=mode)
            for _ in range(200)
        ]
        rows, _ = rollout(envs, load_allocator("task-static"), list(range(200)))
        means.append(np.mean([r["utility"] for r in rows if r["kind"] == "final"]))
    assert means == sorted(means, reverse=True)
    assert means[0] - means[-1] > 0.02


def test_stability_is_one_for_equal_requirements_and_lower_for_permuted_ones() -> None:
    r = np.array([0.5, 0.3, 0.15, 0.05, 0.0])
    assert np.isclose(cosine_stability([r, r, r]), 1.0)
    assert top_stability([r, r, r]) == 1.0
    assert cosine_stability([r, np.roll(r, 1)]) < 0.9
    assert top_stability([r, r[::-1]]) == pytest.approx(1 / 5)
    with pytest.raises(ReadsimError, match="at least 2"):
        cosine_stability([r])


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mode is in the log's header: a folder holds one of them."""
    out = tmp_path / "out"
    words = (
        *("compare", "--world", "gateway", "--budgets", "5M", "--steps", "2", "--seeds", "2"),
        *("--allocators", "task-static,uniform", "--jobs", "1", "--out", str(out)),
    )
    assert call(capsys, *words, "--requirement", "noisy:4")[0] == 0
    header, rows, *_ = read_content(next((out / "runs").glob("task-static*")))
    assert header["config"]["told"] == "noisy:4"
    assert rows[0]["requirement"] != rows[1]["requirement"]
    code, _, err = call(capsys, *words)
    assert code == 2
    assert "Traceback" not in err
    code, _, err = call(capsys, *words, "--requirement", "nosy:4")
    assert code == 2
    assert "noisy:C" in err

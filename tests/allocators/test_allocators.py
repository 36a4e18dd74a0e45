"""What every allocator promises, and what each rule does."""

from itertools import pairwise, product
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context, Setup
from readsim.allocators.grid import GridSearched, simplex_grid
from readsim.allocators.registry import BUILT_IN, ON_REQUEST, describe, load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.simulator import SimBackend
from readsim.testing.backend_checks import same
from readsim.tree_file import load_tree, save_tree
from readsim.worlds import load_world, optimum, random_world
from readsim.worlds.task import Task
from tests.support.helpers import SMALL, WORLD, FakeBackend, allocations, decisions, with_extras


def build(name: str) -> Allocator:
    learns = BUILT_IN[name].target.endswith(":ReAD")
    return load_allocator(name, SMALL if learns else {})


@pytest.mark.parametrize("name", with_extras(BUILT_IN))
class TestContract:
    def test_points_of_the_simplex_and_determinism(self, name: str) -> None:
        runs = [rollout([DistillEnv(WORLD, steps=6)], build(name), [3])[0] for _ in "ab"]
        chosen = allocations(runs[0])
        assert np.allclose(chosen.sum(axis=1), 1.0)
        assert (chosen >= 0).all()
        assert np.array_equal(chosen, allocations(runs[1]))

    def test_a_run_does_not_depend_on_the_others_of_its_batch(self, name: str) -> None:
        alone, _ = rollout([DistillEnv(WORLD, steps=5)], build(name), [4])
        batch, _ = rollout([DistillEnv(WORLD, steps=5) for _ in "abc"], build(name), [9, 4, 2])
        inside = [row for row in batch if row["seed"] == 4]
        assert same(alone, inside)

    def test_its_state_survives_a_file(self, name: str, tmp_path: Path) -> None:
        allocator = build(name)
        env = DistillEnv(WORLD, steps=5)
        env.reset(seed=1)
        state = allocator.init(setup_for(env, allocator, 1))
        save_tree(tmp_path / "state", state)
        save_tree(tmp_path / "again", load_tree(tmp_path / "state"))
        assert (tmp_path / "state").read_bytes() == (tmp_path / "again").read_bytes()

    def test_rectangular_and_tiny_worlds(self, name: str) -> None:
        for world in ("random:sources=5,capabilities=2", "random:capabilities=1"):
            rows, _ = rollout([DistillEnv(world, steps=3)], build(name), [0])
            assert np.allclose(allocations(rows).sum(axis=1), 1.0)

    def test_it_describes_itself(self, name: str) -> None:
        assert len(describe(name)) > 20


def test_only_declared_needs_are_met() -> None:
    env = DistillEnv(WORLD)
    env.reset(seed=0)
    plain = setup_for(env, load_allocator("uniform"), 0)
    assert (plain.world, plain.task, plain.trial, plain.transitions) == (None,) * 4
    oracle = setup_for(env, load_allocator("oracle-static"), 0)
    assert isinstance(env.backend, SimBackend)
    assert oracle.world is env.backend.world


class Asks(Allocator):
    """Keeps what it was told."""

    needs = frozenset({"teacher", "alignment"})

    def init(self, setup: Setup) -> Any:
        assert setup.teacher is not None
        assert setup.alignment is not None
        return {"teacher": setup.teacher(), "first": setup.alignment(), "setup": setup}

    def select(self, state: Any, context: Context) -> Array:
        return np.ones(len(context.setup.sources))


@pytest.mark.parametrize("name", ["read8-llama", "hidden-safety", "gateway", "from-scratch"])
def test_the_simulator_offers_its_teacher_and_exact_alignment(name: str) -> None:
    world = load_world(name)
    env = DistillEnv(world, budget=20_000_000)
    env.reset(seed=0)
    asked = setup_for(env, Asks(), 0)
    assert asked.teacher is not None
    assert asked.alignment is not None
    assert np.array_equal(asked.teacher(), world.ceiling[world.visible_columns])
    if not world.efficiency_sd.any():  # so that the run is the nominal one
        moved = world.profile_after([np.eye(len(world.sources)) * 1000.0]) - world.start
        expected = moved[:, world.visible_columns] / 1000.0
        assert asked.alignment() == pytest.approx(expected, rel=1e-9, abs=1e-18)
    first = asked.alignment()
    env.step(np.ones(len(world.sources)))
    before = env.backend.snapshot()
    later = asked.alignment()
    assert later.shape == (len(world.sources), len(world.visible))
    assert not np.array_equal(first, later)  # it is about the present student
    assert same(before, env.backend.snapshot())  # and asking trains nobody


class Watches(Allocator):
    """Chooses at random, and keeps the observations that its contexts show."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Array]] = []

    def select(self, state: Any, context: Context) -> Array:
        self.seen.append(context.observation())
        return context.rng.random(len(context.setup.sources))


@pytest.mark.parametrize("history", [0, 2])
def test_a_context_shows_the_environments_own_observation(history: int) -> None:
    made: dict[str, Any] = {
        "budget": 1_000_003,
        "steps": 4,
        "history": history,
        "requirement": "oracle",
    }
    task = Task("bottleneck", np.full(8, 1 / 8), np.full(8, 1 / 8), "ces:-3")  # r changes each step
    watching, env = Watches(), DistillEnv("read8-llama", task, **made)
    rows, _ = rollout([env], watching, [3])
    again = DistillEnv("read8-llama", task, **made)
    observation, _ = again.reset(seed=3)
    for seen, chosen in zip(watching.seen, allocations(rows), strict=True):
        assert list(seen) == list(observation)
        assert same(seen, observation)
        assert again.observation_space.contains(seen)
        observation, *_ = again.step(chosen)


def test_what_a_backend_does_not_offer_is_said_by_name() -> None:
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    with pytest.raises(CapabilityMissingError, match="Asks needs 'alignment'"):
        setup_for(env, Asks(), 0)


def test_a_backend_without_a_world_is_said_by_name() -> None:
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    with pytest.raises(CapabilityMissingError, match="OracleStatic needs 'world'"):
        setup_for(env, load_allocator("oracle-static"), 0)

    class Curious(Allocator):
        needs = frozenset({"everything"})

    with pytest.raises(ConfigError, match="needs names 'everything'"):
        setup_for(env, Curious(), 0)


def test_static_rules() -> None:
    world = load_world(WORLD)
    task = world.task("skill_2")
    expected = {
        "uniform": np.full(4, 0.25),
        "task-static": task.requirement,
        "one-hot": np.eye(4)[2],
        "oracle-static": optimum(world, task, 10_000_000, steps=3).allocation,
    }
    for name, allocation in expected.items():
        env = DistillEnv(world, "skill_2", 10_000_000, steps=3)
        rows, _ = rollout([env], load_allocator(name), [0])
        assert np.allclose(allocations(rows), allocation), name


def test_greedy_last_follows_the_largest_required_gain() -> None:
    rows, _ = rollout([DistillEnv(WORLD, steps=8)], load_allocator("greedy-last"), [0])
    steps = decisions(rows)
    requirement = load_world(WORLD).task("skill_0").requirement
    assert np.allclose(steps[0]["allocation"], requirement)
    for before, after in pairwise(steps):
        best = int(np.argmax(requirement * before["change"]))
        assert np.array_equal(after["allocation"], np.eye(4)[best])


@pytest.mark.parametrize(("parts", "divisions"), [(1, 4), (2, 4), (3, 4), (4, 3)])
def test_simplex_grid_is_complete(parts: int, divisions: int) -> None:
    grid = simplex_grid(parts, divisions)
    whole = {c for c in product(range(divisions + 1), repeat=parts) if sum(c) == divisions}
    assert {tuple(np.round(row * divisions).astype(int)) for row in grid} == whole
    assert len(grid) == comb(divisions + parts - 1, parts - 1)


def test_grid_search_finds_the_best_mixture_without_noise() -> None:
    world = random_world(7, capabilities=3, noise=0)
    task = world.task("skill_0")
    env = DistillEnv(world, "skill_0", 30_000_000, steps=4)
    rows, _ = rollout([env], GridSearched(trial_share=0.999), [0])
    values = {
        tuple(mixture): float(task.utility(world.static_profile(mixture, 0.999 * 30_000_000)))
        for mixture in simplex_grid(3, 4)
    }
    assert tuple(allocations(rows)[0]) == max(values, key=values.__getitem__)
    assert rows[-1]["totals"]["search"] == 15 * int(0.999 * 30_000_000)


def test_charged_search_is_paid_from_the_budget() -> None:
    env = DistillEnv(WORLD, budget=20_000_000, steps=20)
    rows, _ = rollout([env], load_allocator("grid-charged"), [0])
    totals = rows[-1]["totals"]
    assert totals["search"] == 0
    assert totals["student"] == 20_000_000
    assert sum(row["tokens"] for row in decisions(rows)) == 20_000_000 - 15 * 400_000
    with pytest.raises(ConfigError, match="use the whole budget"):
        rollout([env], GridSearched(charge=True, trial_share=0.1), [0])


def test_random_draws_anew_each_step() -> None:
    chosen = allocations(rollout([DistillEnv(WORLD)], load_allocator("random"), [0])[0])
    mixed = chosen[np.count_nonzero(chosen, axis=1) > 1]
    assert len(mixed) > 5
    assert len(np.unique(mixed.round(12), axis=0)) == len(mixed)


def test_the_prior_of_sources_without_a_capability_of_their_name() -> None:
    requirement = np.array([0.5, 0.3, 0.2])
    prior = source_prior(requirement, ("a", "b", "c"), ("b", "x", "y"))
    assert np.allclose(prior, [0.3, 0.35, 0.35])
    assert np.allclose(source_prior(requirement, ("a", "b", "c"), ("a", "b")), [0.6, 0.4])
    assert np.allclose(source_prior(requirement, ("a", "b", "c"), ("x", "y")), [0.5, 0.5])


def test_no_two_names_have_one_line_in_the_list() -> None:
    from readsim.cli.allocators import rule_line

    lines = [rule_line(name) for name in (*BUILT_IN, *ON_REQUEST)]
    assert len(set(lines)) == len(lines)
    assert rule_line("front-loaded").endswith("the same total over the run (shape = front).")
    assert rule_line("uniform") == "alpha = 1/S at every step."

"""What every allocator promises, and what each rule does."""

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context, Setup
from readsim.allocators.grid import GridSearched, simplex_grid
from readsim.allocators.read import ReAD, calibrate, upper_confidence
from readsim.allocators.read_config import ReADConfig, provenance_table, read_config
from readsim.allocators.registry import BUILT_IN, allocator_names, describe, load_allocator
from readsim.checkpoint import load_tree, save_tree
from readsim.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim.reward import RewardConfig
from readsim.rollout import rollout, setup_for
from readsim.setting import source_prior
from readsim.worlds import load_world, optimum, random_world
from tests.test_env import FakeBackend

WORLD = "random:seed=5,capabilities=4"
SMALL = {"pool": 64}


def build(name: str) -> Allocator:
    learns = BUILT_IN[name][0].endswith(":ReAD")
    return load_allocator(name, SMALL if learns else {})


def final_utility(world, allocator, seed=0, **settings):
    env = DistillEnv(world, **settings)
    rows, _ = rollout([env], allocator, [seed])
    return next(row["utility"] for row in rows if row["kind"] == "final")


def allocations(rows):
    return np.array([row["allocation"] for row in rows if row["kind"] == "step"])


@pytest.mark.parametrize("name", BUILT_IN)
class TestContract:
    def test_points_of_the_simplex_and_determinism(self, name):
        runs = [rollout([DistillEnv(WORLD, steps=6)], build(name), [3])[0] for _ in "ab"]
        chosen = allocations(runs[0])
        assert np.allclose(chosen.sum(axis=1), 1.0)
        assert (chosen >= 0).all()
        assert np.array_equal(chosen, allocations(runs[1]))

    def test_a_run_does_not_depend_on_the_others_of_its_batch(self, name):
        alone, _ = rollout([DistillEnv(WORLD, steps=5)], build(name), [4])
        batch, _ = rollout([DistillEnv(WORLD, steps=5) for _ in "abc"], build(name), [9, 4, 2])
        inside = [row for row in batch if row["seed"] == 4]
        assert repr(alone) == repr(inside)

    def test_its_state_survives_a_file(self, name, tmp_path):
        allocator = build(name)
        env = DistillEnv(WORLD, steps=5)
        env.reset(seed=1)
        state = allocator.init(setup_for(env, allocator, 1))
        save_tree(tmp_path / "state", state)
        save_tree(tmp_path / "again", load_tree(tmp_path / "state"))
        assert (tmp_path / "state").read_bytes() == (tmp_path / "again").read_bytes()

    def test_rectangular_and_tiny_worlds(self, name):
        for world in ("random:sources=5,capabilities=2", "random:capabilities=1"):
            rows, _ = rollout([DistillEnv(world, steps=3)], build(name), [0])
            assert np.allclose(allocations(rows).sum(axis=1), 1.0)

    def test_it_describes_itself(self, name):
        assert len(describe(name)) > 20


def test_only_declared_needs_are_met():
    env = DistillEnv(WORLD)
    env.reset(seed=0)
    plain = setup_for(env, load_allocator("uniform"), 0)
    assert (plain.world, plain.task, plain.trial, plain.transitions) == (None,) * 4
    oracle = setup_for(env, load_allocator("oracle-static"), 0)
    assert oracle.world is env.backend.world


def test_a_backend_without_a_world_is_said_by_name():
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    with pytest.raises(CapabilityMissingError, match="OracleStatic needs 'world'"):
        setup_for(env, load_allocator("oracle-static"), 0)
    with pytest.raises(CapabilityMissingError, match="ReAD needs 'transitions'"):
        setup_for(env, load_allocator("read"), 0)

    class Curious(Allocator):
        needs = frozenset({"everything"})

    with pytest.raises(ConfigError, match="needs names 'everything'"):
        setup_for(env, Curious(), 0)


def test_static_rules():
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


def test_greedy_last_follows_the_largest_required_gain():
    rows, _ = rollout([DistillEnv(WORLD, steps=8)], load_allocator("greedy-last"), [0])
    steps = [row for row in rows if row["kind"] == "step"]
    requirement = load_world(WORLD).task("skill_0").requirement
    assert np.allclose(steps[0]["allocation"], requirement)
    for before, after in zip(steps[:-1], steps[1:], strict=True):
        best = int(np.argmax(requirement * before["change"]))
        assert np.array_equal(after["allocation"], np.eye(4)[best])


@pytest.mark.parametrize(("parts", "divisions"), [(1, 4), (2, 4), (3, 4), (4, 3)])
def test_simplex_grid_is_complete(parts, divisions):
    from itertools import product
    from math import comb

    grid = simplex_grid(parts, divisions)
    whole = {c for c in product(range(divisions + 1), repeat=parts) if sum(c) == divisions}
    assert {tuple(np.round(row * divisions).astype(int)) for row in grid} == whole
    assert len(grid) == comb(divisions + parts - 1, parts - 1)


def test_grid_search_finds_the_best_mixture_without_noise():
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


def test_charged_search_is_paid_from_the_budget():
    env = DistillEnv(WORLD, budget=20_000_000, steps=20)
    rows, _ = rollout([env], load_allocator("grid-charged"), [0])
    totals = rows[-1]["totals"]
    assert totals["search"] == 0
    assert totals["student"] == 20_000_000
    assert sum(row["tokens"] for row in rows if row["kind"] == "step") == 20_000_000 - 15 * 400_000
    with pytest.raises(ConfigError, match="use the whole budget"):
        rollout([env], GridSearched(charge=True, trial_share=0.1), [0])


def test_random_draws_anew_each_step():
    chosen = allocations(rollout([DistillEnv(WORLD)], load_allocator("random"), [0])[0])
    mixed = chosen[np.count_nonzero(chosen, axis=1) > 1]
    assert len(mixed) > 5
    assert len(np.unique(mixed.round(12), axis=0)) == len(mixed)


def test_the_prior_of_sources_without_a_capability_of_their_name():
    requirement = np.array([0.5, 0.3, 0.2])
    prior = source_prior(requirement, ("a", "b", "c"), ("b", "x", "y"))
    assert np.allclose(prior, [0.3, 0.35, 0.35])
    assert np.allclose(source_prior(requirement, ("a", "b", "c"), ("a", "b")), [0.6, 0.4])
    assert np.allclose(source_prior(requirement, ("a", "b", "c"), ("x", "y")), [0.5, 0.5])


# ------------------------------------------------------------------------------------ ReAD


def recorded(allocator, world=WORLD, steps=8, seed=0, **settings):
    rows, _ = rollout([DistillEnv(world, steps=steps, **settings)], allocator, [seed])
    return [row for row in rows if row["kind"] == "step"]


def test_upper_confidence_is_greedy_at_zero_and_curious_at_infinity():
    mu, sigma = np.array([1.0, 0.9, 0.0]), np.array([0.1, 0.4, 0.5])
    assert int(np.argmax(upper_confidence(mu, sigma, 0.0))) == 0
    assert int(np.argmax(upper_confidence(mu, sigma, 1.0))) == 1
    assert int(np.argmax(upper_confidence(mu, sigma, 1e6))) == 2


def test_affine_calibration_is_least_squares_and_cannot_change_a_choice():
    rng = np.random.default_rng(0)
    proxy = rng.random(9)
    a, b = calibrate(proxy, 3.0 * proxy - 2.0)
    assert (a, b) == pytest.approx((3.0, -2.0))
    assert calibrate(proxy[:1], proxy[:1]) == (1.0, 0.0)
    mu, sigma = rng.random(50), rng.random(50)
    best = np.argmax(upper_confidence(mu, sigma, 0.7))  # Lemma L7
    assert best == np.argmax(a * mu + b + 0.7 * a * sigma)


def test_kappa_shrinks_exactly_at_checkpoints_without_improvement():
    steps = recorded(ReAD(**SMALL, kappa=2.0, kappa_decay=0.5), steps=20)
    requirement = load_world(WORLD).task("skill_0").requirement
    kappa, last = 2.0, -np.inf
    for row in steps:
        assert row["report"]["kappa"] == pytest.approx(kappa)
        if row["dev_profile"] is not None:
            utility = float(requirement @ row["dev_profile"])
            kappa *= 0.5 if utility <= last else 1.0
            last = utility
    assert kappa < 2.0  # noise makes at least one checkpoint fall back


def test_no_adaptation_keeps_its_first_choice():
    chosen = np.array([r["allocation"] for r in recorded(ReAD("no-adaptation", **SMALL))])
    assert (chosen == chosen[0]).all()


def test_no_interaction_changes_nothing_where_nothing_is_harmed():
    world = random_world(3, capabilities=4, negative=0.0, noise=0)
    full, ablated = (recorded(ReAD(v, **SMALL), world) for v in ("full", "no-interaction"))
    assert repr(full) == repr(ablated)


def test_no_interaction_scores_without_the_penalty():
    world = random_world(3, capabilities=4, negative=1.0, coupling=1.0, noise=0)
    task = world.task("skill_0")
    for row in recorded(ReAD("no-interaction", **SMALL), world):
        cost = RewardConfig().cost / 8
        assert row["report"]["reward"] == pytest.approx(task.requirement @ row["change"] - cost)


def test_no_identification_does_not_look_at_the_requirement():
    one, two = (
        recorded(ReAD("no-identification", **SMALL), task=task) for task in ("skill_0", "skill_1")
    )
    assert [r["allocation"].tolist() for r in one] == [r["allocation"].tolist() for r in two]


def test_ablations_without_history_or_budget_do_not_see_them():
    setup = setup_for_read()
    context = context_of(setup)
    for variant, hidden in (("no-history", 1), ("greedy", 2)):
        allocator = ReAD(variant, **SMALL)
        width = allocator._rows(context, context.candidates).shape[1]
        full = ReAD(**SMALL)._rows(context, context.candidates).shape[1]
        assert full - width == len(context.history) + (hidden - 1)


def setup_for_read() -> Setup:
    env = DistillEnv(WORLD)
    env.reset(seed=0)
    return setup_for(env, ReAD(**SMALL), 0)


def context_of(setup: Setup) -> Context:
    return Context(setup, 0, np.full(4, 0.3), 1.0, np.zeros(3 * 10), setup.prior)


def test_without_a_pool_it_learns_from_the_run_alone():
    allocator = ReAD(pool=0)
    assert allocator.needs == frozenset()
    env = DistillEnv(WORLD)
    rows, _ = rollout([env], allocator, [0])
    assert rows[-1]["totals"]["offline"] == 0
    assert len({tuple(a) for a in allocations(rows)}) > 1


def test_the_pool_is_reported_as_offline_tokens():
    rows, _ = rollout([DistillEnv(WORLD, budget=2000, steps=20)], ReAD(**SMALL), [0])
    assert rows[-1]["totals"]["offline"] == 64 * 100


def test_with_clean_probes_it_beats_uniform_and_random():
    world = random_world(11, capabilities=5, noise=0, coupling=0.2)
    seeds = range(4)
    mean = {
        name: np.mean([final_utility(world, load_allocator(name), s) for s in seeds])
        for name in ("uniform", "random", "read", "oracle-static")
    }
    assert mean["read"] > max(mean["uniform"], mean["random"])
    assert mean["read"] <= mean["oracle-static"] + 1e-9


def test_every_default_says_where_it_comes_from():
    rows = provenance_table(ReADConfig())
    assert {name for name, _, _ in rows} == set(ReADConfig.__dataclass_fields__)
    assert all(source.split()[0].strip(",:") in ("paper", "code", "inferred", "ours") for *_, source in rows)
    changed = dict((name, source) for name, _, source in provenance_table(read_config("greedy")))
    assert changed["kappa"].startswith("set by")


# --------------------------------------------------------------------------------- registry


class Favourite(Allocator):
    """Everything on the capability that is required most."""

    def select(self, state, context):
        return context.requirement == context.requirement.max()


class Silent(Allocator):
    """Defines nothing."""


class NotOne:
    """Not an allocator."""


def test_a_users_class_works_by_path():
    rows, _ = rollout([DistillEnv(WORLD)], load_allocator("tests.test_allocators:Favourite"), [0])
    assert np.array_equal(allocations(rows)[0], np.eye(4)[0])
    assert describe("tests.test_allocators:Favourite").startswith("Everything")


@pytest.mark.parametrize(
    ("name", "settings", "error", "fragment"),
    [
        ("raed", {}, UnknownNameError, "did you mean 'read'"),
        ("nowhere.at.all:Thing", {}, UnknownNameError, "cannot import 'nowhere.at.all'"),
        ("tests.test_allocators:Favorite", {}, UnknownNameError, "did you mean 'Favourite'"),
        ("tests.test_allocators:NotOne", {}, ConfigError, "not a readsim.Allocator"),
        ("tests.test_allocators:Silent", {}, ConfigError, "defines no select"),
        ("uniform", {"speed": 3}, ConfigError, "speed"),
        ("read", {"kapa": 3}, UnknownNameError, "did you mean 'kappa'"),
        ("read", {"kappa": -1.0}, ConfigError, "kappa = -1.0"),
        ("read", {"kappa_decay": 2.0}, ConfigError, "kappa_decay = 2.0"),
        ("read", {"pool": 1.5}, ConfigError, "pool = 1.5"),
        ("read", {"variant": "no-adaption"}, UnknownNameError, "did you mean 'no-adaptation'"),
        ("grid", {"top": 0}, ConfigError, "top = 0"),
        ("grid", {"trial_share": 1.0}, ConfigError, "trial_share = 1.0"),
    ],
)
def test_what_cannot_be_built_is_said(name, settings, error, fragment):
    with pytest.raises(error, match=fragment):
        load_allocator(name, settings)


def test_a_one_hot_source_must_exist():
    with pytest.raises(UnknownNameError, match="unknown source 'skill_7'"):
        rollout([DistillEnv(WORLD)], load_allocator("one-hot", {"source": "skill_7"}), [0])


def test_entry_points_are_found(monkeypatch):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("favourite", "tests.test_allocators:Favourite", "readsim.allocators")
    monkeypatch.setattr(
        "readsim.allocators.registry.entry_points", lambda group: [entry] if "readsim" in group else []
    )
    assert "favourite" in allocator_names()
    assert isinstance(load_allocator("favourite"), Allocator)

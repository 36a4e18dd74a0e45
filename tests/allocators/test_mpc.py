"""Planning allocators: never below what they bound, where they win, and where they must lose."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.allocators import oracles as oracle
from readsim.allocators.base import Context
from readsim.allocators.mpc import MPC
from readsim.allocators.oracles import OraclePlanning
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.loop import rollout
from readsim.worlds import World, load_world
from readsim.worlds.schedule import Schedule, best_schedule
from readsim.worlds.terms.learning_rate import LearningRate
from readsim.worlds.token_repetition import unique_worth
from tests.support.helpers import allocations
from tests.support.made_setups import clean_world, drive, setup


def mean(
    world: World,
    task: str,
    budget: int,
    name: str,
    seeds: Sequence[int] = (0,),
    **changes: Any,
) -> float:
    """Mean final utility of runs with these seeds."""
    envs = [DistillEnv(world, task, budget) for _ in seeds]
    rows, _ = rollout(envs, load_allocator(name, changes), list(seeds))
    return float(np.mean([row["utility"] for row in rows if row["kind"] == "final"]))


# --- the oracle


@pytest.mark.parametrize("name", ["read8-llama", "finite-pools", "hidden-safety"])
def test_the_planning_oracle_is_the_static_one_where_order_is_idle(name: str) -> None:
    world = load_world(name)
    plans = []
    for oracle_name in ("oracle-planning", "oracle-static"):
        env = DistillEnv(world, world.task_names[0], 20_000_000, steps=7)
        plans.append(allocations(rollout([env], load_allocator(oracle_name), [0])[0]))
    assert np.allclose(plans[0], plans[1], rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "gain"),
    [("gateway", "math", 0.03), ("drift", "code", 0.03), ("forgetting", "tutor", 0.02)],
)
def test_planning_pays_where_order_matters(name: str, task: str, gain: float) -> None:
    world = load_world(name)
    static, planned = (
        mean(world, task, 20_000_000, n) for n in ("oracle-static", "oracle-planning")
    )
    assert planned > static + gain
    known = best_schedule(world, world.task(task), 20_000_000).utility
    assert planned == pytest.approx(known, abs=1e-9)


def test_runs_of_a_cell_share_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []

    def counted(world: World, task: Any, budget: float, steps: int, phases: int) -> Schedule:
        asked.append((task.name, steps, phases))
        return best_schedule(world, task, budget, steps, phases)

    monkeypatch.setattr(oracle, "best_schedule", counted)
    world = load_world("drift")
    envs = [DistillEnv(world, t, 20_000_000, steps=6) for t in ("math", "math", "code", "math")]
    rows, _ = rollout(envs, OraclePlanning(phases=3), [0, 1, 2, 3])
    assert asked == [("math", 6, 3), ("code", 6, 3)]
    plans = [allocations([r for r in rows if r.get("seed") == n]) for n in range(4)]
    assert np.array_equal(plans[0], plans[1])
    assert not np.allclose(plans[0], plans[2])


def test_fewer_phases_in_short_runs_and_with_many_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(world: World, task: Any, budget: float, steps: int, phases: int) -> Schedule:
        asked.append(phases)
        plan = np.full((steps, len(world.sources)), 1.0 / len(world.sources))
        return Schedule(plan, (1,) * steps, 0.0, 0.0)

    monkeypatch.setattr(oracle, "best_schedule", counted)
    for name, steps in (("drift", 1), ("drift", 4), ("drift", 40), ("random:capabilities=90", 40)):
        world = load_world(name)
        env = DistillEnv(world, world.task_names[0], 20_000_000, steps=steps)
        rollout([env], OraclePlanning(), [0])
    assert asked == [1, 4, 10, 2]


# --- MPC


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mpc_comes_close_to_the_optimum_where_its_law_holds_and_nothing_is_noisy(seed: int) -> None:
    world = load_world(f"random:seed={seed},capabilities=4,noise=0")
    names = ("mpc", "task-static", "oracle-static")
    found, static, best = (mean(world, "skill_0", 60_000_000, n) for n in names)
    assert static < found <= best + 1e-12
    assert best - found < 0.1 * (best - static)


def test_mpc_plans_mixtures_that_a_grid_does_not_hold() -> None:
    world = clean_world(
        start=[0.3] * 3,
        help=[[0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]],
        scale_tokens=[1e6, 8e6, 6.4e7],
        tasks={"t": {"requirement": {"a": 0.5, "b": 0.25, "c": 0.25}}},
    )
    names = ("mpc", "grid", "task-static", "oracle-static")
    found, grid, static, best = (mean(world, "t", 20_000_000, n) for n in names)
    assert found > max(grid, static)
    assert best - found < 0.002


def test_mpc_does_not_see_a_gate() -> None:
    """Trials are too short to open it: the plan is what the law fits, and ends below static."""
    world = load_world("gateway").replace(items=np.zeros(5))
    static, planned = (mean(world, "math", 20_000_000, n) for n in ("oracle-static", "mpc"))
    assert planned < static - 0.02


@pytest.mark.slow
def test_mpc_follows_noise_where_trials_show_nothing_else() -> None:
    world = load_world("read8-llama")
    seeds = range(3)
    noisy, uninformed = (mean(world, "math", 1_000_000, n, seeds) for n in ("mpc", "task-static"))
    assert noisy < uninformed


def test_the_run_corrects_what_short_trials_missed() -> None:
    """Harm of source a starts after the trials: only the run's own measurements show it."""
    world = clean_world(
        start=[0.5] * 3,
        help=[[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]],
        harm=[[0, 0.3, 0.3], [0, 0, 0], [0, 0, 0]],
        scale_tokens=[4e6, 2e7, 2e7],
        tasks={"t": {"requirement": {"a": 0.5, "b": 0.25, "c": 0.25}}},
    )
    corrected = mean(world, "t", 40_000_000, "mpc")
    assert corrected > mean(world, "t", 40_000_000, "mpc", trial_share=0.02, refits=0)


Trial = Callable[[Array, int, bool], Array]


def linear_trial(per_token: Sequence[Sequence[float]]) -> tuple[Trial, list[tuple[float, bool]]]:
    """A trial that adds `per_token` (S, V) for each token; what it was asked is kept."""
    asked: list[tuple[float, bool]] = []

    def trial(mixture: Array, tokens: int, charge: bool) -> Array:
        asked.append((tokens, charge))
        out: Array = (mixture * tokens) @ np.array(per_token)
        return out

    return trial, asked


def test_trials_are_uncharged_and_each_source_is_tried_alone() -> None:
    trial, asked = linear_trial([[1e-5, 0.0], [0.0, 1e-5]])
    state = MPC(mixtures=3).init(setup((0.5, 0.5), trial=trial))
    assert asked == [(2_000, False)] * 5
    assert np.allclose(state["tokens"][:2], 2_000 * np.eye(2))
    assert np.allclose(state["tokens"].sum(axis=1), 2_000)


def test_tokens_count_by_the_learning_rate_that_they_meet() -> None:
    """The law is of tokens times their rate, which is higher in a trial than in a late decision."""
    rate = LearningRate("cosine")
    trial, asked = linear_trial([[1e-5, 0.0], [0.0, 1e-5]])
    chosen = setup((0.5, 0.5), trial=trial, learning_rate=rate)
    played, state = drive(MPC(mixtures=3), chosen, [(0.3, 0.3), (0.31, 0.31), (0.32, 0.32)])
    assert [tokens for tokens, _ in asked] == [2_000] * 5
    assert state["tokens"].sum(axis=1) == pytest.approx(2_000 * rate.mean(0.0, 0.1))
    counted = 1_000 * np.cumsum(played[:2] * rate.of_steps(20)[:2, None], axis=0)
    assert state["spent"][1:] == pytest.approx(counted)
    assert len(state["spent"]) == 3


def test_one_source_needs_no_trial() -> None:
    trial, asked = linear_trial([[1e-5]])
    played, _ = drive(MPC(), setup((1.0,), trial=trial), [(0.3,)] * 4)
    assert asked == []
    assert played.tolist() == [[1.0]] * 4


def test_known_pools_bound_what_is_planned() -> None:
    """Source a teaches twice as fast; with few distinct tokens of it the plan goes elsewhere."""
    shares = []
    for pool in (np.inf, 100.0):
        pools = np.array([pool, np.inf])

        def trial(mixture: Array, tokens: int, charge: bool, pools: Array = pools) -> Array:
            out: Array = unique_worth(mixture * tokens, pools) * [2e-5, 1e-5]
            return out

        played, _ = drive(MPC(), setup((0.5, 0.5), trial=trial, pools=pools), [(0.3, 0.3)])
        shares.append(played[0, 0])
    assert shares[0] > 0.9
    assert shares[1] < 0.4


def test_what_is_already_spent_counts() -> None:
    """Concave gains: a start that went to source a alone is made up for by source b."""
    trial, _ = linear_trial([[1e-5, 0.0], [0.0, 1e-5]])
    chosen = setup((0.5, 0.5), trial=trial)
    allocator = MPC(refits=0)
    state = allocator.init(chosen) | {"start": np.array([0.3, 0.3])}
    state["world"] = {
        "name": "fitted",
        "sources": ["a", "b"],
        "capabilities": ["a", "b"],
        "dynamics": "potential",
        "link": "saturating",
        "start": [0.3, 0.3],
        "floor": [0.0, 0.0],
        "ceiling": [0.9, 0.9],
        "gain": "log",
        "scale_tokens": [1_000.0, 1_000.0],
        "help": [[0.1, 0.0], [0.0, 0.1]],
    }
    state["spent"] = np.array([[0.0, 0.0], [6_000.0, 0.0]])
    context = Context(
        setup=chosen,
        step=6,
        profile=np.array([0.4, 0.3]),
        budget_left=0.7,
        history=np.zeros(0),
        previous=chosen.prior,
    )
    shares = np.asarray(allocator.select(state, context))
    assert np.allclose(shares, [4_000 / 14_000, 10_000 / 14_000], atol=1e-4)


profiles = st.tuples(*[st.sampled_from([0.0, 0.2, 0.999, 1.0])] * 2)


@settings(max_examples=8)
@given(st.lists(profiles, min_size=2, max_size=3), st.sampled_from([-1.0, 0.0, 1.0]))
def test_measurements_at_the_edges_stay_on_the_simplex(
    path: list[tuple[float, ...]], change: float
) -> None:
    trial = linear_trial([[change / 2_000, 0.0], [0.0, -change / 2_000]])[0]
    for scores in (True, False):
        shown = path if scores else [tuple(v - 1.0 for v in p) for p in path]
        chosen = setup((0.5, 0.5), trial=trial, scores=scores)
        played, _ = drive(MPC(mixtures=3), chosen, shown)
        assert np.isfinite(played).all()
        assert (played >= 0).all()
        assert np.allclose(played.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("mpc", {"mixtures": 1}),
        ("mpc", {"trial_share": 0.0}),
        ("mpc", {"trial_share": 1.5}),
        ("mpc", {"refits": -1}),
        ("mpc", {"reach": 0.0}),
        ("mpc", {"harm": 1}),
        ("oracle-planning", {"phases": 0}),
        ("oracle-planning", {"phases": 2.5}),
    ],
)
def test_bad_settings(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        load_allocator(name, bad)


def test_a_setup_without_what_is_needed_is_refused() -> None:
    with pytest.raises(CapabilityMissingError, match="undo a trial"):
        MPC().init(setup())
    with pytest.raises(CapabilityMissingError, match="simulated world"):
        OraclePlanning().init(setup())

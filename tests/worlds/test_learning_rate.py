"""The learning rate of a run: its formulas, what it does to a world, and how the budget reaches it."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.errors import ConfigError, WorldError
from readsim.runs.loop import rollout
from readsim.simulator import SimBackend
from readsim.testing import check_backend
from readsim.worlds import World, load_world
from readsim.worlds.terms.learning_rate import KINDS, LearningRate
from tests.support import plain
from tests.support.made_worlds import made
from tests.support.plain import close
from tests.support.strategies import few, schedules, terms, worlds

RATES = [
    LearningRate("constant", warmup=0.2),
    LearningRate("linear", warmup=0.1, end=0.0),
    LearningRate("cosine", warmup=0.03),
    LearningRate("cosine"),
    LearningRate("wsd", warmup=0.1, end=0.2, decay=0.3),
]


def rate(schedule: LearningRate, s: float) -> float:
    """The formulas of the module, one number at a time."""
    if s < schedule.warmup:
        return s / schedule.warmup
    t, fall = (s - schedule.warmup) / (1 - schedule.warmup), 1 - schedule.end
    late = max(s - 1 + schedule.decay, 0.0) / schedule.decay
    after: dict[str, float] = {
        "constant": 1.0,
        "linear": 1 - fall * t,
        "cosine": schedule.end + fall * (1 + np.cos(np.pi * t)) / 2,
        "wsd": 1 - fall * late,
    }
    return after[schedule.kind]


def mean(schedule: LearningRate, first: float, last: float) -> float:
    """The mean rate between two shares of the budget, by quadrature."""
    from scipy.integrate import quad

    kinks = [v for v in (schedule.warmup, 1 - schedule.decay) if first < v < last]
    summed = quad(lambda s: rate(schedule, s), first, last, points=kinks or None, epsabs=1e-13)
    return float(summed[0] / (last - first))


@pytest.mark.parametrize("schedule", RATES, ids=str)
def test_rates_and_means(schedule: LearningRate) -> None:
    shares = np.linspace(0.0, 1.0, 38)
    assert close(schedule.rate(shares), [rate(schedule, s) for s in shares.tolist()], 1e-14)
    expected = [mean(schedule, a, b) for a, b in pairwise(shares.tolist())]
    assert close(schedule.mean(shares[:-1], shares[1:]), expected, 1e-10)
    assert close(schedule.of_steps(37), expected, 1e-10)
    assert schedule.mean(0.4, 0.4) == pytest.approx(rate(schedule, 0.4))
    # behind its end it stays at its last rate
    assert schedule.mean(1.0, 1.5) == pytest.approx(rate(schedule, 1.0))
    assert schedule.rate(2.0) == pytest.approx(rate(schedule, 1.0))


def test_a_late_token_of_a_cosine_counts_a_tenth() -> None:
    paces = LearningRate("cosine").of_steps(20)
    assert paces[0] == pytest.approx(1.0, abs=2e-3)
    assert paces[-1] == pytest.approx(0.1, abs=2e-3)
    assert paces.mean() == pytest.approx(0.55)
    assert LearningRate().of_steps(3).tolist() == [1.0, 1.0, 1.0]
    assert [LearningRate(kind).is_constant for kind in KINDS] == [True, False, False, False]


# ----------------------------------------------------------------- worlds


@few
@given(worlds(("separable", "potential", "flow", "artifact")), st.sampled_from(RATES), st.data())
def test_tokens_count_for_the_rate_that_they_meet(
    world: World, schedule: LearningRate, data: st.DataObject
) -> None:
    table = {name: getattr(schedule, name) for name in ("kind", "warmup", "end", "decay")}
    world = data.draw(terms(world, ("overtraining", "interference", "rehearsal", "formats")))
    paced = world.replace(schedule=table)
    plan = data.draw(schedules(world.shape[0]))
    total = plan.sum()
    done = np.concatenate([[0.0], plan.sum(axis=1).cumsum()]) / max(total, 1.0)
    paces = [mean(schedule, a, b) if b > a else 1.0 for a, b in pairwise(done.tolist())]
    if world.dynamics == "flow":
        expected = plain.flow(world, plan.tolist(), paces)
    else:
        counted = plan * np.array(paces)[:, None]
        expected = world.profile_after(counted).tolist()
    assert close(paced.profile_after(plan), expected, 1e-8)
    assert not paced.order_free


def test_a_drift_of_the_data_comes_after_plain_tokens() -> None:
    """The data change when they change, whatever the learning rate is."""
    fields: dict[str, Any] = {
        "sources": ["a", "b"],
        "capabilities": ["skill"],
        "dynamics": "flow",
        "gain": "log",
        "help": [[0.3], [0.0]],
        "drift": {"after_tokens": 5e6, "help": [[0.0], [0.3]]},
        "schedule": {"kind": "linear", "end": 0.0},
    }
    world, [first, second] = made(**fields), np.eye(2) * 5e6
    assert world.profile_after([second, first]) == pytest.approx(world.start, abs=1e-12)
    z = world.link_function.inverse(world.profile_after([first, second]))[0]
    assert z == pytest.approx(0.3 * (np.log1p(0.5 * 0.75) + np.log1p(0.5 * 0.25)), abs=1e-12)


def test_what_comes_first_counts_more_and_a_stop_comes_before_the_end() -> None:
    world = made(help=[[0.2, 0.0], [0.0, 0.2]], schedule="cosine")
    one, other = world.profile_after([np.array([1e7, 0.0]), np.array([0.0, 1e7])])
    assert one - 0.3 > 1.5 * (other - 0.3)
    half = np.array([1e7, 0.0])
    assert world.profile_after([half], 2e7)[0] == pytest.approx(one, abs=1e-12)
    assert world.profile_after([half])[0] < one  # a run of its own has a low rate at its end
    assert world.transfer_matrix(0.0) == pytest.approx(np.zeros((2, 2)))


def test_a_model_without_its_budget_says_so() -> None:
    world = made(schedule="cosine")
    with pytest.raises(ConfigError, match=r"cosine learning rate .*World.initial"):
        world.model.initial(world.rate())
    with pytest.raises(ConfigError, match="plan_budget"):
        SimBackend(world).reset(0)
    assert SimBackend(world, 100).reset(0).profile.shape == (2,)


# ----------------------------------------------------------------- environments


def all_terms(**changes: Any) -> World:
    """Every term at once, with noise, on three capabilities of the random family."""
    world = load_world("random:seed=4,capabilities=3,dynamics=flow")
    names = list(world.capabilities)
    written: dict[str, object] = {
        "name": "prose",
        "sources": {names[0]: 1.0},
        "scores": {names[1]: -0.1, names[2]: 0.05},
        "tokens": 3e5,
    }
    fields: dict[str, Any] = {
        "overtraining_tokens": np.full(3, 5e7),
        "pool_tokens": np.full(3, 2e6),
        "repetition_harm": np.full(3, 0.1),
        "interference_limit": np.array([0.05, np.inf, 0.1]),
        "rehearsal_share": np.full(3, 0.1),
        "formats": (written,),
        "schedule": {"kind": "cosine", "warmup": 0.05},
        "efficiency_sd": np.full(3, 0.2),
    }
    return world.replace(**{**fields, **changes})


@pytest.mark.parametrize("budgets", [30_000_000, [10_000_000, 30_000_000, 40_000_000]])
def test_vector_and_single_runs_are_the_same(budgets: Any) -> None:
    """Each run has the schedule of its own budget, also after a reset that changes one."""
    world, steps = all_terms(), 4
    actions = np.random.default_rng(0).dirichlet(np.ones(3), (2 * steps + 1, 3))
    many = DistillVectorEnv(3, world, steps=steps)
    many.reset(seed=5, options={"budget": budgets})
    seen = [many.step(a)[0]["profile"] for a in actions]
    for n in range(3):
        one = DistillEnv(world, steps=steps)
        budget = budgets if isinstance(budgets, int) else budgets[n]
        one.reset(seed=5 + n, options={"budget": budget})
        for t in range(steps):
            assert one.step(actions[t, n])[0]["profile"] == pytest.approx(seen[t][n], abs=1e-9)
        assert one.reset()[0]["profile"] == pytest.approx(seen[steps][n], abs=1e-9)
        for t in range(steps + 1, 2 * steps + 1):
            assert one.step(actions[t, n])[0]["profile"] == pytest.approx(seen[t][n], abs=1e-9)


def test_without_noise_an_episode_is_the_worlds_own_schedule() -> None:
    quiet = {"items": np.zeros(3), "process_sd": np.zeros(3), "efficiency_sd": np.zeros(3)}
    world, steps = all_terms(**quiet), 5
    plan = np.random.default_rng(1).dirichlet(np.ones(3), steps)
    env = DistillEnv(world, budget=20_000_000, steps=steps)
    env.reset(seed=0)
    for row in plan:
        *_, info = env.step(row)
    assert info["final_profile"] == pytest.approx(world.profile_after(plan * 4e6), abs=1e-12)


def test_a_run_goes_back_to_a_snapshot_of_another_budget() -> None:
    world = all_terms()
    env, other = (DistillEnv(world, budget="30M", steps=4) for _ in range(2))
    env.reset(seed=3, options={"budget": "12M"})
    env.step(np.array([1.0, 0.0, 0.0]))
    saved = env.snapshot()
    other.reset(seed=9)
    other.restore(saved)
    for row in np.eye(3):
        a, b = env.step(row), other.step(row)
        assert np.array_equal(a[0]["profile"], b[0]["profile"])
    assert np.array_equal(env.reset()[0]["profile"], other.reset()[0]["profile"])
    assert np.array_equal(env.step(row)[0]["profile"], other.step(row)[0]["profile"])


def test_a_backend_with_all_terms_keeps_the_contract() -> None:
    world = all_terms()
    found = check_backend(lambda: SimBackend(world, 10_000))
    assert {o.status for o in found} <= {"passed", "skipped"}


class Watching(Allocator):
    """Keeps what it is told."""

    seen: Setup

    def init(self, setup: Setup) -> None:
        self.seen = setup

    def select(self, state: None, context: Context) -> Array:
        return np.ones(len(context.setup.sources))


def test_allocators_are_told_the_schedule() -> None:
    for world, kind in ((all_terms(), "cosine"), (load_world("drift"), "constant")):
        watching = Watching()
        rollout([DistillEnv(world, budget=20_000_000, steps=4)], watching, [0])
        assert watching.seen.learning_rate.kind == kind
        assert watching.seen.paces == pytest.approx(world.learning_rate.of_steps(4))


def test_a_drawn_world_under_a_schedule() -> None:
    world = load_world("random:seed=3,capabilities=4,schedule=wsd")
    assert world.learning_rate == LearningRate("wsd")
    assert np.array_equal(world.help, load_world("random:seed=3,capabilities=4").help)
    with pytest.raises(WorldError, match="did you mean 'cosine'"):
        load_world("random:schedule=cosin")

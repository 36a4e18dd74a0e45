"""Static schedules: the tokens of task-static, in another order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.registry import load_allocator
from readsim.allocators.schedules import SHAPES, TargetSchedule, target_shares, water_filled
from readsim.envs.env import DistillEnv
from readsim.errors import UnknownNameError
from readsim.runs.loop import rollout
from readsim.worlds import load_world
from readsim.worlds.terms.learning_rate import KINDS, LearningRate
from tests.support.helpers import allocations
from tests.support.made_setups import setup

NAMES = {
    "target-first": "first",
    "front-loaded": "front",
    "target-last": "last",
    "linear-ramp": "down",
    "cosine-matched": "rate",
}
heights = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12)


@given(st.floats(0.0, 1.0), heights)
def test_water_fills_to_the_mass_and_no_higher_than_all(
    mass: float, given_heights: list[float]
) -> None:
    h = np.array(given_heights)
    filled = water_filled(mass, h)
    assert filled.mean() == pytest.approx(mass, abs=1e-9)
    assert (filled >= 0.0).all()
    assert (filled <= 1.0).all()
    free = filled < 1.0 - 1e-9
    assert np.ptp(filled[free] / h[free]) < 1e-6 if free.any() else True
    if free.any() and not free.all():  # what is cut off would be above all others
        assert h[~free].min() >= h[free].max() - 1e-9


@given(
    st.sampled_from(SHAPES),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9).filter(lambda r: sum(r) > 0.1),
    st.integers(1, 25),
    st.sampled_from(KINDS),
)
def test_the_tokens_of_every_source_are_those_of_task_static(
    shape: str, weights: list[float], steps: int, kind: str
) -> None:
    r = np.array(weights) / sum(weights)
    made = setup(r.tolist(), steps=steps, learning_rate=LearningRate(kind, warmup=0.05))
    plan = TargetSchedule(shape).plan(made)
    assert plan.shape == (steps, len(r))
    assert plan.min() >= -1e-12
    assert plan.sum(axis=1) == pytest.approx(1.0)
    assert plan.mean(axis=0) == pytest.approx(made.prior, abs=1e-9)


def test_the_orders_by_hand() -> None:
    flat = np.ones(4)
    assert target_shares("first", 0.6, flat) == pytest.approx([1, 1, 0.4, 0])
    assert target_shares("last", 0.6, flat) == pytest.approx([0, 0.4, 1, 1])
    assert target_shares("down", 0.25, flat) == pytest.approx([3.5 / 8, 2.5 / 8, 1.5 / 8, 0.5 / 8])
    # 0.6 of 4 decisions = 2.4: the first is full, 1.4 falls on heights 2.5, 1.5, 0.5
    assert target_shares("down", 0.6, flat) == pytest.approx(
        [1, 1.4 * 2.5 / 4.5, 1.4 * 1.5 / 4.5, 1.4 * 0.5 / 4.5]
    )
    assert target_shares("up", 0.6, flat) == pytest.approx(target_shares("down", 0.6, flat)[::-1])
    assert target_shares("rate", 0.5, np.array([1.0, 0.5, 0.5])) == pytest.approx(
        [0.75, 0.375, 0.375]
    )


def test_what_is_played_by_hand() -> None:
    """The rest stay at their proportions; two sources that are asked for equally are both the target."""
    made = setup((0.6, 0.3, 0.1), steps=2)
    assert TargetSchedule("first").plan(made) == pytest.approx(
        np.array([[1, 0, 0], [0.2, 0.6, 0.2]])
    )
    both = setup((0.4, 0.2, 0.4), steps=2)
    assert TargetSchedule("last").plan(both) == pytest.approx(
        np.array([[0.3, 0.4, 0.3], [0.5, 0, 0.5]])
    )


@pytest.mark.parametrize("name", NAMES)
def test_average_tasks_and_constant_rates_leave_no_order(name: str) -> None:
    even = setup((0.25,) * 4, steps=5)
    made = load_allocator(name)
    assert isinstance(made, TargetSchedule)
    assert made.shape == NAMES[name]
    assert np.ptp(made.plan(even)) < 1e-12
    focus = setup((0.6, 0.2, 0.2), steps=5)
    assert (np.ptp(made.plan(focus), axis=0).max() < 1e-9) == (name == "cosine-matched")


def utilities(world: str, task: str, budget: int) -> dict[str, float]:
    found = {}
    for name in (*NAMES, "task-static"):
        env = DistillEnv(load_world(world).replace(items=np.zeros(0)), task, budget)
        rows, _ = rollout([env], load_allocator(name), [0])
        found[name] = float(rows[-1]["utility"])
        given_ = allocations(rows).mean(axis=0)
        assert given_ == pytest.approx(load_world(world).task(task).requirement, abs=1e-9)
    return found


def test_order_is_idle_in_worlds_of_cumulative_tokens_at_a_constant_rate() -> None:
    found = utilities("read8-llama", "math", 20_000_000)
    assert np.ptp(list(found.values())) < 1e-9


def test_order_decides_which_tokens_meet_the_high_rate() -> None:
    found = utilities("cosine", "math", 20_000_000)
    assert found["target-first"] > found["cosine-matched"] > found["task-static"]
    assert found["linear-ramp"] > found["task-static"] > found["target-last"]


def test_a_misspelt_shape_is_named() -> None:
    with pytest.raises(UnknownNameError, match="first"):
        load_allocator("target-first", {"shape": "frist"})


def test_front_loaded_keeps_a_little_for_the_second_half() -> None:
    """What won on both real pairs: the target alone, then a fifth of it."""
    made = setup([0.6, 0.2, 0.2], steps=10)
    plan = TargetSchedule("front").plan(made)
    assert plan[:5] == pytest.approx(np.tile([1.0, 0.0, 0.0], (5, 1)))
    assert plan[5:] == pytest.approx(np.tile([0.2, 0.4, 0.4], (5, 1)))
    small = TargetSchedule("front").plan(setup([0.4, 0.3, 0.3], steps=4))
    assert small[:, 0] == pytest.approx([2 / 3, 2 / 3, 0.4 / 3, 0.4 / 3])

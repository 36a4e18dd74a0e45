"""What the strategies reach: corners at paper size, one-hot requirements, every field, many sources."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from readsim.testing import allocations, measured, requirements, slow_worlds, worlds
from readsim.theory import Verdict, gains
from readsim.worlds import World, world_from_dict
from tests.support.strategies import BUDGET, few

LIGHT = settings(
    max_examples=120, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("draws", [allocations, requirements])
@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_corners_edges_and_inner_points_are_drawn(draws: Any, size: int) -> None:
    seen = {"corner": 0, "edge": 0, "inner": 0}

    @LIGHT
    @given(draws(size))
    def note(a: Any) -> None:
        assert a.sum() == pytest.approx(1.0)
        assert a.min() >= 0
        seen["corner"] += a.max() == 1
        seen["edge"] += (a > 0).sum() == 2
        seen["inner"] += (a > 0).sum() > size / 2

    note()
    assert seen["corner"] >= 12
    assert size == 1 or seen["edge"] >= 6
    assert seen["inner"] >= 12


FIELDS: dict[str, Any] = {
    "hidden": lambda w: bool(w.hidden),
    "bias": lambda w: w.probe_bias.any(),
    "efficiency": lambda w: w.efficiency_sd.any(),
    "few items": lambda w: (w.items[w.items > 0] < 64).any(),
    "pools": lambda w: np.isfinite(w.pool_tokens).any(),
    "shared curves": lambda w: w.feeds.size > 0,
    "many": lambda w: max(w.shape) > 20,
}


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_drawn(field: str) -> None:
    drawn = worlds(("separable", "potential"), most=32).flatmap(measured)
    config = settings(max_examples=300, derandomize=True, database=None)
    assert isinstance(find(drawn, lambda w: bool(FIELDS[field](w)), settings=config), World)


@few
@given(slow_worlds())
def test_slow_worlds_are_not_concave(world: World) -> None:
    task = world.task(world.capabilities[0])
    found = gains.check_world_gains(world, task, BUDGET, draws=16)
    assert found[1].statement.endswith("concave")
    assert found[1].verdict is Verdict.FAILS or world.help.max() == 0


@few
@given(worlds().flatmap(lambda w: st.one_of(st.just(w), measured(w))))
def test_a_counter_example_can_be_pasted(world: World) -> None:
    """Its repr is one expression that makes the same world."""
    again = eval(repr(world), {"world_from_dict": world_from_dict, "inf": np.inf, "nan": np.nan})
    assert repr(again) == repr(world)
    for name in ("start", "ceiling", "help", "harm", "scale_tokens"):
        np.testing.assert_array_equal(getattr(again, name), getattr(world, name))

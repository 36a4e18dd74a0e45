"""The table of `readsim.theory`: which statements survive which term, each in a world where it can fail."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import CapabilityMissingError
from readsim.theory import Result, Verdict, gains, marginals, order_effects, transfer
from readsim.theory.lemmas import one_hot_bound, static_dominance
from readsim.worlds import World, load_world, world_from_dict
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, few, schedules, tasks, terms, worlds

TOKENS = 20e6
HARM = 1.0 - np.eye(3)
WRITTEN = {"name": "f", "sources": {"a": 1.0}, "scores": {"a": -0.4, "b": 0.15}, "tokens": 3e6}

WORLDS: dict[str, dict[str, Any]] = {
    "none": {},
    "drift from the start": {"overtraining_tokens": 1.5e7},
    "repetition": {"pool_tokens": 2e5, "repetition_harm": 1.0},
    "limit": {"harm": (0.5 * HARM).tolist(), "interference_limit": 0.02, "scale_tokens": 2e6},
    "rehearsal": {"harm": (0.1 * HARM).tolist(), "dynamics": "flow", "rehearsal_share": 0.1},
    "formats": {"dynamics": "flow", "formats": [WRITTEN]},
    "learning rate": {"schedule": "cosine"},
}
PARTS = ("concave", "nondecreasing", "order-free")
STATEMENTS = ("superposition", *PARTS, "static dominance", "one-hot bound", "marginals", "order")
# Of the columns STATEMENTS. h: holds, f: fails, -: there is nothing to ask, ?: as the numbers are
TABLE = {
    "none": "hhhhhhh-",
    "drift from the start": "hffhhhh-",
    "repetition": "hffhhfh-",
    "limit": "hf?hhhh-",
    "rehearsal": "f?fffh--",
    "formats": "h?ffff-?",
    "learning rate": "hfffhhhh",
}


def world_with(term: str) -> World:
    fields: dict[str, Any] = {
        "name": "base",
        "capabilities": ["a", "b", "c"],
        "dynamics": "potential",
        "link": "saturating",
        "start": 0.3,
        "ceiling": 0.9,
        "scale_tokens": 1e7,
        "help": np.diag([0.3, 0.25, 0.2]).tolist(),
    }
    return world_from_dict({**fields, **WORLDS[term]})


def results(world: World) -> Iterator[tuple[str, Result]]:
    """Each statement by its short name; what cannot be asked is left out."""
    task = world.task("a")
    yield "superposition", transfer.check_superposition(world, TOKENS)
    for part in gains.check_world_gains(world, task, TOKENS):
        yield part.statement.rpartition(": ")[2], part
    yield "static dominance", static_dominance.check(world, task, TOKENS)
    yield "one-hot bound", one_hot_bound.check(world, TOKENS)
    if world.cumulative:
        yield "marginals", marginals.check(world, task, TOKENS)
    profile = order_effects.world_profile(world, TOKENS)
    for part in order_effects.check(profile, 3, TOKENS / 5, world.name)[1:]:
        yield "order", part


@pytest.mark.parametrize("term", TABLE)
def test_which_statements_survive(term: str) -> None:
    found = dict(results(world_with(term)))
    for name, mark in zip(STATEMENTS, TABLE[term], strict=True):
        if mark == "-":
            assert name not in found
        elif mark != "?":
            wanted = Verdict.HOLDS if mark == "h" else Verdict.FAILS
            assert found[name].verdict is wanted, (name, found[name].statistic)


def test_mixtures_beside_blocks_are_not_free_in_their_order() -> None:
    """Rehearsal: one-hot blocks commute, a block and a mixture do not."""
    world = world_with("rehearsal")
    block, other, mixture = (
        np.array(t) * 1e7 for t in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.4, 0.3, 0.3])
    )
    profile = order_effects.world_profile(world)
    assert order_effects.profile_order_gap(profile, block, other) < 1e-12
    assert order_effects.profile_order_gap(profile, block, mixture) > 1e-3


def test_the_order_gap_of_a_format_is_of_second_order_beside_its_tokens() -> None:
    slow = world_with("formats").replace(formats=({**WRITTEN, "tokens": 3e8},))
    order = order_effects.check(order_effects.world_profile(slow), 3, TOKENS / 50, "slow")[1]
    assert order.interval is not None
    assert order.interval[0] < 2.0 < order.interval[1] + 0.1


def test_marginal_gains_need_cumulative_tokens() -> None:
    world = world_with("rehearsal")
    with pytest.raises(CapabilityMissingError, match="cumulative tokens"):
        marginals.check(world, world.task("a"), TOKENS)


@few
@given(worlds(("separable",)), st.data())
def test_assumption_4_4_holds_in_tokens_times_their_rate(world: World, data: st.DataObject) -> None:
    """A separable world under any learning rate: its gains are those of the constant one."""
    paced = data.draw(terms(world, ("schedule",)))
    plan = data.draw(schedules(world.shape[0]))
    done = np.concatenate([[0.0], plan.sum(axis=1).cumsum()]) / max(plan.sum(), 1.0)
    counted = plan * paced.learning_rate.mean(done[:-1], done[1:])[:, None]
    end = paced.profile_after(plan)
    assert close(end, world.profile_after([counted.sum(axis=0)]), 1e-10)
    assert close(end, world.profile_after(counted[::-1]), 1e-10)


@few
@given(worlds(("potential",), BOUNDED_LINKS, most=3), st.data())
def test_no_schedule_beats_the_split_under_terms_of_cumulative_tokens(
    world: World, data: st.DataObject
) -> None:
    world = data.draw(terms(world))
    task = data.draw(tasks(world))
    result = static_dominance.check(world, task, 8e6, draws=4)
    size = float(np.abs(task.utility(world.static_profile(np.eye(world.shape[0]), 8e6))).max())
    assert result.statistic <= 1e-6 * (1 + size)


def test_worlds_without_rehearsal_superpose() -> None:
    for name in ("related-web", "forgetting", "read8-llama"):
        assert transfer.check_superposition(load_world(name), TOKENS).verdict is Verdict.HOLDS, name

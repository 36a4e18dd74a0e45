"""What real runs do besides: the equations, and for each term its limit, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import WorldError
from readsim.worlds import World, load_world, world_from_dict, world_to_dict
from readsim.worlds.flow import Flow
from readsim.worlds.terms.interference import saturated, saturated_slope
from readsim.worlds.terms.overtraining import drift_cost, drift_slope
from readsim.worlds.terms.rehearsal import left_of_harm
from tests.support import plain
from tests.support.made_worlds import made
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, few, schedules, shares, terms, worlds

STILL = ("overtraining", "repetition", "interference")  # order stays free
MOVING = (*STILL, "rehearsal", "formats")


def two(dynamics: str = "flow", **changes: Any) -> World:
    """Two sources that teach their own capability and harm the other one."""
    fields: dict[str, Any] = {
        "dynamics": dynamics,
        "help": [[0.3, 0.0], [0.0, 0.3]],
        "harm": [[0.0, 0.05], [0.05, 0.0]],
        "link": "saturating",
    }
    return made(**{**fields, **changes})


# ----------------------------------------------------------------- equations


@few
@given(worlds(("potential",), BOUNDED_LINKS), st.data())
def test_order_free_terms_in_plain_python(world: World, data: st.DataObject) -> None:
    world = data.draw(terms(world, STILL))
    schedule = data.draw(schedules(world.shape[0]))
    expected = plain.potential(world, schedule.sum(axis=0).tolist())
    assert close(world.profile_after(schedule), expected, 1e-11)
    # a flow world without anything else is the same, whatever the step
    as_flow = world.replace(dynamics="flow", substeps=3)
    assert close(as_flow.profile_after(schedule), expected, 1e-11)


@few
@given(worlds(("flow",), BOUNDED_LINKS), st.data())
def test_all_terms_in_plain_python(world: World, data: st.DataObject) -> None:
    world = data.draw(terms(world, MOVING))
    schedule = data.draw(schedules(world.shape[0]))
    assert close(world.profile_after(schedule), plain.flow(world, schedule.tolist()), 1e-11)


@few
@given(worlds(("separable", "potential", "flow", "artifact")), st.data())
def test_profiles_stay_inside_and_batches_are_their_runs(world: World, data: st.DataObject) -> None:
    world = data.draw(terms(world))
    schedule = data.draw(schedules(world.shape[0]))
    whole = world.profile_after(schedule[:, None, :] * np.array([1.0, 0.3])[:, None])
    for row, part in zip(whole, (1.0, 0.3), strict=True):
        assert close(row, world.profile_after(schedule * part), 1e-12)
        assert (row >= world.floor - 2e-9).all()
        assert (row <= world.ceiling + 2e-9).all()


@few
@given(worlds(("flow",)), st.data())
def test_a_constant_run_in_one_go(world: World, data: st.DataObject) -> None:
    world = data.draw(terms(world, MOVING))
    share = data.draw(st.lists(shares(world.shape[0]), min_size=1, max_size=3).map(np.array))
    steps = data.draw(st.integers(1, 5))
    assert isinstance(world.model, Flow)
    at_once = world.model.constant(world.rate(), share * BUDGET, steps * world.substeps)
    assert close(at_once, world.static_profile(share, BUDGET, steps), 1e-11)


# ----------------------------------------------------------------- limits


NAMED = {"name": "prose", "sources": {"math": 1.0}, "tokens": 1e5}
OFF: dict[str, dict[str, Any]] = {
    "overtraining": {"overtraining_tokens": "never"},
    "repetition, no harm": {"repetition_harm": 0.0, "pool_tokens": 1e6},
    "repetition, endless pools": {"repetition_harm": 0.5},
    "repetition, within the pools": {"repetition_harm": 0.5, "pool_tokens": 3e7},
    "interference": {"interference_limit": "unlimited"},
    "rehearsal": {"rehearsal_share": "never"},
    "formats": {"formats": [{**NAMED, "scores": {"code": 0.0}}]},
    "formats that no source writes": {
        "formats": [{**NAMED, "sources": {}, "scores": {"code": -0.3}}]
    },
    "schedule": {"schedule": "constant"},
    "schedule, a table": {"schedule": {"kind": "constant", "warmup": 0.0, "end": 0.5}},
}
PLAN = [np.array([6e6, 0.0]), np.array([1e6, 2e6]), np.array([3e6, 2e6])]


@pytest.mark.parametrize("dynamics", ["potential", "flow"])
@pytest.mark.parametrize("name", OFF)
def test_at_its_limit_a_term_is_not_there(name: str, dynamics: str) -> None:
    """Bit for bit: the world that was there before."""
    if name.startswith(("rehearsal", "formats")) and dynamics == "potential":
        dynamics = "flow"
    before = {k: v for k, v in OFF[name].items() if k == "pool_tokens"}
    base, world = two(dynamics, **before), two(dynamics, **OFF[name])
    assert np.array_equal(world.profile_after(PLAN), base.profile_after(PLAN))
    assert np.array_equal(world.transfer_matrix(2e7), base.transfer_matrix(2e7))
    assert not name.startswith("schedule") or world.order_free == (dynamics == "potential")


NEAR: dict[str, Callable[[float], dict[str, Any]]] = {
    "overtraining": lambda e: {"overtraining_tokens": 1e7 / e},
    "repetition": lambda e: {"repetition_harm": e, "pool_tokens": 1e6},
    "interference": lambda e: {"interference_limit": 0.01 / e},
    "rehearsal": lambda e: {"rehearsal_share": 1.0 / e},
    "format, shift": lambda e: {"formats": [{**NAMED, "scores": {"code": -0.3 * e}}]},
    "format, speed": lambda e: {
        "formats": [{**NAMED, "scores": {"code": -0.3}, "tokens": 1e8 / e}]
    },
    "schedule": lambda e: {"schedule": {"kind": "cosine", "end": 1.0 - 0.9 * e}},
}


@pytest.mark.parametrize("name", NEAR)
def test_it_goes_to_its_limit(name: str) -> None:
    off: dict[str, Any] = {"pool_tokens": 1e6} if name == "repetition" else {}
    base = two(**off).profile_after(PLAN)
    gaps = [np.abs(two(**NEAR[name](e)).profile_after(PLAN) - base).max() for e in (1, 1e-2, 1e-4)]
    assert gaps[0] > 1e-3
    assert gaps[1] < 0.03 * gaps[0]
    assert gaps[2] < 3e-4 * gaps[0]


def test_terms_are_named_where_they_are_on() -> None:
    assert load_world("forgetting").terms == ()
    assert two(overtraining_tokens=1e7).terms == ("overtraining",)
    assert two(repetition_harm=0.1, pool_tokens=1e6).terms == ("overtraining",)
    assert two(repetition_harm=0.1).terms == ()
    world = two(interference_limit=[0.1, "unlimited"], rehearsal_share=0.1, schedule="linear")
    assert world.terms == (
        *("interference limit", "rehearsal"),
        "linear learning rate (end 0.1)",
    )


# ----------------------------------------------------------------- mechanisms


def test_the_peak_of_repetition() -> None:
    """A lone source peaks where u'(e) e' = repetition_harm (1 - e')."""
    world = two("potential", harm=0.0, pool_tokens=2e6, repetition_harm=0.2)
    tokens = np.linspace(0.0, 8e7, 8001)
    score = world.profile_after([tokens[:, None] * [1.0, 0.0]])[:, 0]
    top = int(score.argmax())
    x, u, r = tokens[top] / 1e7, 0.2, 15.387756
    slope = np.exp(-(x / u - 1) / r)
    worth = u + u * r * (1 - slope)
    assert np.exp(-worth) * slope == pytest.approx(0.2 * (1 - slope), rel=0.01)
    assert (np.diff(score[: top + 1]) > 0).all()
    assert (np.diff(score[top:]) < 0).all()
    assert score[-1] < score[top] - 0.02
    # without harm of repetition it never falls
    assert (
        np.diff(
            two("potential", harm=0.0, pool_tokens=2e6).profile_after(
                [tokens[:, None] * [1.0, 0.0]]
            )[:, 0]
        )
        >= 0
    ).all()


def test_drift_from_the_start_is_of_all_sources() -> None:
    """What was never trained falls too, slowly at first, and by the same whatever the mixture is."""
    world = two("potential", harm=0.0, overtraining_tokens=5e7)
    falls = 0.3 - world.profile_after([np.array([[b, 0.0] for b in (1e5, 2e5, 1e8)])])[:, 1]
    assert falls[1] == pytest.approx(4 * falls[0], rel=0.02)
    assert falls[2] > 0.2
    z = world.link_function.inverse(world.profile_after([np.array([[2e7, 0.0], [1e7, 1e7]])]))
    gained = 0.3 * (1 - np.exp(-1.0))
    assert z[0, 1] == pytest.approx(z[1, 1] - gained, abs=1e-12)


@given(st.floats(0.0, 50.0), st.floats(0.01, 5.0))
def test_slopes_of_the_formulas(x: float, limit: float) -> None:
    h, at, most = 1e-5, np.array([x + 1e-5]), np.array([limit])
    for value, slope in (
        (drift_cost, drift_slope),
        (lambda v: saturated(v, most), lambda v: saturated_slope(v, most)),
    ):
        difference = (value(at + h) - value(at - h)) / (2 * h)
        assert difference == pytest.approx(slope(at), abs=1e-6)


def test_interference_saturates_in_the_sum_of_sources() -> None:
    world = made(
        sources=["a", "b"],
        capabilities=["skill"],
        help=[[0.0], [0.0]],
        harm=[[0.2], [0.2]],
        interference_limit=0.1,
    )
    runs = np.array([[2e7, 0.0], [0.0, 2e7], [2e7, 2e7], [1e9, 1e9]])
    z = world.link_function.inverse(world.profile_after([runs]))[:, 0]
    assert z[0] == z[1]
    assert z[2] > 2 * z[0] + 0.02  # together they take less than apart
    assert z[3] == pytest.approx(-0.1, abs=1e-9)
    free = world.replace(interference_limit=np.array([np.inf]))
    apart = free.link_function.inverse(free.profile_after([runs[:3]]))[:, 0]
    assert apart[2] == pytest.approx(2 * apart[0])


def test_a_share_of_rehearsal_halves_the_harm() -> None:
    """Of what harms most it takes as much as the mixture says now, and no more later."""
    assert left_of_harm(np.array([0.0, 0.1, 1.0]), np.array([0.1] * 3)) == pytest.approx(
        [1.0, 0.5, 1 / 11]
    )
    world = two(rehearsal_share=0.1, help=[[0.0, 0.0], [0.0, 1e-9]], harm=[[0.0, 0.05], [0.0, 0.0]])
    z = [
        world.link_function.inverse(world.profile_after([np.array(t)]))[1]
        for t in ([1.8e7, 0.0], [1.8e7, 2e6])
    ]
    assert z[1] == pytest.approx(0.5 * z[0], rel=1e-6)
    # rehearsal afterwards does not bring back what was lost
    late = world.profile_after([np.array([1.8e7, 0.0]), np.array([0.0, 2e6])])
    assert world.link_function.inverse(late)[1] == pytest.approx(z[0], rel=1e-6)


def test_a_format_moves_fast_shifts_several_scores_and_comes_back() -> None:
    written = {**NAMED, "scores": {"math": 0.1, "code": -0.2}}
    world = two(formats=[written], harm=0.0, help=1e-12, start=0.5)
    first, then, back = (np.array(t) for t in ([1e5, 0.0], [9e5, 0.0], [0.0, 1e6]))
    z = [
        world.link_function.inverse(world.profile_after(plan))
        for plan in ([first], [first, then], [first, then, back])
    ]
    assert z[0] == pytest.approx((1 - np.exp(-1)) * np.array([0.1, -0.2]), abs=1e-9)
    assert z[1] == pytest.approx((1 - np.exp(-10)) * np.array([0.1, -0.2]), abs=1e-9)
    assert z[2] == pytest.approx((1 - np.exp(-10)) * np.exp(-10) * np.array([0.1, -0.2]), abs=1e-9)
    half = world.profile_after([np.array([5e6, 5e6])])
    assert world.link_function.inverse(half) == pytest.approx([0.05, -0.1], abs=1e-9)


def test_a_gate_sees_the_skill_and_not_its_format() -> None:
    gate = {"capability": "code", "needs": "math", "threshold": 0.4}
    hidden = {**NAMED, "scores": {"math": -0.25}}
    worlds_ = [two(gates=[gate]), two(gates=[gate], formats=[hidden])]
    ends = [w.profile_after(PLAN) for w in worlds_]
    assert ends[0][1] == ends[1][1]
    assert ends[0][0] > ends[1][0]


# ----------------------------------------------------------------- files


@few
@given(worlds(), st.data())
def test_files_keep_terms(world: World, data: st.DataObject) -> None:
    world = data.draw(terms(world))
    again = world_from_dict(world_to_dict(world))
    assert world_to_dict(again) == world_to_dict(world)
    schedule = data.draw(schedules(world.shape[0]))
    assert np.array_equal(again.profile_after(schedule), world.profile_after(schedule))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overtraining_tokens": 0.0}, "overtraining_tokens = 0.0: values must be > 0"),
        ({"overtraining_tokens": [1e6]}, "overtraining_tokens: shape"),
        ({"repetition_harm": -0.1}, "repetition_harm = -0.1: values must be >= 0"),
        ({"interference_limit": "never"}, "interference_limit = 'never': expected numbers"),
        ({"rehearsal_share": 0.1}, "rehearsal_share = 'given': only dynamics = 'flow'"),
        ({"formats": [{**NAMED, "scores": {}}]}, "formats = 'given': only dynamics = 'flow'"),
        ({"link": "identity", "horizon": 1e6, "interference_limit": 0.1}, "a link that bounds"),
        ({"schedule": "cosin"}, "schedule.kind: unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"schedule": 3}, "schedule = 3: expected a table"),
        (
            {"schedule": {"kind": "cosine", "end": 2}},
            "schedule.end = 2: expected a number from 0 to 1",
        ),
        ({"schedule": {"warm": 0.1}}, "schedule: unknown field 'warm'; did you mean 'warmup'"),
        (
            {"schedule": {"kind": "wsd", "warmup": 0.9}},
            "schedule.decay = 0.2: expected a number above 0",
        ),
        ({"rehearsal": 0.1}, "unknown field 'rehearsal'; did you mean 'rehearsal_share'"),
    ],
)
def test_malformed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorldError) as caught:
        made(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "formats[0].name = None"),
        ({"sources": {"maths": 1.0}}, "formats[0].sources: unknown source 'maths'"),
        ({"sources": {"math": 1.5}}, "formats[0].sources: shares"),
        ({"scores": {"code": "low"}}, "formats[0].scores: code = 'low'"),
        ({"scores": 3}, "formats[0].scores = 3: expected a table of capability = number"),
        ({"tokens": 0}, "formats[0].tokens = 0"),
        ({"speed": 1}, "formats[0]: unknown field 'speed'"),
    ],
)
def test_malformed_formats(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorldError) as caught:
        two(formats=[{**NAMED, "scores": {"code": -0.1}, **changes}])
    assert message in str(caught.value)


def test_a_source_writes_all_its_tokens_once() -> None:
    other = {**NAMED, "name": "lists", "scores": {}}
    with pytest.raises(WorldError, match="math writes 2 of its tokens"):
        two(formats=[{**NAMED, "scores": {}}, other])


@few
@given(worlds(("potential",), BOUNDED_LINKS), st.data())
def test_order_stays_free_with_the_terms_of_cumulative_tokens(
    world: World, data: st.DataObject
) -> None:
    world = data.draw(terms(world, STILL))
    schedule = data.draw(schedules(world.shape[0]))
    assume(len(schedule) > 1)
    end: Array = world.profile_after(schedule)
    assert world.order_free
    assert close(end, world.profile_after(schedule[::-1]))
    assert close(end, world.profile_after(schedule.sum(axis=0, keepdims=True)))

"""State-dependent dynamics: forgetting, gates, drift, noise; and the demo's own mode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.worlds import World
from readsim.worlds.flow import Flow
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, few, schedules, shares, worlds

GATE = {"capability": "b", "needs": "a", "threshold": 0.35, "width": 0.05}
FEATURES: dict[str, dict[str, object]] = {
    "forgetting": {"forgetting_tokens": np.array([BUDGET, np.inf])},
    "gate": {"gates": (GATE,)},
    "drift": {"drift": {"after_tokens": BUDGET / 2, "help": [[0.1, 0.0], [0.0, 0.5]]}},
}


def flow_world(feature: str = "none", *, substeps: int = 8, **changes: object) -> World:
    """Two sources that each teach their own capability; one feature switched on."""
    base = World(
        name="flow",
        sources=("a", "b"),
        capabilities=("a", "b"),
        dynamics="flow",
        link="saturating",
        start=np.array([0.3, 0.4]),
        floor=np.zeros(2),
        ceiling=np.array([0.9, 0.8]),
        gain=("exponential", "hill"),
        scale_tokens=np.full(2, BUDGET),
        help=np.array([[0.4, 0.02], [0.01, 0.3]]),
        harm=np.zeros((2, 2)),
        substeps=substeps,
    )
    return base.replace(**{**FEATURES.get(feature, {}), **changes})


def end(world: World, *tokens: tuple[float, float]) -> Array:
    return world.profile_after([np.array(t) * BUDGET for t in tokens])


@few
@given(worlds(("potential",), BOUNDED_LINKS), st.data(), st.integers(1, 6))
def test_without_features_it_is_potential(world: World, data: st.DataObject, substeps: int) -> None:
    schedule = data.draw(schedules(world.shape[0]))
    as_flow = world.replace(dynamics="flow", substeps=substeps)
    assert close(as_flow.profile_after(schedule), world.profile_after(schedule))


@pytest.mark.parametrize("feature", FEATURES)
def test_with_a_feature_order_matters(feature: str) -> None:
    world = flow_world(feature)
    gap = end(world, (0.5, 0), (0, 0.5)) - end(world, (0, 0.5), (0.5, 0))
    assert np.abs(gap).max() > 0.005


@pytest.mark.parametrize("feature", ["forgetting", "gate"])
@pytest.mark.parametrize("substeps", [1, 8])
def test_order_gaps_are_of_second_order(feature: str, substeps: int) -> None:
    """Order effects: i then k, minus the reverse, is h^2 times a bracket."""
    world = flow_world(feature, substeps=substeps)
    gaps = [
        np.abs(end(world, (h, 0), (0, h)) - end(world, (0, h), (h, 0))).max()
        for h in (0.02, 0.01, 0.005)
    ]
    orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
    assert ((orders > 1.7) & (orders < 2.3)).all()


@few
@given(worlds(("flow",)), st.data())
def test_a_constant_run_in_one_go(world: World, data: st.DataObject) -> None:
    share = data.draw(st.lists(shares(world.shape[0]), min_size=1, max_size=3).map(np.array))
    steps = data.draw(st.integers(1, 5))
    assert isinstance(world.model, Flow)
    at_once = world.model.constant(world.rate(), share * BUDGET, steps * world.substeps)
    assert close(at_once, world.static_profile(share, BUDGET, steps), 1e-11)


# ----------------------------------------------------------------- forgetting


def test_forgetting_pulls_towards_the_start() -> None:
    world = flow_world("forgetting", help=np.array([[0.4, 0.0], [0.0, 0.3]]))
    idle = [end(world, (0.5, 0), (0, n))[0] for n in (0.0, 0.1, 0.3, 1.0, 5.0, 50.0)]
    assert (np.diff(idle) < 0).all()
    assert idle[-1] == pytest.approx(0.3, abs=1e-9)
    # the latent gain halves in ln 2 forgetting times
    half = world.link_function.inverse(end(world, (0.5, 0), (0, np.log(2))))[0]
    assert half == pytest.approx(0.5 * 0.4 * (1 - np.exp(-0.5)), rel=1e-9)


def test_what_is_rehearsed_is_not_forgotten() -> None:
    world = flow_world("forgetting")
    assert close(end(world, (0.5, 0), (0.5, 0)), end(flow_world(), (0.5, 0), (0.5, 0)))
    # a source that teaches it half as well as the best one keeps it half as fresh
    z = []
    for other in (0.0, 0.1, 0.2):
        world = flow_world("forgetting", help=np.array([[0.2, 0.0], [other, 0.3]]), substeps=200)
        pause = world.link_function.inverse(end(world, (0.5, 0), (0, 1e-4)))[0]
        taught = other * (1e-4 / 1.0001)
        z.append(1.0 - (pause - taught) / (0.2 * (1 - np.exp(-0.5))))
    assert z == pytest.approx([1e-4, 0.5e-4, 0.0], abs=1e-7)


@few
@given(worlds(("flow",), ("saturating", "logistic"), harm=False), st.data())
def test_forgetting_never_helps_and_never_passes_the_start(
    world: World, data: st.DataObject
) -> None:
    world = world.replace(gates=(), drift={})
    schedule = data.draw(schedules(world.shape[0]))
    never = world.replace(forgetting_tokens=np.full(world.shape[1], np.inf))
    kept, lost = never.profile_after(schedule), world.profile_after(schedule)
    assert (lost <= kept + 1e-12).all()
    assert (lost >= world.start - 1e-12).all()


# ----------------------------------------------------------------- gates


@few
@given(worlds(("flow",), least=2), st.data())
def test_gates_are_monotone_between_low_and_1(world: World, data: st.DataObject) -> None:
    assert isinstance(world.model, Flow)
    k = world.shape[1]
    profile = data.draw(st.lists(st.floats(0, 1), min_size=k, max_size=k).map(np.array))
    factor, better = world.model.gates(profile), world.model.gates(profile + 0.1)
    assert (better >= factor).all()
    lows = {str(g["capability"]): float(str(g["low"])) for g in world.gates}
    for j, name in enumerate(world.capabilities):
        if name in lows:
            assert lows[name] - 1e-12 <= factor[j] <= 1.0 + 1e-12
        else:
            assert factor[j] == 1.0


def test_a_closed_gate_opens() -> None:
    world = flow_world("gate", help=np.array([[0.4, 0.0], [0.0, 0.3]]))
    assert end(world, (0, 1))[1] - 0.4 < 0.5 * (end(flow_world(), (0, 1))[1] - 0.4)
    opened = end(world, (1, 0), (0, 1))
    assert opened[1] == pytest.approx(end(flow_world(), (0, 1))[1], abs=0.006)
    assert opened[0] == pytest.approx(end(flow_world(), (1, 0))[0], abs=1e-12)


def test_at_its_threshold_a_gate_is_half_open() -> None:
    world = flow_world("gate")
    assert isinstance(world.model, Flow)
    assert world.model.gates(np.array([0.35, 0.9])) == pytest.approx([1.0, 0.5])
    low = {"capability": "b", "needs": "a", "threshold": 0.35, "low": 0.2}
    world = flow_world(gates=(low,))
    assert isinstance(world.model, Flow)
    assert world.model.gates(np.array([0.35, 0.9])) == pytest.approx([1.0, 0.6])


# ----------------------------------------------------------------- drift


def with_drift(after: float, substeps: int = 8) -> World:
    help_after = [[0.1, 0.05], [0.0, 0.5]]
    return flow_world(drift={"after_tokens": after * BUDGET, "help": help_after}, substeps=substeps)


def test_drift_replaces_help() -> None:
    run = ((0.3, 0.2), (0.1, 0.4))
    assert close(end(with_drift(1.0), *run), end(flow_world(), *run))
    after = flow_world(help=np.array([[0.1, 0.05], [0.0, 0.5]]))
    assert close(end(with_drift(0.0), *run), end(after, *run))
    # in between: the old matrix for the first half, the new one for what the curves add after it
    u = [1 - np.exp(-0.3), 0.2 / 1.2], [1 - np.exp(-0.4), 0.6 / 1.6]
    z = np.array(u[0]) @ flow_world().help + (np.array(u[1]) - u[0]) @ after.help
    assert close(end(with_drift(0.5), *run), flow_world().link_function.value(z))


@pytest.mark.parametrize("after", [0.1, 1 / 3, 0.7])
def test_drift_is_continuous(after: float) -> None:
    """Also where it falls inside a substep: no jump for an optimiser to exploit."""
    run = ((0.3, 0.2), (0.1, 0.4))
    here, there = end(with_drift(after), *run), end(with_drift(after + 1e-9), *run)
    assert np.abs(here - there).max() < 1e-8
    fine = end(with_drift(after, substeps=1000), *run)
    assert end(with_drift(after), *run) == pytest.approx(fine, abs=2e-3)


# ----------------------------------------------------------------- noise, and the demo's mode


@given(st.floats(0.01, 2.0), st.integers(0, 2**32 - 1))
def test_process_noise_grows_with_the_square_root_of_tokens(share: float, seed: int) -> None:
    world = flow_world(process_sd=np.array([0.001, 0.0]))
    deviates = np.random.default_rng(seed).normal(size=2)
    tokens = np.array([share, 0.2]) * BUDGET
    start = world.model.initial(world.rate())
    noisy, exact = (world.model.advance(start, tokens, d)[2] for d in (deviates, None))
    expected = deviates * [0.001, 0.0] * np.sqrt(tokens.sum() / 1e6)
    assert noisy - exact == pytest.approx(expected, abs=1e-15)
    assert world.model.process_width == 2
    assert flow_world().model.process_width == 0


def test_the_demo_clips_and_makes_a_strong_skill_hard_to_forget() -> None:
    world = World(
        name="demo",
        sources=("a",),
        capabilities=("weak", "strong", "top"),
        dynamics="artifact",
        link="identity",
        start=np.array([0.2, 0.9, 1.0]),
        floor=np.zeros(3),
        ceiling=np.ones(3),
        gain=("exponential",),
        scale_tokens=np.array([1e6]),
        help=np.array([[0.0, 0.0, 3.0]]),
        harm=np.array([[0.1, 0.1, 0.0]]),
    )
    once = world.profile_after([np.array([1e6])])
    assert once == pytest.approx([0.2 - 0.08, 0.9 - 0.01, 1.0])
    assert world.profile_after([np.array([1e6])] * 50)[0] == 0.0

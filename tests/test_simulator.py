"""The simulator: one run or many, saved and continued, and what its measurements may show."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from readsim.arrays import Array
from readsim.backend import Backend, Final
from readsim.simulator import SimBackend, Simulator
from readsim.testing.backend_checks import same
from readsim.tree_file import load_tree, save_tree
from readsim.worlds import World, load_world, random_world
from tests.support.helpers import go_on
from tests.support.strategies import BUDGET, shares, worlds

SEEDS = st.integers(0, 2**32)
FLOW = random_world(2, capabilities=3, dynamics="flow")  # forgets, and has process noise
MANY = 4000
few = settings(max_examples=40)


@st.composite
def any_world(draw: st.DrawFn) -> World:
    """A world of any dynamics, often with runs that differ, a biased probe, a hidden capability."""
    world = draw(worlds())
    s, k = world.shape
    changes: dict[str, Any] = {"items": np.full(k, draw(st.sampled_from([0.0, 1.0, 64.0])))}
    if world.link != "identity":
        changes["efficiency_sd"] = np.full(s, draw(st.sampled_from([0.0, 0.3])))
    if draw(st.booleans()):
        changes["probe_bias"] = np.full(k, 0.1)
    if k > 1 and draw(st.booleans()):
        changes["hidden"] = world.capabilities[1:2]
    return world.replace(**changes)


def tokens_of(data: DataObject, world: World, steps: int) -> list[Array]:
    """What `steps` intervals train, (S,) each; together at most BUDGET."""
    return [data.draw(shares(world.shape[0])) * (BUDGET / 8) for _ in range(steps)]


# ------------------------------------------------------- the Backend protocol


@few
@given(any_world(), SEEDS, st.data())
def test_honours_the_protocol(world: World, seed: int, data: DataObject) -> None:
    backend: Backend = SimBackend(world)
    v, k = len(world.visible), len(world.capabilities)
    assert backend.sources == world.sources
    assert backend.capabilities == world.capabilities
    assert backend.hidden == world.hidden
    assert backend.reset(seed).profile.shape == (v,)
    outcome = backend.run_interval(0, data.draw(shares(world.shape[0])), 1000)
    assert outcome.profile.shape == backend.dev_eval().profile.shape == (v,)
    assert dict(outcome.token_usage) == {"student": 1000}
    final = backend.final_eval()
    assert isinstance(final, Final)
    assert final.token_usage == {}
    for part in (final.profile, final.change, final.change_sd):
        assert part.shape == (k,)
        assert np.isfinite(part).all()
    assert (final.change_sd >= 0).all()
    # the same seed and calls give the same numbers, on a used backend too
    plan, other = tokens_of(data, world, 2), SimBackend(world)
    assert same(other.reset(seed), backend.reset(seed))
    assert same(go_on(other, plan), go_on(backend, plan))


@few
@given(st.one_of(any_world(), st.just(FLOW)), SEEDS, st.integers(0, 3), st.data())
def test_a_saved_run_goes_on_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    world: World,
    seed: int,
    done: int,
    data: DataObject,
) -> None:
    plan = tokens_of(data, world, done + 2)
    backend = SimBackend(world)
    backend.reset(seed)
    for _ in range(data.draw(st.integers(0, 17))):  # streams of an episode are drawn 16 at a time
        backend.reset(None)
    for step in range(done):
        backend.run_interval(step, plan[step] / plan[step].sum(), int(plan[step].sum()))
    path = tmp_path_factory.mktemp("saved") / "run.npz"
    save_tree(path, backend.snapshot())
    expected = go_on(backend, plan[done:])
    used = SimBackend(world)
    used.reset(seed + 1)
    for other in (SimBackend(world), used, backend):  # in a new process, in a used one, going back
        other.restore(load_tree(path))
        assert same(expected, go_on(other, plan[done:]))


def test_a_snapshot_shares_nothing_with_the_run() -> None:
    backend, other = SimBackend(FLOW), SimBackend(FLOW)
    for one in (backend, other):
        one.reset(3)
    saved = backend.snapshot()
    backend.restore(saved)
    for tree in (saved, backend.snapshot()):
        for array in (tree["profile"], tree["items"], tree["dev_items"], *tree["state"]):
            array[:] = np.nan
        for stream in tree["streams"].values():
            stream["taken"][:] = 0
    plan = [np.full(3, 1e6)] * 2
    assert same(go_on(backend, plan), go_on(other, plan))


# ------------------------------------------------------------------ many runs


@few
@given(st.one_of(any_world(), st.just(FLOW)), st.lists(SEEDS, min_size=1, max_size=4), st.data())
def test_many_runs_are_many_single_ones(world: World, seeds: list[int], data: DataObject) -> None:
    """Also where only some of the runs move or start anew."""
    n = len(seeds)
    together = Simulator(world)
    together.seed(seeds)
    alone = [SimBackend(world) for _ in seeds]
    first = [backend.reset(seed).profile for backend, seed in zip(alone, seeds, strict=True)]
    assert together.reset() == pytest.approx(np.array(first), abs=1e-12)
    for step in range(4):
        chosen = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
        runs = np.flatnonzero(chosen) if step else np.arange(n)
        weights = data.draw(shares(world.shape[0]))
        given_ = np.tile(weights * 1_000_000, (len(runs), 1))
        what = data.draw(st.sampled_from(["advance", "reset"])) if step else "advance"
        if not len(runs):
            continue
        if what == "reset":
            shown = together.reset(runs)
            expected = [alone[r].reset(None).profile for r in runs.tolist()]
        else:
            shown = together.advance(given_, runs)
            outcomes = [alone[r].run_interval(step, weights, 1_000_000) for r in runs.tolist()]
            expected = [outcome.profile for outcome in outcomes]
        assert shown == pytest.approx(np.array(expected), abs=1e-12)
    dev = [backend.dev_eval().profile for backend in alone]
    assert together.dev() == pytest.approx(np.array(dev), abs=1e-12)
    finals = [np.array(backend.final_eval()[:3]) for backend in alone]
    shown = np.array(together.final(np.arange(n))[:3])  # (3, n, K)
    assert shown == pytest.approx(np.stack(finals, axis=1), abs=1e-12)


@few
@given(any_world(), st.integers(1, 5), SEEDS)
def test_tiled_constants_change_no_number(world: World, runs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = world.model.initial(world.rate() + np.zeros((runs, 1)))
    tokens = rng.random((runs, world.shape[0])) * BUDGET / world.shape[0]
    plain, tiled = world.model, world.model_of_runs(runs)
    end = plain.advance(state, tokens)
    assert same(end, tiled.advance(state, tokens))
    profile = plain.profile(end)
    assert same(profile, tiled.profile(end))
    luck, fresh = rng.normal(size=(2, *profile.shape))
    probe = world.probe("probe")
    assert same(
        probe.measure(profile, luck, fresh), probe.of_runs(runs).measure(profile, luck, fresh)
    )


def simulate(world: World, seed: int = 0) -> Simulator:
    """MANY runs at their start."""
    simulator = Simulator(world)
    simulator.seed(range(seed, seed + MANY))
    return simulator


def correlations(a: Array, b: Array) -> Array:
    """Of column j of a with column j of b."""
    return np.array([np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(a.shape[1])])


def test_a_split_has_items_of_its_own() -> None:
    simulator = simulate(random_world(1, capabilities=3))
    idle = np.zeros((MANY, 3))
    probes = [simulator.reset(), simulator.advance(idle), simulator.advance(idle)]
    devs = [simulator.dev(), simulator.dev()]
    error, pairing = 5 / np.sqrt(MANY), simulator.world.pairing
    size = simulator.world.probe("probe").deviation(simulator.world.start)
    for shown in (*probes, *devs):
        assert shown.std(axis=0) == pytest.approx(size, rel=error)
    assert correlations(probes[0], probes[2]) == pytest.approx(pairing, abs=error)
    assert correlations(*devs) == pytest.approx(pairing, abs=error)
    for i, j in np.ndindex(3, 2):
        assert correlations(probes[i], devs[j]) == pytest.approx(0.0, abs=error)
    assert correlations(probes[2], simulator.reset()) == pytest.approx(0.0, abs=error)  # new items


@few
@given(any_world(), SEEDS, st.data())
def test_final_profile_is_exact_and_its_measured_change_near(
    world: World, seed: int, data: DataObject
) -> None:
    world = world.replace(
        efficiency_sd=np.zeros(world.shape[0]), process_sd=np.zeros(world.shape[1])
    )
    plan = [np.round(tokens) for tokens in tokens_of(data, world, 3)]
    backend = SimBackend(world)
    backend.reset(seed)
    for step, tokens in enumerate(plan):
        backend.run_interval(step, tokens / tokens.sum(), int(tokens.sum()))
    final = backend.final_eval()
    assert final.profile == pytest.approx(world.profile_after(plan), abs=1e-12)
    # measured on the test split: hidden capabilities too, without the probe's bias
    error = np.abs(final.change - (final.profile - world.start))
    assert (error <= 6 * final.change_sd + 1e-12).all()


def test_paired_items_make_a_change_more_precise() -> None:
    spread = {}
    for pairing in (0.0, 0.85):
        simulator = simulate(random_world(4, capabilities=3).replace(pairing=pairing))
        simulator.reset()
        simulator.advance(np.full((MANY, 3), 20e6))
        final = simulator.final(np.arange(MANY))
        spread[pairing] = final.change.std(axis=0)
        assert spread[pairing] == pytest.approx(final.change_sd[0], rel=5 / np.sqrt(2 * MANY))
    assert (spread[0.85] < 0.5 * spread[0.0]).all()


def rates(simulator: Simulator) -> Array:
    """Efficiency / scale of each run and source, (N, S)."""
    rate: Array = simulator.snapshot()["state"][1]
    return rate


def test_efficiency_differs_between_runs_and_stays_within_one() -> None:
    world = load_world("read8-llama")
    simulator = simulate(world)
    simulator.reset()
    drawn = rates(simulator)
    luck = np.log(drawn * world.scale_tokens) / world.efficiency_sd
    assert np.abs(luck.mean(axis=0)).max() < 5 / np.sqrt(MANY)
    assert luck.std(axis=0) == pytest.approx(1.0, abs=5 / np.sqrt(2 * MANY))
    for _ in range(3):
        simulator.advance(np.full((MANY, 8), 1e6))
        assert np.array_equal(rates(simulator), drawn)
    simulator.reset()
    again = np.log(rates(simulator) * world.scale_tokens) / world.efficiency_sd
    assert correlations(luck, again) == pytest.approx(0.0, abs=5 / np.sqrt(MANY))


@few
@given(SEEDS, st.data())
def test_two_policies_meet_the_same_luck(seed: int, data: DataObject) -> None:
    """Common random numbers: efficiencies, items and noise do not depend on the allocations."""
    world = load_world("read8-llama").replace(test_items=np.full(8, 1e6))
    seen: list[list[Array]] = []
    for _ in range(2):
        simulator = Simulator(world)
        simulator.seed([seed])
        measured, true = [simulator.reset()], [simulator.profile]
        for tokens in tokens_of(data, world, 3):
            measured.append(simulator.advance(tokens[None]))
            true.append(simulator.profile)
        probe = world.probe("probe")
        # in units of its standard deviation, where the score range did not cut it off
        luck = [(m - p) / probe.deviation(p) for m, p in zip(measured, true, strict=True)]
        inside = [(m > 0) & (m < 1) for m in measured]
        seen.append([rates(simulator), np.array(luck), np.array(inside)])
    (rate, luck_a, inside_a), (other_rate, luck_b, inside_b) = seen
    assert np.array_equal(rate, other_rate)
    both = inside_a.astype(bool) & inside_b.astype(bool)
    assert luck_a[both] == pytest.approx(luck_b[both], abs=1e-9)
    assert both.mean() > 0.5


@few
@given(SEEDS, st.sampled_from(["potential", "flow"]), st.integers(0, 2))
def test_a_probe_never_shows_what_is_hidden(seed: int, dynamics: str, column: int) -> None:
    """Hiding a capability takes its column out and changes no other number."""
    world = random_world(seed % 100, capabilities=3, dynamics=dynamics)
    hidden = world.replace(hidden=(world.capabilities[column],))
    everything, part = SimBackend(world), SimBackend(hidden)
    shown = [j for j in range(3) if j != column]
    assert same(part.reset(seed).profile, everything.reset(seed).profile[shown])
    weights = np.array([0.5, 0.2, 0.3])
    for step in range(3):
        outcome = part.run_interval(step, weights, 1_000_000)
        assert same(
            outcome.profile, everything.run_interval(step, weights, 1_000_000).profile[shown]
        )
        assert same(part.dev_eval().profile, everything.dev_eval().profile[shown])
    assert same(list(part.final_eval()), list(everything.final_eval()))  # only here it shows

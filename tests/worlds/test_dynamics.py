"""Order-free dynamics and what all modes share: equations, bounds, batches, permutations."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds import World, load_world, random_world
from tests.support import plain
from tests.support.plain import close
from tests.support.strategies import BOUNDED_LINKS, BUDGET, few, grids, schedules, shares, worlds

ALL = ("separable", "potential", "flow", "artifact")
ORDER_FREE = ("separable", "potential")


def inside(world: World, profile: Array) -> bool:
    """Within the bounds; a capability that starts on one has a room of 1e-12."""
    if world.link == "identity":  # its numbers keep it inside, up to the rounding allowed in a file
        return bool(
            (profile >= world.floor - 2e-9).all() and (profile <= world.ceiling + 2e-9).all()
        )
    low, high = world.floor - 2e-12, world.ceiling + 2e-12
    return bool((profile >= low).all() and (profile <= high).all())


@st.composite
def runs(
    draw: st.DrawFn,
    dynamics: Sequence[str] = ALL,
    links: Sequence[str] = ("identity", *BOUNDED_LINKS),
) -> tuple[World, Array]:
    """A world and a schedule (T, S) for it."""
    world = draw(worlds(dynamics, links))
    return world, draw(schedules(world.shape[0]))


@few
@given(runs())
def test_equations_in_plain_python(run: tuple[World, Array]) -> None:
    world, schedule = run
    expected = plain.PROFILES[world.dynamics](world, schedule.tolist())
    assert close(world.profile_after(schedule), expected, 2e-12)


@few
@given(runs())
def test_profiles_stay_inside(run: tuple[World, Array]) -> None:
    world, schedule = run
    for length in range(len(schedule) + 1):
        assert inside(world, world.profile_after(schedule[:length]))


@few
@given(runs(("flow", "artifact")), st.integers(0, 2**32 - 1))
def test_noise_does_not_leave_the_bounds(run: tuple[World, Array], seed: int) -> None:
    world, schedule = run
    world = world.replace(process_sd=np.full(world.shape[1], 0.5))
    rng = np.random.default_rng(seed)
    state = world.model.initial(world.rate())
    for tokens in schedule:
        state = world.model.advance(state, tokens, rng.normal(size=world.shape[1]))
        assert inside(world, world.model.profile(state))


@few
@given(runs(), st.integers(0, 2**32 - 1))
def test_a_batch_is_its_runs(run: tuple[World, Array], seed: int) -> None:
    world, schedule = run
    rng = np.random.default_rng(seed)
    batch = schedule[:, None, :] * rng.random((1, 5, 1))
    whole = world.profile_after(batch)
    assert whole.shape == (5, world.shape[1])
    for n in range(5):
        assert close(whole[n], world.profile_after(batch[:, n]), 1e-14)


@few
@given(runs(), st.randoms(use_true_random=False))
def test_permutation_equivariance(run: tuple[World, Array], random: Random) -> None:
    world, schedule = run
    s, k = world.shape
    rows, columns = random.sample(range(s), s), random.sample(range(k), k)
    other = permuted(world, rows, columns)
    assert close(other.profile_after(schedule[:, rows]), world.profile_after(schedule)[columns])


def permuted(world: World, rows: list[int], columns: list[int]) -> World:
    """The same world with its sources and capabilities in another order."""
    vectors = ("start", "floor", "ceiling", "process_sd", "forgetting_tokens")
    drift = dict(world.drift)
    if drift:
        drift["help"] = np.array(drift["help"])[np.ix_(rows, columns)].tolist()
    return world.replace(
        sources=tuple(world.sources[i] for i in rows),
        capabilities=tuple(world.capabilities[j] for j in columns),
        gain=tuple(world.gain[i] for i in rows),
        scale_tokens=world.scale_tokens[rows],
        help=world.help[np.ix_(rows, columns)],
        harm=world.harm[np.ix_(rows, columns)],
        drift=drift,
        **{name: getattr(world, name)[columns] for name in vectors},
    )


# ----------------------------------------------------------------- order-free worlds


@few
@given(runs(ORDER_FREE), st.randoms(use_true_random=False))
def test_order_does_not_matter(run: tuple[World, Array], random: Random) -> None:
    world, schedule = run
    swapped = schedule[random.sample(range(len(schedule)), len(schedule))]
    assert close(world.profile_after(swapped), world.profile_after(schedule))


@few
@given(runs(ORDER_FREE), st.integers(1, 7))
def test_any_partition_gives_the_same(run: tuple[World, Array], pieces: int) -> None:
    world, schedule = run
    once = world.profile_after(schedule.sum(axis=0, keepdims=True))
    cut = np.repeat(schedule / pieces, pieces, axis=0)
    assert close(world.profile_after(cut), once)
    by_source = schedule.sum(axis=0)[:, None] * np.eye(world.shape[0])
    assert close(world.profile_after(by_source), once)


@few
@given(runs(ORDER_FREE), st.floats(0.1, 3.0))
def test_efficiency_scales_tokens(run: tuple[World, Array], efficiency: float) -> None:
    world, schedule = run
    state = world.model.initial(world.rate(efficiency))
    for tokens in schedule:
        state = world.model.advance(state, tokens)
    assert close(world.model.profile(state), world.profile_after(schedule * efficiency))


@few
@given(worlds(("separable",)), st.data())
def test_separable_worlds_are_additive(world: World, data: st.DataObject) -> None:
    b, c = (data.draw(grids(world.shape[0], 0, 60)) * BUDGET / 3 for _ in "bc")
    apart = [world.profile_after([np.where(np.arange(len(b)) == i, c, 0)]) for i in range(len(b))]
    assert close(world.profile_after([c]) - world.start, np.sum(apart - world.start, axis=0))
    # midpoint concavity of every capability along every segment
    middle = world.profile_after([(b + c) / 2])
    ends = (world.profile_after([b]) + world.profile_after([c])) / 2
    assert (middle >= ends - 1e-12).all()
    assert (world.profile_after([b + c]) >= world.profile_after([b]) - 1e-12).all()


def test_harm_accelerates_from_slope_0() -> None:
    world = World(
        name="harm",
        sources=("a",),
        capabilities=("b",),
        dynamics="potential",
        link="saturating",
        start=np.array([0.5]),
        floor=np.zeros(1),
        ceiling=np.ones(1),
        gain=("exponential",),
        scale_tokens=np.array([BUDGET]),
        help=np.zeros((1, 1)),
        harm=np.full((1, 1), 1e-3),  # small: the link is straight there
    )
    drops = 0.5 - world.profile_after([BUDGET * np.linspace(0.0, 5.0, 50)[:, None]])[:, 0]
    assert (np.diff(drops, 2) > 0).all()
    assert drops[1] < 0.1 * drops[-1] / 49
    assert drops[-1] == pytest.approx(1e-3 * (5 - (1 - np.exp(-5))), rel=0.01)


@few
@given(worlds(("potential",), BOUNDED_LINKS))
def test_negative_spillover_grows_with_the_budget(world: World) -> None:
    """Without help across capabilities nothing starts positive, so drops only grow."""
    s, k = world.shape
    world = world.replace(help=np.where(np.eye(s, k) > 0, world.help, 0.0))
    world = world.replace(harm=np.where(np.eye(s, k) > 0, 0.0, world.harm))
    off = ~np.eye(s, k, dtype=np.bool_)
    drops = [np.maximum(-world.transfer_matrix(b), 0.0)[off] for b in BUDGET * np.linspace(0, 1, 6)]
    assert (np.diff(drops, axis=0) >= -1e-12).all()
    harmless = world.replace(harm=np.zeros((s, k))).transfer_matrix(BUDGET)
    assert close(harmless[off], np.zeros(int(off.sum())), 1e-15)  # no cross terms, no entries


# ----------------------------------------------------------------- the transfer matrix


@few
@given(worlds())
def test_rows_are_one_hot_runs(world: World) -> None:
    s, k = world.shape
    matrix = world.transfer_matrix(BUDGET, steps=3)
    assert matrix.shape == (s, k)
    for i in range(s):
        tokens = np.eye(s)[i] * BUDGET / 3
        expected = plain.PROFILES[world.dynamics](world, [tokens.tolist()] * 3)
        assert close(matrix[i], np.array(expected) - world.start, 2e-12)


@few
@given(worlds())
def test_no_tokens_no_change(world: World) -> None:
    assert np.abs(world.transfer_matrix(0.0)).max() <= 4e-16 * max(1.0, np.abs(world.start).max())
    assert np.array_equal(world.profile_after([]), world.start)


@few
@given(worlds(("potential",), families=("exponential", "log", "hill", "broken")))
def test_small_budgets_show_the_local_slope(world: World) -> None:
    """M(h) / h -> G, here help / scale because harm starts with slope 0; the error is O(h)."""
    assume(((world.ceiling > world.start) & (world.start > world.floor)).all())  # there is room
    local = world.help / world.scale_tokens[:, None]
    errors = [np.abs(world.transfer_matrix(h) / h - local).max() * BUDGET for h in (2e3, 1e3)]
    assert errors[0] <= 2e4 * (2e3 / BUDGET)  # second derivatives are at most 1e4 here
    assert errors[1] <= 0.51 * errors[0] + 1e-8  # half of it, and what subtraction loses


def test_a_matrix_that_is_not_square_and_a_large_one() -> None:
    wide = random_world(1, sources=3, capabilities=7)
    assert wide.transfer_matrix(1e7).shape == (3, 7)
    for k in (1, 64):
        world = random_world(2, capabilities=k, noise=0.0)
        matrix = world.transfer_matrix(60e6)
        assert matrix.shape == (k, k)
        expected = plain.potential(world, (60e6 * np.eye(k)[-1]).tolist())
        assert close(matrix[-1], np.array(expected) - world.start)


@pytest.mark.parametrize("budget", [-1.0, np.nan, np.inf])
def test_bad_budgets(budget: float) -> None:
    with pytest.raises(ConfigError, match="budget"):
        random_world(0, capabilities=2).transfer_matrix(budget)


@few
@given(worlds(("separable", "potential", "artifact")), st.data())
def test_a_static_profile_is_a_constant_schedule(world: World, data: st.DataObject) -> None:
    share = data.draw(shares(world.shape[0]))
    steps = data.draw(st.integers(1, 9))
    expected = world.profile_after([share * BUDGET / steps] * steps)
    assert close(world.static_profile(share, BUDGET, steps), expected)


def test_budgets_may_be_written_as_people_do() -> None:
    world = load_world("gateway")
    matrix = world.transfer_matrix("20M")
    np.testing.assert_array_equal(matrix, world.transfer_matrix(20_000_000))
    even = np.full(len(world.sources), 1 / len(world.sources))
    said, counted = (world.static_profile(even, b) for b in ("1.5e7", 15_000_000))
    np.testing.assert_array_equal(said, counted)
    with pytest.raises(ConfigError, match="budget = '20X'"):
        world.transfer_matrix("20X")

"""The offline pool: transitions of random runs, reproducible, and those that the environment gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.allocators.read.allocator import ReAD
from readsim.allocators.static import TaskStatic
from readsim.arrays import Array
from readsim.backend import Final, Measurement
from readsim.envs.env import DistillEnv
from readsim.envs.episode import EpisodeConfig, make_episode
from readsim.envs.offline_pool import (
    Pool,
    collect_pool,
    offline_pool,
    play_pool,
    random_allocations,
)
from readsim.errors import CapabilityMissingError
from readsim.runs.loop import rollout
from readsim.simulator import SimBackend
from readsim.streams import seed_sequence
from readsim.testing.backend_checks import same
from readsim.worlds import World, random_world
from tests.support.helpers import FakeBackend

WORLDS = {
    "potential": random_world(1, sources=2, capabilities=3),
    "hidden": random_world(2, capabilities=3).replace(hidden=("skill_1",)),
    "flow": random_world(3, capabilities=2, dynamics="flow"),
}


def setting_of(world: World, **rest: Any) -> EpisodeConfig:
    return make_episode(world, None, 1_000_003, **{"steps": 4, **rest})


def support(shares: Array) -> Array:
    return np.asarray((shares > 0).sum(axis=1))


@given(st.integers(1, 9), st.integers(1, 50), st.integers(0, 2**32))
def test_allocations_lie_on_the_simplex(sources: int, n: int, seed: int) -> None:
    shares = random_allocations(np.random.default_rng(seed), n, sources)
    assert shares.shape == (n, sources)
    assert (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert set(support(shares).tolist()) <= {min(size, sources) for size in (1, 2, 3, sources)}
    again = random_allocations(np.random.default_rng(seed), n, sources)
    assert np.array_equal(shares, again)


def test_allocations_have_each_support_size_and_each_source_equally_often() -> None:
    n = 20_000
    shares = random_allocations(np.random.default_rng(0), n, 6)
    sizes = support(shares)
    for size in (1, 2, 3, 6):
        chosen = shares[sizes == size]
        assert len(chosen) / n == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / n))
        used = (chosen > 0).mean(axis=0)
        assert used == pytest.approx(size / 6, abs=5 * 0.5 / np.sqrt(len(chosen)))
        # Dirichlet(1) on a support of m: each share has mean 1 / m, mean square 2 / (m (m + 1))
        squares = (chosen**2).sum(axis=1)
        error = 5 * squares.std() / np.sqrt(len(chosen)) + 1e-12
        assert squares.mean() == pytest.approx(2 / (size + 1), abs=error)
        assert chosen.mean(axis=0) == pytest.approx(1 / 6, abs=5 * 0.5 / np.sqrt(len(chosen)))


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(WORLDS)), st.integers(1, 13), st.integers(0, 3), st.integers(0, 2**64)
)
def test_size_shapes_and_seed(name: str, size: int, history: int, seed: int) -> None:
    world = WORLDS[name]
    episode = setting_of(world, history=history)
    pool = collect_pool(world, episode, size, seed)
    s, v = len(world.sources), len(world.visible)
    shapes = [part.shape for part in pool[:6]]
    assert pool.parent is None
    assert shapes == [
        (size, v),
        (size,),
        (size, history * episode.width),
        (size, s),
        (size, v),
        (size,),
    ]
    assert same(list(pool[:6]), list(collect_pool(world, episode, size, seed)[:6]))


@pytest.mark.parametrize("name", WORLDS)
def test_rows_know_their_run_and_what_was_trained_before_them(name: str) -> None:
    """Simulated and played: the sums of a run's earlier rows, whatever the order of the rows."""
    world = WORLDS[name]
    episode = setting_of(world)
    for pool in (
        collect_pool(world, episode, 10, 3),
        play_pool(SimBackend(world), episode, 10, 3)[0],
    ):
        assert pool.run is not None
        assert pool.run.tolist() == [0] * 4 + [1] * 4 + [2] * 2
        change, tokens = pool.since_start()
        for run in range(3):
            at = np.flatnonzero(pool.run == run)
            for n, row in enumerate(at):
                before = at[:n]
                assert change[row] == pytest.approx(pool.change[before].sum(axis=0), abs=1e-12)
                trained = pool.allocation[before].T @ pool.tokens[before]
                assert tokens[row] == pytest.approx(trained)
    with pytest.raises(CapabilityMissingError, match=r"Pool\(run=\.\.\.\)"):
        pool._replace(run=None).since_start()


@pytest.mark.parametrize("name", WORLDS)
def test_persistent_runs_keep_what_they_drew(name: str) -> None:
    world = WORLDS[name]
    episode = setting_of(world)
    simulated = collect_pool(world, episode, 40, 3, persistent=True)
    played, _ = play_pool(SimBackend(world), episode, 40, 3, persistent=True)
    for pool in (simulated, played):
        kept = pool.allocation.reshape(10, 4, -1)
        assert (kept == kept[:, :1]).all()
        assert len(np.unique(kept[:, 0], axis=0)) > 4
    # The first of them is what a pool without persistence draws first.
    assert simulated.allocation[::4] == pytest.approx(
        collect_pool(world, episode, 40, 3).allocation[::4]
    )


@pytest.mark.parametrize("name", WORLDS)
def test_another_seed_is_another_pool(name: str) -> None:
    world = WORLDS[name]
    first, other = (collect_pool(world, setting_of(world), 12, seed) for seed in (1, 2))
    assert not np.array_equal(first.allocation, other.allocation)
    assert not np.array_equal(first.profile, other.profile)


def replay(world: World, episode: EpisodeConfig, pool: Pool, seed: int) -> Pool:
    """The same allocations, run by run in the single environment."""
    rows: list[list[Any]] = []
    runs = -(-len(pool.tokens) // episode.steps)
    seeds = seed_sequence(seed, "data").generate_state(runs + 1)[:-1]
    for run, own in enumerate(seeds.tolist()):
        env = DistillEnv(world, episode.task, episode.budget, steps=episode.steps)
        seen, _ = env.reset(seed=own)
        first = run * episode.steps
        for allocation in pool.allocation[first : first + episode.steps]:
            before = [seen["profile"], seen["budget_left"][0], seen["history"]]
            seen, _, _, _, info = env.step(allocation)
            rows.append([*before, info["allocation"], info["change"], info["tokens"]])
    return Pool(*(np.array(column) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize("name", WORLDS)
def test_transitions_are_those_of_the_environment(name: str) -> None:
    world = WORLDS[name]
    episode = setting_of(world)
    pool = collect_pool(world, episode, 12, 5)
    for ours, theirs in zip(pool[:6], replay(world, episode, pool, 5)[:6], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_change_leads_to_the_next_profile() -> None:
    pool = collect_pool(WORLDS["flow"], setting_of(WORLDS["flow"]), 12, 0)
    after = pool.profile + pool.change
    inside = np.arange(11) % 4 != 3  # the next row belongs to the same run
    assert after[:-1][inside] == pytest.approx(pool.profile[1:][inside], abs=1e-12)
    assert pool.tokens.reshape(3, 4).sum(axis=1).tolist() == [1_000_003] * 3
    spent = np.cumsum(pool.tokens.reshape(3, 4), axis=1) / 1_000_003
    left = pool.budget_left.reshape(3, 4)
    assert left[:, 0].tolist() == [1.0] * 3
    assert left[:, 1:] == pytest.approx(1.0 - spent[:, :-1], abs=1e-12)


def test_a_pool_is_another_student_than_the_run_it_is_for() -> None:
    world = WORLDS["potential"]
    episode = setting_of(world)
    first, _ = DistillEnv(world, episode.task, episode.budget, steps=4).reset(seed=7)
    pool = collect_pool(world, episode, 40, 7)
    assert not (pool.profile == first["profile"]).all(axis=1).any()


# ----------------------------------------------------------------- any backend: played, then undone


class Costly(SimBackend):
    """Measurements have a price, and the end of a run is nobody's business."""

    def reset(self, seed: int | None) -> Measurement:
        return super().reset(seed)._replace(token_usage={"probe": 7})

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        used = {"student": tokens, "teacher_generated": 2, "probe": 7}
        return super().run_interval(step, weights, tokens)._replace(token_usage=used)

    def dev_eval(self) -> Measurement:
        raise AssertionError("a pool needs no dev split")

    def final_eval(self) -> Final:
        raise AssertionError("a pool must not see the test split")


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("size", [1, 4, 10, 12])
def test_what_is_played_is_what_the_environment_gives(name: str, size: int) -> None:
    world = WORLDS[name]
    episode = setting_of(world)
    backend = Costly(world)
    pool, usage = play_pool(backend, episode, size, 5)
    for ours, theirs in zip(pool[:6], replay(world, episode, pool, 5)[:6], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-12)
    runs = -(-size // episode.steps)
    assert usage == {
        "offline": int(pool.tokens.sum()),  # nothing is trained that no row shows
        "teacher_generated": 2 * size,
        "probe": 7 * (size + runs),
    }


class Foreign:
    """A backend that offers the contract and nothing else."""

    def __init__(self, inner: SimBackend) -> None:
        self.inner = inner
        self.sources, self.capabilities = inner.sources, inner.capabilities
        self.hidden = inner.hidden
        for name in ("reset", "run_interval", "dev_eval", "final_eval", "snapshot", "restore"):
            setattr(self, name, getattr(inner, name))


@pytest.mark.parametrize("name", WORLDS)
def test_a_run_goes_on_as_if_there_had_been_no_pool(name: str) -> None:
    world = WORLDS[name]
    ends = []
    for size in (0, 9):
        backend: Any = Foreign(SimBackend(world))
        env = DistillEnv(backend=backend, task="average", budget=100, steps=4)
        env.reset(seed=3)
        env.step(np.ones(len(world.sources)))
        if size:
            pool, usage = offline_pool(backend, env.episode, size, 5)
            assert len(pool.tokens) == size
            assert usage["offline"] == pool.tokens.sum()
        seen = [env.step(np.ones(len(world.sources))) for _ in range(3)]
        ends.append([seen, env.reset(), env.dev_profile()])
    assert same(ends[0], ends[1])


def test_a_pool_that_fails_is_undone_too() -> None:
    backend = FakeBackend()  # its second interval measures NaN
    backend.reset(0)
    backend.run_interval(0, np.ones(2) / 2, 5)
    env = DistillEnv(backend=backend, task="average", budget=100, steps=4)
    with pytest.raises(CapabilityMissingError, match="probe of b is not finite"):
        offline_pool(backend, env.episode, 4, 0)
    assert backend.calls == 1


@pytest.mark.parametrize("lacks", ["snapshot", "restore", "both", "not implemented"])
def test_a_backend_without_snapshots_is_told_what_to_add(lacks: str) -> None:
    backend: Any = Foreign(SimBackend(WORLDS["flow"]))
    for name in ("snapshot", "restore"):
        if lacks in (name, "both"):
            delattr(backend, name)
    if lacks == "not implemented":

        def snapshot() -> None:
            raise NotImplementedError

        backend.snapshot = snapshot
    env = DistillEnv(backend=backend, task="average", budget=100, steps=4)
    said = {"both": "no snapshot and no restore", "not implemented": "no snapshot"}
    with pytest.raises(CapabilityMissingError, match=said.get(lacks, f"no {lacks}")) as error:
        rollout([env], ReAD(pool=8), [0])
    assert "`restore(saved)`" in str(error.value)
    rollout([env], TaskStatic(), [0])  # what needs no pool runs

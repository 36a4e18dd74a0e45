"""Short runs of an allocator in small drawn worlds, with every pick written down as it was given."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.testing.backend_checks import same
from readsim.tree_file import load_tree, save_tree
from readsim.worlds import Task, World

BUDGET = 4_000_000

Make = Callable[[], Allocator]


@dataclass(frozen=True)
class Case:
    """A small world and a run in it; `seed` draws the numbers, `fixed` forbids any other size."""

    seed: int
    size: int
    steps: int
    fixed: bool = False


def cases_of(size: int | None = None) -> st.SearchStrategy[Case]:
    """Cases of 2 to 4 sources and capabilities, or of exactly `size` for a policy of fixed shape."""
    seeds, steps = st.integers(0, 2**16), st.integers(2, 4)
    if size is None:
        return st.builds(Case, seeds, st.integers(2, 4), steps)
    return st.builds(Case, seeds, st.just(size), steps, st.just(True))


def small_world(case: Case, *, noise: bool = True, **changes: Any) -> World:
    """Generic numbers, no ties: sources and capabilities share names, some effects harm."""
    rng, k = np.random.default_rng(case.seed), case.size
    names = tuple(f"skill {n}" for n in range(k))
    fields: dict[str, Any] = {
        "name": "small",
        "sources": names,
        "capabilities": names,
        "dynamics": "potential",
        "link": "saturating",
        "start": rng.uniform(0.2, 0.4, k),
        "floor": np.full(k, 0.1),
        "ceiling": rng.uniform(0.7, 0.9, k),
        "gain": ("exponential",) * k,
        "scale_tokens": BUDGET * rng.uniform(0.5, 1.5, k),
        "help": rng.uniform(0.0, 0.05, (k, k)) + 0.3 * np.diag(rng.uniform(0.5, 1.0, k)),
        "harm": 0.05 * rng.random((k, k)) * (1 - np.eye(k)),
        "items": np.full(k, 64.0 if noise else 0.0),
    }
    return World(**{**fields, **changes})


def generic_task(case: Case, size: int) -> Task:
    """Unequal requirements of `size` capabilities."""
    r = np.random.default_rng(case.seed + 1).dirichlet(np.full(size, 2.0)) + 0.02
    return Task("generic", r / r.sum(), r / r.sum())


class Recorder(Allocator):
    """An allocator whose picks are kept, and looked at while they are made."""

    def __init__(self, inner: Allocator, *, reload: Make | None = None, look: bool = False) -> None:
        self.inner, self.needs, self.picks = inner, inner.needs, list[Array]()
        self._reload, self._look = reload, look

    def init(self, setup: Setup) -> State:
        return self._kept(setup, lambda: self.inner.init(setup), "init changed its setup")

    def select(self, state: State, context: Context) -> Any:
        context = writable(context)  # so that a write is found where it is looked for
        before = through_file(state) if self._look else None
        pick = self._kept(
            context, lambda: self.inner.select(state, context), "select changed its context"
        )
        if self._look:
            assert same(before, state), "select changed the state that it was given"
        self.picks.append(np.array(pick, dtype=np.float64))
        return pick

    def update(self, state: State, transition: Transition) -> State:
        transition = writable(transition)
        before = through_file(state) if self._look else None
        new = self._kept(
            transition,
            lambda: self.inner.update(state, transition),
            "update changed its transition",
        )
        if self._look:
            assert same(before, state), "update changed the state that it was given"
        if self._reload is not None:
            self.inner = self._reload()
            return through_file(new)
        return new

    def _kept(self, given: Any, act: Callable[[], Any], said: str) -> Any:
        if not self._look:
            return act()
        before = [a.copy() for a in _arrays(given)]
        out = act()
        assert same(before, _arrays(given)), said
        return out


Given = TypeVar("Given", Context, Transition)


def writable(given: Given) -> Given:
    """The same with copies of its read-only arrays."""
    if isinstance(given, Context):
        copies = {n: getattr(given, n).copy() for n in ("profile", "history", "previous")}
        return replace(given, **copies)
    copies = {n: getattr(given, n).copy() for n in ("allocation", "change", "profile")}
    dev = None if given.dev_profile is None else given.dev_profile.copy()
    return given._replace(context=writable(given.context), dev_profile=dev, **copies)


def _arrays(given: Any) -> list[Array]:
    """The arrays of a Setup, Context or Transition."""
    if isinstance(given, Transition):
        dev = [] if given.dev_profile is None else [given.dev_profile]
        return [given.allocation, given.change, given.profile, *dev, *_arrays(given.context)]
    if isinstance(given, Context):
        return [given.profile, given.history, given.previous, *_arrays(given.setup)]
    return [given.requirement, given.prior, given.pools]


def through_file(state: State) -> State:
    """The state as a resumed process would find it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        save_tree(path, {"state": state})
        return load_tree(path)["state"]


def play(
    recorder: Recorder, world: World, task: Task, steps: int, seeds: Sequence[int] = (5,)
) -> list[Array]:
    """The picks of runs in lockstep: round by round, in the order of the seeds."""
    envs = [DistillEnv(world, task, BUDGET, steps=steps) for _ in seeds]
    with warnings.catch_warnings():  # what is odd is found by the properties
        warnings.filterwarnings("ignore", "allocator .*(its state cannot be saved|shown once)")
        rollout(envs, recorder, list(seeds))
    return recorder.picks


def reordered(world: World, task: Task, order: NDArray[np.int64]) -> tuple[World, Task]:
    """The same world and task with sources and capabilities in another order, names with them."""
    changes: dict[str, Any] = {"gain": tuple(world.gain[i] for i in order)}
    for name in ("sources", "capabilities"):
        changes[name] = tuple(getattr(world, name)[i] for i in order)
    for name in ("start", "floor", "ceiling", "scale_tokens", "items"):
        changes[name] = getattr(world, name)[order]
    for name in ("help", "harm"):
        changes[name] = getattr(world, name)[np.ix_(order, order)]
    moved = replace(task, requirement=task.requirement[order], weights=task.weights[order])
    return world.replace(**changes), moved

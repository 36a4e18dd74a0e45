"""N runs, each in one of several worlds, advanced together: `Simulator` for many worlds."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readsim.arrays import Array
from readsim.backend import Final
from readsim.runs.profile_scale import ProfileScale
from readsim.simulator import EPISODE_BLOCK, STEP_BLOCK
from readsim.streams import BlockStream
from readsim.worlds.many import ManyState, ManyWorlds, WorldStack, stack_worlds
from readsim.worlds.probe import Probe
from readsim.worlds.world import World

Ints = NDArray[np.int64]


class ManySimulator:
    """State of N runs. A run in world w has the numbers that `Simulator(w)` gives it from the same seed."""

    def __init__(self, worlds: Sequence[World], runs: int) -> None:
        self._all = stack_worlds(worlds)
        self._shape, self._scale = worlds[0].shape, worlds[0].scale
        self._n = runs
        self._everyone = np.arange(runs)
        self._stack = self._all.take(np.zeros(runs, dtype=np.int64))
        self._budget = np.ones(runs)
        self._moved = True

    def assign(self, runs: Ints, worlds: Ints) -> None:
        """From their next reset on, these runs are in these worlds, by their places in the list."""
        if len(runs) == self._n:
            self._stack = self._all.take(worlds)
        else:
            self._stack.put(runs, self._all.take(worlds))
        self._moved = True

    def plan_budget(self, budget: ArrayLike) -> None:
        """What the learning rates of the runs to come are scheduled over: (N,)."""
        self._budget = np.asarray(budget, dtype=np.float64)

    def seed(self, seeds: Sequence[int]) -> None:
        """Start new streams, one set for each of N runs."""
        s, k = self._shape
        self._streams = {
            "world": BlockStream(seeds, "world", s, EPISODE_BLOCK),
            "items": BlockStream(seeds, "items", 2 * k, EPISODE_BLOCK),
            "probe": BlockStream(seeds, "probe", k, STEP_BLOCK),
            "test": BlockStream(seeds, "test", 3 * k, EPISODE_BLOCK),
            "process": BlockStream(seeds, "process", k, STEP_BLOCK),
        }
        self._items = np.zeros((self._n, k))
        self.profile = np.zeros((self._n, k))

    def reset(self, runs: Ints | None = None) -> Array:
        """Fresh students for all runs, or for the named ones: their probed profile (len(runs), V)."""
        rows = self._everyone if runs is None else runs
        if self._moved:
            self._worlds = ManyWorlds(self._stack)
            self._probe = _probe(self._stack, "items", self._scale)
            self._moved = False
        everyone = len(rows) == self._n
        worlds = self._worlds if everyone else ManyWorlds(self._stack.take(rows))
        rate = worlds.numbers["rate"]
        if "efficiency" in worlds.terms:
            draw = self._streams["world"].take_some(rows).T
            rate = np.exp(worlds.numbers["efficiency_sd"] * draw) * rate
        fresh = worlds.initial(rate, self._budget[rows])
        probe = self._probe if everyone else _probe(self._stack, "items", self._scale, rows)
        luck = probe.luck(self._streams["items"].take_some(rows)[:, : self._shape[1]])
        profile = worlds.profile(fresh).T.copy()
        if everyone:
            self._state, self.profile, self._items = fresh, profile, luck
        else:
            self._put(rows, fresh, profile)
            self._items = self._items.copy()
            self._items[rows] = luck
        measured = probe.measure(profile, luck, self._streams["probe"].take_some(rows))
        return self._show(measured, rows)

    def advance(self, tokens: Array, runs: Ints | None = None) -> Array:
        """Train with tokens (N, S), then probe: (N, V). With `runs`, only those rows move."""
        rows = self._everyone if runs is None else runs
        everyone = len(rows) == self._n
        process = None
        if "process" in self._worlds.terms:
            process = np.ascontiguousarray(self._streams["process"].take_some(rows).T)
        amounts = np.ascontiguousarray(tokens.T)
        fresh = self._streams["probe"].take_some(rows)
        if everyone:
            self._state = self._worlds.advance(self._state, amounts, process)
            self.profile = np.ascontiguousarray(self._worlds.profile(self._state).T)
            return self._show(self._probe.measure(self.profile, self._items, fresh), rows)
        worlds = ManyWorlds(self._stack.take(rows))
        state = worlds.advance(_columns(self._state, rows), amounts, process)
        profile = worlds.profile(state).T.copy()
        self._put(rows, state, profile)
        probe = _probe(self._stack, "items", self._scale, rows)
        measured = probe.measure(profile, self._items[rows], fresh)
        return self._show(measured, rows)

    def final(self, runs: Ints) -> Final:
        """Noise-free profile, measured change on the test split, its standard error: (len(runs), K)."""
        k, start = self._shape[1], self._stack.numbers["start"]
        draws = self._streams["test"].take_some(runs)
        test = _probe(self._stack, "test_items", self._scale, runs)
        luck, before, after = test.luck(draws[:, :k]), draws[:, k : 2 * k], draws[:, 2 * k :]
        first, last = start.T[runs], self.profile[runs]
        change = test.measure(last, luck, after) - test.measure(first, luck, before)
        return Final(last, change, test.difference_deviation(first, last), {})

    def _put(self, rows: Ints, state: ManyState, profile: Array) -> None:
        """Replace the named runs, in copies: what was handed out keeps its numbers."""
        changed = {}
        for f in fields(ManyState):
            old = getattr(self._state, f.name)
            if old is not None:
                changed[f.name] = old.copy()
                changed[f.name][..., rows] = getattr(state, f.name)
        self._state = ManyState(**{"taken": None, "written": None, **changed})
        self.profile = self.profile.copy()
        self.profile[rows] = profile

    def _show(self, measured: Array, rows: Ints) -> Array:
        """The visible ones (n, V) of (n, K)."""
        visible = self._stack.numbers["visible"]
        if len(visible) == self._shape[1]:
            return measured
        return np.take_along_axis(measured, visible.T[rows].astype(np.int64), axis=1)


def _columns(state: ManyState, runs: Ints) -> ManyState:
    parts = {f.name: getattr(state, f.name) for f in fields(ManyState)}
    return ManyState(**{n: v if v is None else v[..., runs] for n, v in parts.items()})


def _probe(stack: WorldStack, items: str, scale: ProfileScale, runs: Ints | None = None) -> Probe:
    """The measurement of each run's own world, on (n, K) profiles; of the named runs, or of all."""
    number, rows = stack.numbers, slice(None) if runs is None else runs
    count = np.ascontiguousarray(number[items].T[rows])
    bias, slope = np.zeros_like(count), np.ones_like(count)
    if items == "items":  # bias and slope are the probe suite's, as in `World.probe`
        bias, slope = number["bias"].T[rows].copy(), number["slope"].T[rows].copy()
    return Probe(count, bias, slope, number["pairing"][rows, None], scale)

"""N independent runs of a world, advanced together: the engine of both environments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.backend import Final, Outcome
from readsim.streams import BlockStream
from readsim.worlds.world import World

BLOCK = 64  # rows drawn at a time from each run's stream


class Simulator:
    """State of N runs. Each run has one stream per cause, so runs do not depend on each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.model = world.model
        self._k = len(world.capabilities)
        self._visible: slice | list[int] = world.visible_columns if world.hidden else slice(None)
        self._probe = world.probe("probe")
        self._dev = world.probe("dev")
        self._test = world.probe("test")
        self._varied = bool(world.efficiency_sd.any())
        self._state: tuple[Array, ...] = ()

    def seed(self, seeds: Sequence[int]) -> None:
        """Start new streams, one set for each of N runs."""
        s, k = self.world.shape
        n = len(seeds)
        self._streams = {
            "world": BlockStream(seeds, "world", s, BLOCK if self._varied else 1),
            "items": BlockStream(seeds, "items", 2 * k, BLOCK),
            "probe": BlockStream(seeds, "probe", k, BLOCK),
            "dev": BlockStream(seeds, "dev", k, BLOCK),
            "test": BlockStream(seeds, "test", 3 * k, 4),
        }
        if self.model.process_width:
            self._streams["process"] = BlockStream(
                seeds, "process", self.model.process_width, BLOCK
            )
        self._n = n
        self._items = np.zeros((n, 2 * k))  # item luck on the probe split, then on the dev split
        self.profile = np.zeros((n, k))
        self._everyone = np.arange(n)

    def reset(self, runs: NDArray[np.int64] | None = None) -> Array:
        """Fresh students for all runs, or for the named ones: their probed profile (len(runs), V)."""
        rows = self._everyone if runs is None else runs
        if self._varied:
            luck = self._streams["world"].take_some(rows)
            rate = self.world.rate(np.exp(self.world.efficiency_sd * luck))
        else:
            rate = np.broadcast_to(self.world.rate(), (len(rows), self.world.shape[0]))
        fresh = self.model.initial(np.array(rate))
        items = self._streams["items"].take_some(rows)
        if len(rows) == self._n:
            self._state, self._items = fresh, items
            self.profile = self.model.profile(fresh)
        else:
            for part, new in zip(self._state, fresh, strict=True):
                part[rows] = new
            self._items[rows] = items
            self.profile[rows] = self.model.profile(fresh)
        shown = self._probe.measure(
            self.profile[rows], items[:, : self._k], self._streams["probe"].take_some(rows)
        )
        return shown[:, self._visible]

    def advance(self, tokens: Array, runs: NDArray[np.int64] | None = None) -> Array:
        """Train with tokens (N, S), then probe: (N, V). With `runs`, only those rows move."""
        if runs is not None and len(runs) < self._n:
            return self._advance_some(tokens, runs)
        process = self._streams["process"].take() if self.model.process_width else None
        self._state = self.model.advance(self._state, tokens, process)
        self.profile = self.model.profile(self._state)
        items = self._items[:, : self._k]
        shown = self._probe.measure(self.profile, items, self._streams["probe"].take())
        return shown if isinstance(self._visible, slice) else shown[:, self._visible]

    def _advance_some(self, tokens: Array, runs: NDArray[np.int64]) -> Array:
        process = self._streams["process"].take_some(runs) if self.model.process_width else None
        moved = self.model.advance(tuple(p[runs] for p in self._state), tokens, process)
        self._state = tuple(p.copy() for p in self._state)
        for part, new in zip(self._state, moved, strict=True):
            part[runs] = new
        now = self.model.profile(moved)
        self.profile = self.profile.copy()
        self.profile[runs] = now
        items, fresh = self._items[runs, : self._k], self._streams["probe"].take_some(runs)
        return self._probe.measure(now, items, fresh)[:, self._visible]

    def dev(self) -> Array:
        """The profile measured on the dev split, which has items of its own: (N, V)."""
        items, fresh = self._items[:, self._k :], self._streams["dev"].take()
        return self._dev.measure(self.profile, items, fresh)[:, self._visible]

    def final(self, runs: NDArray[np.int64]) -> Final:
        """Noise-free profile, measured change on the test split and its standard error, (len(runs), K)."""
        items, before, after = np.split(self._streams["test"].take_some(runs), 3, axis=1)
        first = np.broadcast_to(self.world.start, items.shape)
        last = self.profile[runs]
        change = self._test.measure(last, items, after) - self._test.measure(first, items, before)
        return Final(last.copy(), change, self._test.difference_deviation(first, last))

    def snapshot(self) -> dict[str, Any]:
        return {
            "state": [p.copy() for p in self._state],
            "items": self._items.copy(),
            "profile": self.profile.copy(),
            "streams": {cause: s.state() for cause, s in self._streams.items()},
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._state = tuple(np.array(p) for p in saved["state"])
        self._items = np.array(saved["items"])
        self.profile = np.array(saved["profile"])
        for cause, stream in self._streams.items():
            stream.restore(saved["streams"][cause])


class SimBackend:
    """One run of a world behind the `Backend` protocol."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._sim = Simulator(world)
        self._first = np.zeros(1, dtype=np.int64)

    @property
    def sources(self) -> tuple[str, ...]:
        return self.world.sources

    @property
    def capabilities(self) -> tuple[str, ...]:
        return self.world.capabilities

    @property
    def hidden(self) -> tuple[str, ...]:
        return self.world.hidden

    def reset(self, seed: int | None) -> Array:
        if seed is not None:
            self._sim.seed([seed])
        profile: Array = self._sim.reset()[0]
        return profile

    def run_interval(self, step: int, weights: Array, tokens: int) -> Outcome:
        return Outcome(self._sim.advance((weights * tokens)[None])[0], {"student": tokens})

    def dev_eval(self) -> Array:
        profile: Array = self._sim.dev()[0]
        return profile

    def final_eval(self) -> Final:
        return Final(*(part[0] for part in self._sim.final(self._first)))

    def snapshot(self) -> dict[str, Any]:
        return self._sim.snapshot()

    def restore(self, saved: dict[str, Any]) -> None:
        if not hasattr(self._sim, "profile"):
            self._sim.seed([0])
        self._sim.restore(saved)

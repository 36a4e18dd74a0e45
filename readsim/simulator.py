"""N independent runs of a world, advanced together: the engine of both environments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readsim.arrays import Array
from readsim.backend import Final, Measurement, SourceSignals, TokenUsage
from readsim.errors import ConfigError
from readsim.runs.profile_scale import ProfileScale
from readsim.streams import BlockStream
from readsim.worlds.terms.learning_rate import LearningRate
from readsim.worlds.world import World

STEP_BLOCK, EPISODE_BLOCK = 256, 16  # rows drawn at a time from each run's stream


class Simulator:
    """State of N runs. Each run has one stream per cause, so runs do not depend on each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._k = len(world.capabilities)
        self._visible = world.visible_columns if world.hidden else None
        self._varied = bool(world.efficiency_sd.any())
        self._budget: Array | None = None  # () or (N, 1)
        self._probes = {split: world.probe(split) for split in ("probe", "dev", "test")}
        self._state: tuple[Array, ...] = ()

    def plan_budget(self, budget: ArrayLike) -> None:
        """What the learning rate of the runs to come is scheduled over: one number, or (N,) one a run."""
        tokens = np.asarray(budget, dtype=np.float64)
        self._budget = tokens[:, None] if tokens.ndim else tokens

    def _initial(self, rate: Array, rows: NDArray[np.int64]) -> tuple[Array, ...]:
        if self.world.learning_rate.is_constant:
            return self.world.model.initial(rate)
        if self._budget is None:
            raise ConfigError(
                f"world {self.world.name!r} has a {self.world.learning_rate}: plan_budget(tokens) says what "
                "it is scheduled over, before the first reset"
            )
        return self.world.initial(rate, self._budget[rows] if self._budget.ndim else self._budget)

    def seed(self, seeds: Sequence[int]) -> None:
        """Start new streams, one set for each of N runs."""
        s, k = self.world.shape
        n = len(seeds)
        self._streams = {
            "world": BlockStream(seeds, "world", s, EPISODE_BLOCK),
            "items": BlockStream(seeds, "items", 2 * k, EPISODE_BLOCK),
            "probe": BlockStream(seeds, "probe", k, STEP_BLOCK),
            "dev": BlockStream(seeds, "dev", k, EPISODE_BLOCK),
            "test": BlockStream(seeds, "test", 3 * k, EPISODE_BLOCK),
        }
        self._model = self.world.model_of_runs(n)
        self._probe = self._probes["probe"].of_runs(n)
        if self._model.process_width:
            width = self._model.process_width
            self._streams["process"] = BlockStream(seeds, "process", width, STEP_BLOCK)
        self._n = n
        self._items = np.zeros((n, k))  # luck of the item sample, see Probe
        self._dev_items = np.zeros((n, k))
        self.profile = np.zeros((n, k))
        self._everyone = np.arange(n)

    def reset(self, runs: NDArray[np.int64] | None = None) -> Array:
        """Fresh students for all runs, or for the named ones: their probed profile (len(runs), V)."""
        rows = self._everyone if runs is None else runs
        if self._varied:
            draw = self._streams["world"].take_some(rows)
            rate = self.world.rate(np.exp(self.world.efficiency_sd * draw))
        else:
            rate = self.world.rate() + np.zeros((len(rows), 1))
        fresh = self._initial(rate, rows)
        luck = self._probe.luck(self._streams["items"].take_some(rows))
        items, dev_items = luck[:, : self._k], luck[:, self._k :]
        profile = self.world.model.profile(fresh)
        if len(rows) == self._n:
            self._state, self.profile = fresh, profile
            self._items, self._dev_items = items.copy(), dev_items.copy()
        else:
            self._put(rows, fresh, profile)
            self._items[rows], self._dev_items[rows] = items, dev_items
        fresh_luck = self._streams["probe"].take_some(rows)
        return self._show(self._probes["probe"].measure(profile, items, fresh_luck))

    def advance(self, tokens: Array, runs: NDArray[np.int64] | None = None) -> Array:
        """Train with tokens (N, S), then probe: (N, V). With `runs`, only those rows move."""
        process = self._streams.get("process")
        if runs is None or len(runs) == self._n:
            noise = process.take() if process else None
            self._state = self._model.advance(self._state, tokens, noise)
            self.profile = self._model.profile(self._state)
            fresh = self._streams["probe"].take()
            return self._show(self._probe.measure(self.profile, self._items, fresh))
        noise = process.take_some(runs) if process else None
        state = self.world.model.advance(tuple(p[runs] for p in self._state), tokens, noise)
        profile = self.world.model.profile(state)
        self._put(runs, state, profile)
        fresh = self._streams["probe"].take_some(runs)
        return self._show(self._probes["probe"].measure(profile, self._items[runs], fresh))

    def _put(self, runs: NDArray[np.int64], state: tuple[Array, ...], profile: Array) -> None:
        """Replace the named rows, in copies: what was handed out keeps its numbers."""
        self._state = tuple(part.copy() for part in self._state)
        for part, new in zip(self._state, state, strict=True):
            part[runs] = new
        self.profile = self.profile.copy()
        self.profile[runs] = profile

    def _show(self, measured: Array) -> Array:
        return measured if self._visible is None else measured[:, self._visible]

    def dev(self) -> Array:
        """The profile measured on the dev split, which has items of its own: (N, V)."""
        fresh = self._streams["dev"].take()
        return self._show(self._probes["dev"].measure(self.profile, self._dev_items, fresh))

    def final(self, runs: NDArray[np.int64]) -> Final:
        """Noise-free profile, measured change on the test split, its standard error: (len(runs), K)."""
        test = self._probes["test"]
        draws, k = self._streams["test"].take_some(runs), self._k
        luck, before, after = test.luck(draws[:, :k]), draws[:, k : 2 * k], draws[:, 2 * k :]
        first, last = self.world.start, self.profile[runs]
        change = test.measure(last, luck, after) - test.measure(first, luck, before)
        return Final(last, change, test.difference_deviation(first, last), {})

    def outlook(self, weights: Array, tokens: float) -> Array:
        """Noise-free change (N, A, V) that `tokens` more at each allocation (A, S) would bring."""
        model, a = self.world.model, len(weights)
        state = tuple(np.repeat(part[:, None], a, axis=1) for part in self._state)
        after = model.advance(state, np.broadcast_to(weights * tokens, (self._n, *weights.shape)))
        change = model.profile(after) - self.profile[:, None]
        return change[..., self.world.visible_columns]

    def proxy_outlook(self, weights: Array, tokens: float) -> tuple[Array, Array]:
        """Mean and deviation (N, A, V) of the change between the probes before and after those tokens.

        On the same items; what a probe at the end of its scale cuts off is not counted.
        """
        probe, shown = self._probes["probe"], self.world.visible_columns
        change = np.zeros((self._n, len(weights), self._k))
        change[..., shown] = self.outlook(weights, tokens)
        before = self.profile[:, None]
        sd = probe.difference_deviation(before + 0.0 * change, before + change)
        return (probe.slope * change)[..., shown], sd[..., shown]

    def snapshot(self) -> dict[str, Any]:
        return {
            "state": [p.copy() for p in self._state],
            "items": self._items.copy(),
            "dev_items": self._dev_items.copy(),
            "profile": self.profile.copy(),
            "streams": {cause: s.state() for cause, s in self._streams.items()},
        }

    def put_back(self, saved: dict[str, Any]) -> None:
        """The students of a snapshot, while noise, drift and learning rate go on."""
        now = self._state
        self._state = self._model.put_back(now, tuple(np.array(p) for p in saved["state"]))
        self.profile = self.world.model.profile(self._state)

    def restore(self, saved: dict[str, Any]) -> None:
        self._state = tuple(np.array(p) for p in saved["state"])
        self._items = np.array(saved["items"])
        self._dev_items = np.array(saved["dev_items"])
        self.profile = np.array(saved["profile"])
        for cause, stream in self._streams.items():
            stream.restore(saved["streams"][cause])


class SimBackend:
    """One run of a world behind the `Backend` protocol; `budget` is what a learning rate is scheduled over,
    where no environment says it."""

    def __init__(self, world: World, budget: int | None = None) -> None:
        self.world = world
        self._sim = Simulator(world)
        if budget is not None:
            self.plan_budget(budget)
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

    @property
    def scale(self) -> ProfileScale:
        return self.world.scale

    @property
    def rate_schedule(self) -> LearningRate:
        return self.world.learning_rate

    def plan_budget(self, budget: int) -> None:
        self._sim.plan_budget(budget)

    def reset(self, seed: int | None) -> Measurement:
        if seed is not None:
            self._sim.seed([seed])
        return Measurement(self._sim.reset()[0], {})

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        return Measurement(self._sim.advance((weights * tokens)[None])[0], {"student": tokens})

    def dev_eval(self) -> Measurement:
        return Measurement(self._sim.dev()[0], {})

    def final_eval(self) -> Final:
        profile, change, sd, _ = self._sim.final(self._first)
        return Final(profile[0], change[0], sd[0], {})

    def true_profile(self) -> Array:
        profile: Array = self._sim.profile[0]
        return profile.copy()

    def source_sizes(self) -> Array:
        return self.world.pool_tokens

    def probe_items(self) -> Array:
        return self.world.items[self.world.visible_columns]

    def teacher_profile(self) -> Measurement:
        """The ceiling, without measurement noise."""
        return Measurement(self.world.ceiling[self.world.visible_columns], {})

    def alignment(self) -> tuple[Array, TokenUsage]:
        """Noise-free: what gradient methods could know at best (a step of 1000 tokens)."""
        return self.outlook(np.eye(len(self.sources)), 1000.0) / 1000.0, {}

    def source_signals(self) -> tuple[SourceSignals, TokenUsage]:
        """Stand-ins, noise-free. KL: how far the capability of the source's name, or the mean one, is below
        the teacher. Dispersion: sqrt(2 KL), that of Gaussian log-ratios. Gradient: norm of the change a
        token of the source would bring."""
        gap = np.maximum(self.world.ceiling - self.true_profile(), 0.0)
        named = dict(zip(self.capabilities, gap.tolist(), strict=True))
        other = float(gap[self.world.visible_columns].mean())
        kl = np.array([named.get(name, other) for name in self.sources])
        effects, _ = self.alignment()
        gradient = np.linalg.norm(effects, axis=1)
        return SourceSignals(gradient, kl, np.sqrt(2.0 * kl)), {}

    def outlook(self, weights: Array, tokens: float) -> Array:
        """From the true state, without noise; process noise counts as 0."""
        change: Array = self._sim.outlook(weights, tokens)[0]
        return change

    def proxy_outlook(self, weights: Array, tokens: float) -> tuple[Array, Array]:
        """From the true state: how the two probes around an interval will differ, process noise apart."""
        mean, sd = self._sim.proxy_outlook(weights, tokens)
        return mean[0], sd[0]

    def snapshot(self) -> dict[str, Any]:
        return self._sim.snapshot()

    def put_back(self, saved: dict[str, Any]) -> None:
        self._sim.put_back(saved)

    def restore(self, saved: dict[str, Any]) -> None:
        if not hasattr(self._sim, "profile"):
            self._sim.seed([0])
        self._sim.restore(saved)

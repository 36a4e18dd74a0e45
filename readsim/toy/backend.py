"""The toy pair behind the `Backend` protocol. A token is a training example."""

from typing import Any
from zlib import crc32

import numpy as np

from readsim.arrays import Array
from readsim.backend import Final, Measurement, TokenUsage
from readsim.streams import generator
from readsim.toy import network, optimisers
from readsim.toy.config import ToyConfig
from readsim.toy.data import Split, splits


class ToyBackend:
    """One student; all runs start from the same checkpoint, a seed draws the batches.

    Probes are the smooth score (expected accuracy under sampling) on fixed items, so they have no
    noise of their own: what a seed changes is the training. With `sampled=False` nothing is random.
    The optimiser's state is carried across intervals.
    """

    hidden: tuple[str, ...] = ()

    def __init__(self, config: ToyConfig | None = None) -> None:
        self.config = config or ToyConfig()
        c = self.config
        self.shape = network.NetworkShape(c.inputs, c.hidden, c.classes, c.trunk_of)
        self.sources = self.capabilities = c.names
        self._data = [splits(c, name) for name in c.names]
        self._by_name = np.argsort(np.array(c.names))
        self._begin()
        self._seed, self._run, self._updates = 0, -1, 0

    def _begin(self) -> None:
        """The checkpoint: trunks by number, heads by name."""
        c, shape = self.config, self.shape
        self.theta = np.zeros(shape.size)
        for i, name in enumerate(c.names):
            trunk, head = shape.places(i)
            rng = generator(c.seed, "world", 1, c.trunk_of[i])
            self.theta[trunk] = rng.normal(size=shape.trunk_size) / np.sqrt(c.inputs)
            own = generator(c.seed, "world", 2, crc32(name.encode()))
            self.theta[head] = 0.5 * own.normal(size=shape.head_size) / np.sqrt(c.hidden)
        self.optimiser = optimisers.fresh(shape.size)
        self._first = self._items("test")

    # ------------------------------------------------------------- Backend

    def reset(self, seed: int | None) -> Measurement:
        self._seed, self._run = (self._seed, self._run + 1) if seed is None else (seed, 0)
        self._updates = 0
        self._begin()
        return Measurement(self._profile("probe"), {})

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        c, left = self.config, int(tokens)
        while left > 0:
            size = min(c.batch, left)
            rate = c.learning_rate * size / c.batch
            gradient = self._sample(weights, size) if c.sampled else self.gradient(weights)
            self.optimiser, change = optimisers.update(c, self.optimiser, gradient, rate)
            self.theta = self.theta + change
            self._updates += 1
            left -= size
        return Measurement(self._profile("probe"), {"student": int(tokens)})

    def dev_eval(self) -> Measurement:
        return Measurement(self._profile("dev"), {})

    def final_eval(self) -> Final:
        scores = self._items("test")
        change = scores - self._first
        deviation = change.std(axis=1, ddof=1) if self.config.items > 1 else np.zeros(len(change))
        sd = deviation / np.sqrt(self.config.items)
        return Final(scores.mean(axis=1), change.mean(axis=1), sd, {})

    def snapshot(self) -> dict[str, Any]:
        return {
            "theta": self.theta.copy(),
            "optimiser": {k: np.copy(v) for k, v in self.optimiser.items()},
            "first": self._first.copy(),
            "place": [self._seed, self._run, self._updates],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.theta = np.array(saved["theta"])
        state = saved["optimiser"]
        self.optimiser = {
            "m": np.array(state["m"]),
            "v": np.array(state["v"]),
            "count": int(state["count"]),
        }
        self._first = np.array(saved["first"])
        self._seed, self._run, self._updates = (int(n) for n in saved["place"])

    # ------------------------------------------------------------- what else it offers

    def teacher_profile(self) -> Measurement:
        """The teacher's mean probability of its own best class, on the probe items."""
        best = [d["probe"].soft.max(axis=1).mean() for d in self._data]
        return Measurement(np.array(best), {})

    def outlook(self, weights: Array, tokens: float) -> Array:
        """Change of the probed profile by the expected updates that `tokens` pay for: (A, V)."""
        c = self.config
        updates = max(1, round(tokens / c.batch))
        rate = c.learning_rate * tokens / (c.batch * updates)
        here = self.readouts(self.theta)
        moves = [self.expected_update(w, rate, updates) for w in np.asarray(weights)]
        return np.array([self.readouts(self.theta + move) - here for move in moves])

    def alignment(self) -> tuple[Array, TokenUsage]:
        """By one expected update on each source, undone: (S, V) per token."""
        return self.outlook(np.eye(len(self.sources)), self.config.batch) / self.config.batch, {}

    # ------------------------------------------------------------- OffersParameters

    def parameters(self) -> Array:
        return self.theta.copy()

    def directions(self) -> Array:
        return -np.array([self._loss_gradient(i, self.theta) for i in range(len(self.sources))])

    def readouts(self, parameters: Array) -> Array:
        return np.array([s.mean() for s in self._items("probe", parameters)])

    def accuracies(self, parameters: Array) -> Array:
        """Greedy accuracy (K,) on the probe items: the step function that Assumption 4.2 excludes."""
        return np.array(
            [
                network.item_hits(self.shape, parameters, i, d["probe"].x, d["probe"].label).mean()
                for i, d in enumerate(self._data)
            ]
        )

    def readout_gradients(self) -> Array:
        rows = enumerate(d["probe"] for d in self._data)
        return np.array(
            [network.score_gradient(self.shape, self.theta, i, d.x, d.label) for i, d in rows]
        )

    def expected_update(self, weights: Array, rate: float, updates: int = 1) -> Array:
        out: Array = self._expected(weights, rate, updates)[0] - self.theta
        return out

    def expected_train(self, weights: Array, tokens: float, updates: int) -> None:
        """At a rate of tokens / batch / updates learning rates; the optimiser's state moves too."""
        rate = self.config.learning_rate * tokens / self.config.batch / updates
        self.theta, self.optimiser = self._expected(weights, rate, updates)

    def _expected(
        self, weights: Array, rate: float, updates: int
    ) -> tuple[Array, optimisers.State]:
        theta, state = self.theta, self.optimiser
        for _ in range(updates):
            gradient = self.gradient(weights, theta)
            state, change = optimisers.update(self.config, state, gradient, rate)
            theta = theta + change
        return theta, state

    def gradient(self, weights: Array, theta: Array | None = None) -> Array:
        """Gradient (d,) of sum_i w_i L_i over the pools, at theta (None: the student's)."""
        at = self.theta if theta is None else theta
        out = np.zeros(self.shape.size)
        for i, w in enumerate(weights):
            if w:
                out += w * self._loss_gradient(i, at)
        return out

    # ------------------------------------------------------------- inside

    def _loss_gradient(self, i: int, theta: Array) -> Array:
        pool = self._data[i]["pool"]
        return network.loss_gradient(self.shape, theta, i, pool.x, pool.soft)

    def _sample(self, weights: Array, size: int) -> Array:
        """The gradient of `size` examples drawn from the mixture: unbiased for `gradient(weights)`.

        Capabilities draw in the order of their names, so the order of the columns changes nothing.
        """
        rng = generator(self._seed, "data", self._run, self._updates)
        shares = np.asarray(weights)[self._by_name]
        counts = np.zeros(len(shares), dtype=np.int64)
        counts[self._by_name] = rng.multinomial(size, shares / shares.sum())
        out = np.zeros(self.shape.size)
        for i in [i for i in self._by_name.tolist() if counts[i]]:
            pool: Split = self._data[i]["pool"]
            rows = rng.integers(0, len(pool.x), counts[i])
            part = network.loss_gradient(self.shape, self.theta, i, pool.x[rows], pool.soft[rows])
            out += part * (counts[i] / size)
        return out

    def _items(self, split: str, theta: Array | None = None) -> Array:
        at = self.theta if theta is None else theta
        return np.array(
            [
                network.item_scores(self.shape, at, i, d[split].x, d[split].label)
                for i, d in enumerate(self._data)
            ]
        )

    def _profile(self, split: str) -> Array:
        out: Array = self._items(split).mean(axis=1)
        return out

"""readsim's reward ensemble against the public artifact's `fit`: time per decision, held-out error.

The artifact's way: five networks (two hidden layers of 64, ReLU), one after the other; after every
decision each draws one bootstrap of all rows and makes 200 Adam steps (rate 1e-3, batches of 64) on
from its old weights. Written here from that description, in numpy and, where torch can be imported,
in torch, which the artifact uses. Both get standardised inputs and rewards, which can only help.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from readsim.allocators.read.ensemble import (
    EnsembleConfig,
    EnsembleState,
    add_row,
    fit_ensemble,
    predict_reward,
)
from readsim.arrays import Array

Floats = NDArray[np.float32]

MEMBERS, HIDDEN, STEPS, BATCH, RATE = 5, 64, 200, 64, 1e-3
CAPABILITIES = 8
PAST = 3  # past steps in an input


class Fitter(Protocol):
    """`fit` trains on rows x (n, d), y (n,), on from its last weights; `predict` gives (M, A)."""

    def fit(self, x: Floats, y: Floats) -> None: ...
    def predict(self, x: Floats) -> Floats: ...


class NumpyFitter:
    """The artifact's procedure in numpy, with one flat weight vector a member for a cheap Adam."""

    def __init__(self, inputs: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._layers = ((inputs, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1))
        self._flat = [
            np.concatenate(
                [self._rng.uniform(-1, 1, (i + 1) * o) * i**-0.5 for i, o in self._layers]
            ).astype(np.float32)
            for _ in range(MEMBERS)
        ]
        self._first = [np.zeros_like(w) for w in self._flat]
        self._second = [np.zeros_like(w) for w in self._flat]
        self._steps = 0

    def _parts(self, flat: Floats) -> list[Floats]:
        shapes = [shape for i, o in self._layers for shape in ((i, o), (o,))]
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        return [part.reshape(s) for part, s in zip(np.split(flat, ends), shapes, strict=True)]

    def fit(self, x: Floats, y: Floats) -> None:
        n, batch = len(y), min(BATCH, len(y))
        for flat, first, second in zip(self._flat, self._first, self._second, strict=True):
            own = self._rng.integers(0, n, n)
            w1, b1, w2, b2, w3, b3 = self._parts(flat)
            slope = np.empty_like(flat)
            g1, h1, g2, h2, g3, h3 = self._parts(slope)
            for step in range(self._steps + 1, self._steps + STEPS + 1):
                rows = own[self._rng.integers(0, n, batch)]
                inputs = x[rows]
                z1 = np.maximum(inputs @ w1 + b1, 0)
                z2 = np.maximum(z1 @ w2 + b2, 0)
                d3 = (z2 @ w3 + b3 - y[rows, None]) * np.float32(2 / batch)
                d2 = d3 @ w3.T * (z2 > 0)
                d1 = d2 @ w2.T * (z1 > 0)
                np.matmul(z2.T, d3, out=g3)
                np.matmul(z1.T, d2, out=g2)
                np.matmul(inputs.T, d1, out=g1)
                for total, part in ((h3, d3), (h2, d2), (h1, d1)):
                    np.sum(part, axis=0, out=total)
                first[:] += np.float32(0.1) * (slope - first)
                second[:] += np.float32(0.001) * (slope * slope - second)
                root = np.sqrt(second / np.float32(1 - 0.999**step))
                flat[:] -= np.float32(RATE / (1 - 0.9**step)) * first / (root + np.float32(1e-8))
        self._steps += STEPS

    def predict(self, x: Floats) -> Floats:
        out = []
        for w1, b1, w2, b2, w3, b3 in map(self._parts, self._flat):
            z = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
            out.append((z @ w3 + b3)[:, 0])
        return np.stack(out)


class TorchFitter:
    """The same in torch, on one thread, with its fused Adam (the fastest of its three)."""

    def __init__(self, inputs: int, seed: int) -> None:
        torch = import_module("torch")
        nn = torch.nn
        torch.set_num_threads(1)
        self._torch = torch
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._nets = [
                nn.Sequential(
                    nn.Linear(inputs, HIDDEN),
                    nn.ReLU(),
                    nn.Linear(HIDDEN, HIDDEN),
                    nn.ReLU(),
                    nn.Linear(HIDDEN, 1),
                )
                for _ in range(MEMBERS)
            ]
        self._draw = torch.Generator().manual_seed(seed)
        self._adam = [torch.optim.Adam(net.parameters(), lr=RATE, fused=True) for net in self._nets]

    def fit(self, x: Floats, y: Floats) -> None:
        torch = self._torch
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        n, batch = len(y), min(BATCH, len(y))
        for net, adam in zip(self._nets, self._adam, strict=True):
            own = torch.randint(0, n, (n,), generator=self._draw)
            for _ in range(STEPS):
                rows = own[torch.randint(0, n, (batch,), generator=self._draw)]
                loss = torch.square(net(inputs[rows])[:, 0] - targets[rows]).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()

    def predict(self, x: Floats) -> Floats:
        torch = self._torch
        with torch.no_grad():
            out = torch.stack([net(torch.from_numpy(x))[:, 0] for net in self._nets])
        return np.asarray(out.numpy(), dtype=np.float32)


class Rewards:
    """A made-up reward with the structure of Eq. (9): saturating own effects of the shares that
    shrink with the room left, cross effects of both signs, a price on losses, noise.

    Rows are (profile 8, shares 8, budget left, requirement 8, three past steps of 18): d = 79.
    """

    def __init__(self, seed: int, signal_to_noise: float) -> None:
        rng = np.random.default_rng(seed)
        k = CAPABILITIES
        self._requirement = rng.dirichlet(np.ones(k))
        self._gain, self._rate = rng.uniform(0.5, 2.0, k), rng.uniform(1.0, 4.0, k)
        self._cross = 0.3 * rng.standard_normal((k, k)) * (1 - np.eye(k))
        self._ceiling = rng.uniform(0.6, 0.95, k)
        self.deviation = float(self._clean(rng, 5000)[1].std())
        self._noise = self.deviation / signal_to_noise

    def _value(self, profile: Array, shares: Array) -> Array:
        room = np.maximum(self._ceiling - profile, 0)
        own = self._gain * (1 - np.exp(-self._rate * shares))
        change = room * (own + shares @ self._cross) - 0.05
        value: Array = change @ self._requirement + 0.5 * np.minimum(change, 0).mean(axis=1)
        return value

    def _clean(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        def shares() -> Array:
            return rng.dirichlet(np.full(CAPABILITIES, 0.5), n)

        profile, now = rng.uniform(0.2, 0.9, (n, CAPABILITIES)), shares()
        parts = [profile, now, rng.random((n, 1)), np.tile(self._requirement, (n, 1))]
        for _ in range(PAST):
            before, past = profile + 0.05 * rng.standard_normal(profile.shape), shares()
            reward = self._value(before, past) + 0.1 * rng.standard_normal(n)
            parts += [past, before, reward[:, None], 0.1 * rng.standard_normal((n, 1))]
        return np.concatenate(parts, axis=1), self._value(profile, now)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, Array, Array]:
        """Rows (n, 79), measured rewards (n,), and the rewards without noise."""
        x, clean = self._clean(rng, n)
        return x, clean + self._noise * rng.standard_normal(n), clean


class Trace(NamedTuple):
    """One method over T decisions. Index 0 of `error` is before the first decision: (T+1,)."""

    start_seconds: float  # the first fit, on the pool
    decision_seconds: Array  # (T,) each: one more row, fit, score the candidates
    error: Array  # root mean square error on fresh rows, in standard deviations of the reward

    def per_decision(self) -> float:
        """Seconds per decision, the first fit shared out over the T decisions."""
        return self.start_seconds / len(self.decision_seconds) + float(
            np.median(self.decision_seconds)
        )


class Sequence(NamedTuple):
    """Data of one comparison: pool and T later rows, candidates for each decision, fresh rows."""

    pool: int
    x: Array  # (pool + T, d)
    y: Array
    candidates: Array  # (T, A, d)
    fresh_x: Array
    fresh_y: Array  # without noise
    deviation: float


def draw_sequence(
    signal_to_noise: float, seed: int, pool: int = 3200, decisions: int = 20, candidates: int = 60
) -> Sequence:
    """A task and its rows; `signal_to_noise` = inf has no noise."""
    rewards, rng = Rewards(seed, signal_to_noise), np.random.default_rng([seed, 1])
    x, y, _ = rewards.draw(rng, pool + decisions)
    choices = rewards.draw(rng, decisions * candidates)[0].reshape(decisions, candidates, -1)
    fresh_x, _, fresh_y = rewards.draw(rng, 2000)
    return Sequence(pool, x, y, choices, fresh_x, fresh_y, rewards.deviation)


def trace_artifact(make: Callable[[int, int], Fitter], data: Sequence, seed: int) -> Trace:
    """The artifact's procedure. Its fit on the pool alone is not charged to it (`start` = 0)."""
    mean, deviation = data.x[: data.pool].mean(axis=0), data.x[: data.pool].std(axis=0)
    deviation[deviation < 1e-9] = np.inf
    centre, scale = float(data.y[: data.pool].mean()), float(data.y[: data.pool].std())

    def standard(x: Array) -> Floats:
        return np.asarray((x - mean) / deviation, dtype=np.float32)

    x, y = standard(data.x), ((data.y - centre) / scale).astype(np.float32)
    candidates, fresh = standard(data.candidates), standard(data.fresh_x)
    fitter = make(x.shape[1], seed)
    seconds, errors = [], []
    for t in range(len(candidates) + 1):
        start = perf_counter()
        fitter.fit(x[: data.pool + t], y[: data.pool + t])
        fitter.predict(candidates[t - 1])
        seconds.append(perf_counter() - start)
        mu = fitter.predict(fresh).mean(axis=0) * scale + centre
        errors.append(_error(mu, data))
    return Trace(0.0, np.array(seconds[1:]), np.array(errors))


def trace_ensemble(config: EnsembleConfig, data: Sequence, seed: int) -> Trace:
    """readsim's ensemble; the training on the pool (median of three) counts."""
    firsts = []
    for _ in range(3):
        start = perf_counter()
        state: EnsembleState = fit_ensemble(config, data.x[: data.pool], data.y[: data.pool], seed)
        firsts.append(perf_counter() - start)
    seconds, errors = [], [_error(predict_reward(state, data.fresh_x)[0], data)]
    for t, candidates in enumerate(data.candidates, start=data.pool):
        start = perf_counter()
        state = add_row(config, state, data.x[t], float(data.y[t]))
        predict_reward(state, candidates)
        seconds.append(perf_counter() - start)
        errors.append(_error(predict_reward(state, data.fresh_x)[0], data))
    return Trace(float(np.median(firsts)), np.array(seconds), np.array(errors))


def _error(mu: Array, data: Sequence) -> float:
    return float(np.sqrt(np.mean((mu - data.fresh_y) ** 2)) / data.deviation)


class Comparison(NamedTuple):
    """Ours and the artifact's on one sequence; `torch` is None where torch cannot be imported."""

    signal_to_noise: float
    ensemble: Trace
    numpy: Trace
    torch: Trace | None

    def ratio(self) -> float:
        """Time per decision of the faster artifact over ours."""
        others = [t.per_decision() for t in (self.numpy, self.torch) if t is not None]
        return min(others) / self.ensemble.per_decision()


def measure(
    signal_to_noise: float, seed: int, *, pool: int = 3200, decisions: int = 20
) -> Comparison:
    """Run both on one task; set the BLAS to one thread before numpy is imported."""
    data = draw_sequence(signal_to_noise, seed, pool, decisions)
    has_torch = find_spec("torch") is not None
    return Comparison(
        signal_to_noise,
        trace_ensemble(EnsembleConfig(), data, seed),
        trace_artifact(NumpyFitter, data, seed),
        trace_artifact(TorchFitter, data, seed) if has_torch else None,
    )


def measure_runs(signal_to_noise: float, runs: int = 16) -> float:
    """Seconds per decision and run when `runs` runs take their decisions in turn."""
    config = EnsembleConfig()
    data = [draw_sequence(signal_to_noise, seed) for seed in range(runs)]
    start = perf_counter()
    states = [fit_ensemble(config, d.x[: d.pool], d.y[: d.pool], n) for n, d in enumerate(data)]
    decisions = len(data[0].candidates)
    for t in range(decisions):
        for n, d in enumerate(data):
            row = d.pool + t
            states[n] = add_row(config, states[n], d.x[row], float(d.y[row]))
            predict_reward(states[n], d.candidates[t])
    return (perf_counter() - start) / (runs * decisions)

"""The networks of the reward ensemble, against formulas written out in double precision.

And the course of their training: which stages, on which rows, from which weights.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from readsim.allocators.read import ensemble, mlp
from readsim.allocators.read.features import Readout, fit_readout
from readsim.arrays import Array


def with_one(x: Array) -> NDArray[np.float32]:
    """Inputs and the constant 1."""
    return np.append(x, np.ones((len(x), 1)), axis=1).astype(np.float32)


def naive_output(parts: list[Array], x: Array) -> Array:
    w1, w2, w3 = parts
    z1 = np.append(np.maximum(x @ w1, 0), np.ones((len(x), 1)), axis=1)
    z2 = np.append(np.maximum(z1 @ w2, 0), np.ones((len(x), 1)), axis=1)
    return np.asarray((z2 @ w3)[:, 0])


def naive_gradient(flat: Array, inputs: int, hidden: int, x: Array, y: Array) -> Array:
    """Central differences of half the mean squared error of one member."""

    def loss(weights: Array) -> float:
        a, b = inputs * hidden, (inputs + hidden + 1) * hidden
        parts = [weights[:a], weights[a:b], weights[b:]]
        shapes = [(inputs, hidden), (hidden + 1, hidden), (hidden + 1, 1)]
        nets = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        return float(0.5 * np.mean((naive_output(nets, x) - y) ** 2))

    step = 1e-6 * np.eye(len(flat))
    return np.array([(loss(flat + e) - loss(flat - e)) / 2e-6 for e in step])


def random_network(m: int, d: int, h: int) -> tuple[NDArray[np.float32], np.random.Generator]:
    rng = np.random.default_rng(3)
    flat = mlp.initial(m, d + 1, h, rng)
    flat += 0.3 * rng.standard_normal(flat.shape).astype(np.float32)
    return flat, rng


def test_gradient_is_that_of_finite_differences() -> None:
    m, b, d, h = 3, 6, 4, 5
    flat, rng = random_network(m, d, h)
    x = np.stack([with_one(rng.standard_normal((b, d))) for _ in range(m)])
    y = rng.standard_normal((m, b, 1)).astype(np.float32)
    slope = np.full_like(flat, np.nan)
    net, grad = mlp.unflatten(flat, d + 1, h), mlp.unflatten(slope, d + 1, h)
    work = mlp.work_for(m, b, h)
    for _ in range(2):  # the scratch of a first call does not show in a second
        mlp.loss_gradients(net, x, y, grad, work)
    for k in range(m):
        wide = flat[k].astype(np.float64), x[k].astype(np.float64), y[k, :, 0].astype(np.float64)
        expected = naive_gradient(wide[0], d + 1, h, wide[1], wide[2])
        np.testing.assert_allclose(slope[k], expected, rtol=1e-3, atol=1e-5)


def test_features_and_weights_predict_as_written_out() -> None:
    m, d, h = 2, 3, 4
    flat, rng = random_network(m, d, h)
    x = with_one(rng.standard_normal((2 * mlp.CHUNK + 7, d)))
    z = mlp.features(flat, x, h)
    net = mlp.unflatten(flat, d + 1, h)
    for k in range(m):
        parts = [w[k].astype(np.float64) for w in net]
        expected = naive_output(parts, x.astype(np.float64))
        np.testing.assert_allclose(z[k] @ parts[2][:, 0], expected, atol=1e-4)


def test_training_is_adam_with_decay_and_averaging() -> None:
    m, n, d, h, steps, batch, rate, decay = 2, 30, 3, 4, 30, 5, 0.01, 0.5
    rng = np.random.default_rng(1)
    start = mlp.initial(m, d + 1, h, rng)
    x, y = with_one(rng.standard_normal((n, d))), rng.standard_normal(n).astype(np.float32)
    draws = rng.integers(0, n, (steps, m, batch))
    before = start.copy()
    trained = mlp.train_members(
        start, x, y, draws, hidden=h, learning_rate=rate, weight_decay=decay
    )
    assert np.array_equal(start, before)
    for k in range(m):
        now = start[k].astype(np.float64)
        first, second, average = np.zeros_like(now), np.zeros_like(now), np.zeros_like(now)
        for t in range(1, steps + 1):
            own = draws[t - 1, k]
            g = naive_gradient(now, d + 1, h, x[own].astype(float), y[own].astype(float))
            first = 0.9 * first + 0.1 * g
            second = 0.99 * second + 0.01 * g * g
            warm = rate * min(1.0, t / 20)
            # weights without any gradient so far do not move
            step = (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.99**t)) + 1e-12)
            now = now * (1 - warm * decay) - warm * step
            if t % 10 == 0:
                share = 5 / (t // 10 + 4)
                average = average + share * (now - average)
        np.testing.assert_allclose(trained[k], average, atol=2e-3)


@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.001, 0.1, 10.0]))
@settings(max_examples=25, deadline=None)
def test_output_layer_is_ridge_regression(seed: int, n: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    z = np.concatenate([rng.random((2, n, 5)), np.ones((2, n, 1))], axis=2).astype(np.float32)
    y, counts = rng.standard_normal(n), rng.poisson(1.0, (2, n)).astype(np.float64)
    readout = fit_readout((ridge,), z, y[:, None], counts)
    for k in range(2):
        own = np.repeat(np.arange(n), counts[k].astype(int))
        a = np.concatenate([z[k, own].astype(np.float64), np.diag(np.sqrt(readout.penalty))])
        b = np.append(y[own], np.zeros(6))
        expected = np.linalg.lstsq(a, b)[0]
        np.testing.assert_allclose(readout.output[k, :, 0], expected, rtol=1e-5, atol=1e-7)


def test_penalty_has_the_least_out_of_bag_error() -> None:
    rng = np.random.default_rng(5)
    z = np.concatenate([rng.random((3, 60, 20)), np.ones((3, 60, 1))], axis=2).astype(np.float32)
    y, counts = rng.standard_normal(60), rng.poisson(1.0, (3, 60)).astype(np.float64)
    ridges = (1e-4, 1e-2, 1.0)
    errors = []
    for ridge in ridges:
        one = fit_readout((ridge,), z, y[:, None], counts)
        guess = np.einsum("mnh,mh->mn", z, one.output[..., 0])
        votes = [(guess[counts[:, i] == 0, i], y[i]) for i in range(60)]
        errors.append(np.mean([(g.mean() - target) ** 2 for g, target in votes if len(g)]))
        assert one.error == pytest.approx(errors[-1], rel=1e-3)
    chosen = fit_readout(ridges, z, y[:, None], counts)
    assert chosen.ridge == ridges[int(np.argmin(errors))] == 1.0  # noise: shrink


@pytest.mark.parametrize(
    ("errors", "rates"),
    [
        ([5.0, 6.0], [1, 1 / 2, 1, 1, 1 / 2]),
        ([5.0, 4.0, 4.0], [1, 1 / 2, 1 / 4, 1, 1 / 2, 1 / 4]),
        ([5.0, 4.0, 3.0], [1, 1 / 2, 1 / 4, 1 / 2, 1 / 4, 1 / 8]),
    ],
)
def test_training_goes_on_while_the_out_of_bag_error_falls(
    errors: list[float], rates: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ensemble.EnsembleConfig(
        members=2, hidden=3, stages=3, steps=5, batch=4, learning_rate=1.0
    )
    n = 12
    counts = np.zeros((2, n))
    counts[:, :6] = 1
    calls: list[tuple[Any, ...]] = []
    results: list[NDArray[np.float32]] = []
    scripted = iter([*errors, 0.0])

    def train(flat: NDArray[np.float32], *data: Any, **named: Any) -> NDArray[np.float32]:
        calls.append((flat, data[-1], named["learning_rate"], named["weight_decay"]))
        results.append(mlp.train_members(flat, *data, **named))
        return results[-1]

    def readout(*arguments: Any) -> Readout:
        return fit_readout(*arguments)._replace(error=next(scripted))

    monkeypatch.setattr(ensemble, "train_members", train)
    monkeypatch.setattr(ensemble, "fit_readout", readout)
    rng = np.random.default_rng(0)
    x, y = with_one(rng.standard_normal((n, 2))), rng.standard_normal((n, 1))
    hidden, last = ensemble.fit_network(config, x, y, counts, np.ones(len(y)), rng)
    assert [rate for _, _, rate, _ in calls] == rates
    assert [decay for *_, decay in calls] == [3 * rate for rate in rates]
    trials, ends = calls[: len(errors)], calls[len(errors) :]
    assert all(draws.shape == (5, 2, 4) and draws.max() < 6 for _, draws, *_ in trials)
    assert all(draws.shape == (3, 2, 4) for _, draws, *_ in ends)
    undone = errors[-1] >= errors[-2]
    assert ends[0][0] is results[len(errors) - 1 - undone]
    assert hidden is results[-1]
    assert last.error == 0.0
    # Rows that no member's bootstrap has come in only where all stages helped.
    assert (max(draws.max() for _, draws, *_ in ends) >= 6) == (not undone)

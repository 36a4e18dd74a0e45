"""Two-hidden-layer ReLU regressors, M of them side by side, trained by Adam with averaged weights.

All members are one stack: every array has a leading axis M and every product is one `np.matmul`
over it. Stacking several runs as well was measured and does not help: the weights then no longer
fit the cache.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MOMENT_DECAY = 0.9
SQUARE_DECAY = 0.99  # shorter than Adam's usual 0.999, as a stage is short
WARM_UP_STEPS = 20
AVERAGE_EVERY = 10
AVERAGE_POWER = 4  # later iterates weigh more, as (k / n)^4
CHUNK = 256  # rows that fit the cache together


class Net(NamedTuple):
    """Weights of M members: `z = relu(relu(x w1) w2 + b2)`, prediction `z w3 + b3`.

    The inputs x carry a constant 1, so layer one has no bias of its own.
    """

    w1: Floats  # (M, D, H), D = inputs + 1
    w2: Floats  # (M, H, H)
    b2: Floats  # (M, 1, H)
    w3: Floats  # (M, H, 1)
    b3: Floats  # (M, 1, 1)


class _Work(NamedTuple):
    """Scratch of a training step, allocated once: a fresh array costs more than the sums in it."""

    z1: Floats  # (M, B, H)
    z2: Floats
    d1: Floats
    d2: Floats
    active: NDArray[np.bool_]
    w2t: Floats  # (M, H, H)
    residual: Floats  # (M, B, 1)
    ones: Floats  # (1, 1, B)


def unflatten(flat: Floats, inputs: int, hidden: int) -> Net:
    """Views into `flat` (M, P), with P = D H + H^2 + 2 H + 1 and D = `inputs`."""
    m = len(flat)
    ends = np.cumsum([inputs * hidden, hidden * hidden, hidden, hidden, 1])
    w1, w2, b2, w3, b3 = np.split(flat, ends[:-1], axis=1)
    return Net(
        w1.reshape(m, inputs, hidden),
        w2.reshape(m, hidden, hidden),
        b2.reshape(m, 1, hidden),
        w3.reshape(m, hidden, 1),
        b3.reshape(m, 1, 1),
    )


def initial(members: int, inputs: int, hidden: int, rng: np.random.Generator) -> Floats:
    """Flat weights (M, P): uniform with variance 2 / fan-in in the hidden layers (He et al. 2015),
    zero in the output layer, whose gradient is then right from the first step."""
    size = inputs * hidden + hidden * hidden + 2 * hidden + 1
    flat = np.zeros((members, size), np.float32)
    net = unflatten(flat, inputs, hidden)
    net.w1[:] = rng.uniform(-1.0, 1.0, net.w1.shape) * np.sqrt(6.0 / inputs)
    net.w2[:] = rng.uniform(-1.0, 1.0, net.w2.shape) * np.sqrt(6.0 / hidden)
    return flat


def hidden_features(flat: Floats, x: Floats, hidden: int) -> Floats:
    """Last hidden layer (M, n, H) of inputs x (n, D) that end with the constant 1."""
    net = unflatten(flat, x.shape[1], hidden)
    out = np.empty((len(flat), len(x), hidden), np.float32)
    for start in range(0, len(x), CHUNK):
        z1 = np.matmul(x[start : start + CHUNK], net.w1)
        np.maximum(z1, 0, out=z1)
        z2 = out[:, start : start + CHUNK]
        np.matmul(z1, net.w2, out=z2)
        np.add(z2, net.b2, out=z2)
        np.maximum(z2, 0, out=z2)
    return out


def work_for(net: Net, batch: int) -> _Work:
    """Scratch for `gradient` with batches of `batch` rows."""
    m, hidden = net.w2.shape[:2]
    z1, z2, d1, d2 = (np.empty((m, batch, hidden), np.float32) for _ in range(4))
    return _Work(
        z1,
        z2,
        d1,
        d2,
        np.empty(z1.shape, np.bool_),
        np.empty_like(net.w2, order="C"),
        np.empty((m, batch, 1), np.float32),
        np.ones((1, 1, batch), np.float32),
    )


def gradient(net: Net, x: Floats, y: Floats, grad: Net, work: _Work) -> None:
    """Write into `grad` the gradient of half the mean squared error.

    x (M, B, D) inputs ending with the constant 1, y (M, B, 1) targets: every member its own rows.
    """
    z1, z2, d1, d2, active, w2t, residual, ones = work
    np.matmul(x, net.w1, out=z1)
    np.maximum(z1, 0, out=z1)
    np.matmul(z1, net.w2, out=z2)
    np.add(z2, net.b2, out=z2)
    np.maximum(z2, 0, out=z2)
    np.matmul(z2, net.w3, out=residual)
    np.add(residual, net.b3, out=residual)
    np.subtract(residual, y, out=residual)
    np.multiply(residual, np.float32(1 / y.shape[1]), out=residual)
    np.matmul(z2.transpose(0, 2, 1), residual, out=grad.w3)
    np.matmul(ones, residual, out=grad.b3)
    np.multiply(residual, net.w3.transpose(0, 2, 1), out=d2)
    np.greater(z2, 0, out=active)
    np.multiply(d2, active, out=d2)
    np.matmul(z1.transpose(0, 2, 1), d2, out=grad.w2)
    np.matmul(ones, d2, out=grad.b2)
    np.copyto(w2t, net.w2.transpose(0, 2, 1))  # copy and multiply beats multiplying by a transpose
    np.matmul(d2, w2t, out=d1)
    np.greater(z1, 0, out=active)
    np.multiply(d1, active, out=d1)
    np.matmul(x.transpose(0, 2, 1), d1, out=grad.w1)


def train(
    flat: Floats,
    x: Floats,
    y: Floats,
    draws: NDArray[np.intp],
    *,
    hidden: int,
    learning_rate: float,
    weight_decay: float,
) -> Floats:
    """Averaged weights (M, P) after one stage of Adam from `flat` (M, P); the input is not changed.

    Adam (Kingma & Ba 2015) at a constant rate after a short warm-up, with decoupled weight decay
    (Loshchilov & Hutter 2019). A running polynomial average of the iterates (Shamir & Zhang 2013)
    takes the place of a decaying rate and is good at any time.

    :param x: (n, D) standardised inputs ending with the constant 1; `y` (n,) standardised targets.
    :param draws: (steps, M, B) row numbers of each member's batches.
    """
    inputs = x.shape[1]
    steps, members, batch = draws.shape
    now, average = flat.copy(), flat.copy()
    net = unflatten(now, inputs, hidden)
    slope = np.empty_like(now)
    grad = unflatten(slope, inputs, hidden)
    moment = np.zeros_like(now)
    square = np.full_like(now, 1e-12)  # in place of Adam's epsilon: no division by zero
    work = work_for(net, batch)
    targets = y[draws][..., None]
    rows = np.empty((members, batch, inputs), np.float32)
    for t in range(1, steps + 1):
        np.take(x, draws[t - 1], axis=0, out=rows, mode="clip")
        gradient(net, rows, targets[t - 1], grad, work)
        # Both sums are left unnormalised; `size` carries their bias corrections.
        np.multiply(moment, np.float32(MOMENT_DECAY), out=moment)
        np.add(moment, slope, out=moment)
        np.multiply(slope, slope, out=slope)
        np.multiply(square, np.float32(SQUARE_DECAY), out=square)
        np.add(square, slope, out=square)
        rate = learning_rate * min(1.0, t / WARM_UP_STEPS)
        first = (1 - MOMENT_DECAY) / (1 - MOMENT_DECAY**t)
        second = (1 - SQUARE_DECAY) / (1 - SQUARE_DECAY**t)
        np.sqrt(square, out=slope)
        np.divide(moment, slope, out=slope)
        np.multiply(slope, np.float32(rate * first / np.sqrt(second)), out=slope)
        np.subtract(now, slope, out=now)
        if t % AVERAGE_EVERY == 0:
            np.multiply(now, np.float32((1 - rate * weight_decay) ** AVERAGE_EVERY), out=now)
            share = (AVERAGE_POWER + 1) / (t // AVERAGE_EVERY + AVERAGE_POWER)
            np.subtract(now, average, out=slope)
            np.multiply(slope, np.float32(share), out=slope)
            np.add(average, slope, out=average)
    return average

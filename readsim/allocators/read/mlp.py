"""Two-hidden-layer ReLU regressors, M of them side by side, trained by Adam with averaged weights.

All members are one stack: every array has a leading axis M and every product is one `np.matmul`
over it. Stacking several runs as well was measured and does not help: the weights then no longer
fit the cache.

Inputs and hidden layers end with a constant 1, whose weights are the biases. So a layer is one
product, and all that is done element by element is done on contiguous memory.
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
    """Weights of M members: z1 = (relu(x w1), 1), z2 = (relu(z1 w2), 1), prediction z2 w3."""

    w1: Floats  # (M, D, H), D = inputs and the constant
    w2: Floats  # (M, H+1, H)
    w3: Floats  # (M, H+1, 1)


class Scratch(NamedTuple):
    """Scratch of a training step, allocated once: a fresh array costs more than the sums in it."""

    z1: Floats  # (M, B, H+1)
    z2: Floats
    d1: Floats
    d2: Floats
    zero: Floats
    active: NDArray[np.bool_]
    w2t: Floats  # (M, H, H+1)
    residual: Floats  # (M, B, 2), second column 0: an inner length of 1 is kept from the BLAS
    w3t: Floats  # (M, 2, H+1)


def unflatten(flat: Floats, inputs: int, hidden: int) -> Net:
    """Views into `flat` (M, P), with P = D H + (H + 1) (H + 1) and D = `inputs`."""
    m = len(flat)
    w1, w2, w3 = np.split(flat, [inputs * hidden, (inputs + hidden + 1) * hidden], axis=1)
    return Net(
        w1.reshape(m, inputs, hidden), w2.reshape(m, hidden + 1, hidden), w3.reshape(m, -1, 1)
    )


def initial(members: int, inputs: int, hidden: int, rng: np.random.Generator) -> Floats:
    """Flat weights (M, P): uniform with variance 2 / fan-in in the hidden layers (He et al. 2015),
    zero in the output layer, whose gradient is then right from the first step."""
    flat = np.zeros((members, inputs * hidden + (hidden + 1) ** 2), np.float32)
    net = unflatten(flat, inputs, hidden)
    net.w1[:] = rng.uniform(-1.0, 1.0, net.w1.shape) * np.sqrt(6.0 / inputs)
    net.w2[:, :-1] = rng.uniform(-1.0, 1.0, (members, hidden, hidden)) * np.sqrt(6.0 / hidden)
    return flat


def features(flat: Floats, x: Floats, hidden: int) -> Floats:
    """z2 (M, n, H+1) of inputs x (n, D) that end with the constant 1."""
    net = unflatten(flat, x.shape[1], hidden)
    out = np.ones((len(flat), len(x), hidden + 1), np.float32)
    z1 = np.ones((len(flat), min(CHUNK, len(x)), hidden + 1), np.float32)
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        lower, upper = z1[:, : len(rows)], out[:, start : start + CHUNK]
        np.matmul(rows, net.w1, out=lower[..., :-1])
        np.maximum(lower, 0, out=lower)
        np.matmul(lower, net.w2, out=upper[..., :-1])
        np.maximum(upper, 0, out=upper)
    return out


def work_for(members: int, batch: int, hidden: int) -> Scratch:
    """Scratch for `loss_gradients` with batches of `batch` rows."""
    layer, row = (members, batch, hidden + 1), (members, 2, hidden + 1)
    return Scratch(
        z1=np.ones(layer, np.float32),
        z2=np.ones(layer, np.float32),
        d1=np.empty(layer, np.float32),
        d2=np.empty(layer, np.float32),
        zero=np.zeros(layer, np.float32),
        active=np.empty(layer, np.bool_),
        w2t=np.empty((members, hidden, hidden + 1), np.float32),
        residual=np.zeros((members, batch, 2), np.float32),
        w3t=np.zeros(row, np.float32),
    )


def loss_gradients(net: Net, x: Floats, y: Floats, grad: Net, work: Scratch) -> None:
    """Write into `grad` the gradient of half the mean squared error.

    x (M, B, D) inputs ending with the constant 1, y (M, B, 1) targets: every member its own rows.
    """
    z1, z2, d1, d2, zero, active, w2t, residual, w3t = work
    error = residual[..., :1]
    np.matmul(x, net.w1, out=z1[..., :-1])
    np.maximum(z1, zero, out=z1)  # the constant stays 1
    np.matmul(z1, net.w2, out=z2[..., :-1])
    np.maximum(z2, zero, out=z2)
    np.subtract(np.matmul(z2, net.w3), y, out=error)
    np.multiply(error, np.float32(1 / y.shape[1]), out=error)
    np.matmul(z2.transpose(0, 2, 1), error, out=grad.w3)
    np.copyto(w3t[:, 0], net.w3[..., 0])
    np.matmul(residual, w3t, out=d2)
    np.greater(z2, zero, out=active)
    np.multiply(d2, active, out=d2)
    np.matmul(z1.transpose(0, 2, 1), d2[..., :-1], out=grad.w2)
    np.copyto(w2t, net.w2.transpose(0, 2, 1))  # copy and multiply beats multiplying by a transpose
    np.matmul(d2[..., :-1], w2t, out=d1)
    np.greater(z1, zero, out=active)
    np.multiply(d1, active, out=d1)
    np.matmul(x.transpose(0, 2, 1), d1[..., :-1], out=grad.w1)


def train_members(
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
    work = work_for(members, batch, hidden)
    targets = y[draws][..., None]
    rows = np.empty((members, batch, inputs), np.float32)
    for t in range(1, steps + 1):
        np.take(x, draws[t - 1], axis=0, out=rows, mode="clip")
        loss_gradients(net, rows, targets[t - 1], grad, work)
        # Both sums are left unnormalised; `size` carries their bias corrections.
        np.multiply(moment, np.float32(MOMENT_DECAY), out=moment)
        np.add(moment, slope, out=moment)
        np.square(slope, out=slope)
        np.multiply(square, np.float32(SQUARE_DECAY), out=square)
        np.add(square, slope, out=square)
        rate = learning_rate * min(1.0, t / WARM_UP_STEPS)
        first = (1 - MOMENT_DECAY) / (1 - MOMENT_DECAY**t)
        second = (1 - SQUARE_DECAY) / (1 - SQUARE_DECAY**t)
        size = rate * first / np.sqrt(second)
        np.sqrt(square, out=slope)
        np.divide(moment, slope, out=slope)
        np.multiply(slope, np.float32(size), out=slope)
        np.multiply(now, np.float32(1 - rate * weight_decay), out=now)
        np.subtract(now, slope, out=now)
        if t % AVERAGE_EVERY == 0:
            share = (AVERAGE_POWER + 1) / (t // AVERAGE_EVERY + AVERAGE_POWER)
            np.subtract(now, average, out=slope)
            np.multiply(slope, np.float32(share), out=slope)
            np.add(average, slope, out=average)
    return average

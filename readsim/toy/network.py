"""The student: tanh trunks, a softmax head a capability; its loss, scores and their gradients.

    h = tanh(A_c x + a_c),   logits_i = B_i h + b_i,   c the trunk of capability i

All of theta is one flat vector: trunks first, then heads in the order of the capabilities. Gradients
are derived by hand and checked against finite differences in the tests.
"""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array


class NetworkShape(NamedTuple):
    """Widths, and the trunk of each of K capabilities."""

    inputs: int
    hidden: int
    classes: int
    trunk_of: tuple[int, ...]

    @property
    def trunk_size(self) -> int:
        return self.hidden * (self.inputs + 1)

    @property
    def head_size(self) -> int:
        return self.classes * (self.hidden + 1)

    @property
    def size(self) -> int:
        """d, the number of parameters."""
        trunks = max(self.trunk_of) + 1
        return trunks * self.trunk_size + len(self.trunk_of) * self.head_size

    def places(self, i: int) -> tuple[slice, slice]:
        """Where the trunk and the head of capability i lie in theta."""
        trunk = self.trunk_of[i] * self.trunk_size
        head = (max(self.trunk_of) + 1) * self.trunk_size + i * self.head_size
        return slice(trunk, trunk + self.trunk_size), slice(head, head + self.head_size)


def row_softmax(logits: Array) -> Array:
    """Rows of probabilities."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: Array = e / e.sum(axis=-1, keepdims=True)
    return out


def forward(shape: NetworkShape, theta: Array, i: int, x: Array) -> tuple[Array, Array]:
    """Hidden units (n, H) and class probabilities (n, C) of capability i on x (n, D)."""
    trunk, head = shape.places(i)
    a = theta[trunk].reshape(shape.hidden, shape.inputs + 1)
    b = theta[head].reshape(shape.classes, shape.hidden + 1)
    h = np.tanh(x @ a[:, :-1].T + a[:, -1])
    return h, row_softmax(h @ b[:, :-1].T + b[:, -1])


def backward(
    shape: NetworkShape, theta: Array, i: int, x: Array, h: Array, by_logit: Array
) -> Array:
    """Gradient (d,) of a sum over rows from its derivative by the logits (n, C)."""
    trunk, head = shape.places(i)
    b = theta[head].reshape(shape.classes, shape.hidden + 1)
    by_unit = (by_logit @ b[:, :-1]) * (1.0 - h * h)
    out = np.zeros(shape.size)
    out[trunk] = np.column_stack([by_unit.T @ x, by_unit.sum(axis=0)]).ravel()
    out[head] = np.column_stack([by_logit.T @ h, by_logit.sum(axis=0)]).ravel()
    return out


def loss_gradient(shape: NetworkShape, theta: Array, i: int, x: Array, soft: Array) -> Array:
    """Gradient (d,) of L_i = mean over rows of the cross entropy to soft labels (n, C)."""
    h, p = forward(shape, theta, i, x)
    return backward(shape, theta, i, x, h, (p - soft) / len(x))


def loss(shape: NetworkShape, theta: Array, i: int, x: Array, soft: Array) -> float:
    """L_i: mean cross entropy to soft labels."""
    return float(-(soft * np.log(forward(shape, theta, i, x)[1])).sum(axis=1).mean())


def item_scores(shape: NetworkShape, theta: Array, i: int, x: Array, label: Array) -> Array:
    """The student's probability of the teacher's label of each item: (n,), smooth in theta."""
    out: Array = forward(shape, theta, i, x)[1][np.arange(len(x)), label]
    return out


def item_hits(shape: NetworkShape, theta: Array, i: int, x: Array, label: Array) -> Array:
    """1.0 where the student's best class is the label: greedy accuracy, a step function of theta."""
    hits: Array = (forward(shape, theta, i, x)[1].argmax(axis=1) == label).astype(np.float64)
    return hits


def score_gradient(shape: NetworkShape, theta: Array, i: int, x: Array, label: Array) -> Array:
    """Gradient (d,) of p_i = mean of `item_scores`: d p_y / d logit_c = p_y (1{c = y} - p_c)."""
    h, p = forward(shape, theta, i, x)
    hit = p[np.arange(len(x)), label][:, None]
    by_logit = hit * (np.eye(shape.classes)[label] - p)
    return backward(shape, theta, i, x, h, by_logit / len(x))

"""From the latent gain t to what is measured, with all derivatives: the links as the fit needs them.

`bad` is what is left to gain: the loss, or 1 - score. E is its irreducible part (ceiling: -E, or 1 - E),
t >= 0 the gain in units of the link (t = z / (ceiling - start) for `exponential` and `saturating`):

    exponential   bad = E + exp(c - t)                           start: E + exp(c)
    saturating    1 - bad = (1 - E) (1 - (1 - q) exp(-t))        t >= 0, q = sigmoid(c), start (1 - E) q
                  1 - bad = (1 - E) q exp(t (1 - q) / q)         t < 0, towards the floor 0
    logistic      1 - bad = (1 - E) sigmoid(c + t)
"""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array

LEAST = 1e-4  # how near a known start may be to 0, or to its ceiling: there the links are flat
FARTHEST = 40.0  # exponents are held within this


class Head(NamedTuple):
    """`bad` (n, K) and its derivatives by t (n, K), c (n, K) and E (n, K)."""

    bad: Array
    by_t: Array
    by_c: Array
    by_rest: Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def head(link: str, t: Array, c: Array, rest: Array) -> Head:
    """t (n, K); c and rest = E (K,)."""
    if link == "exponential":
        left = np.exp(np.clip(c - t, -FARTHEST, FARTHEST))
        return Head(rest + left, -left, left, np.ones_like(t))
    ceiling = 1.0 - rest
    if link == "logistic":
        f = sigmoid(c + t)
        by_t = by_c = f * (1.0 - f)
    else:
        q = sigmoid(c)
        up = np.exp(-np.clip(t, 0.0, FARTHEST))
        steep = (1.0 - q) / q
        down = np.exp(np.clip(np.minimum(t, 0.0) * steep, -FARTHEST, 0.0))
        gains = t >= 0.0
        f = np.where(gains, 1.0 - (1.0 - q) * up, q * down)
        by_t = (1.0 - q) * np.where(gains, up, down)
        by_q = np.where(gains, up, down * (1.0 - np.minimum(t, 0.0) / q))
        by_c = by_q * q * (1.0 - q)
    return Head(1.0 - ceiling * f, -ceiling * by_t, -ceiling * by_c, f)


def offset_of_start(link: str, bad: Array, rest: Array) -> tuple[Array, Array]:
    """The c of a known start, (K,), and its derivative by E."""
    if link == "exponential":
        gap = bad - rest
        return np.log(gap), -1.0 / gap
    ceiling = 1.0 - rest
    q = np.minimum(np.maximum(1.0 - bad, LEAST) / ceiling, 1.0 - LEAST)
    return np.log(q) - np.log1p(-q), 1.0 / (ceiling * (1.0 - q))


def start_of_offset(link: str, c: Array, rest: Array) -> Array:
    """What is left to gain before any training, (K,)."""
    zero = np.zeros((1, len(c)))
    out: Array = head(link, zero, c, rest).bad[0]
    return out

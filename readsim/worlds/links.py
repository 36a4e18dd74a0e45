"""Links: from a latent sum z (score units, 0 at the start) to a profile between floor and ceiling.

Every link has link(0) = start and slope 1 there, so a small latent gain is a gain of that many
score units. None of them clips: a profile stays inside because of the curve's shape.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from readsim.arrays import Array
from readsim.errors import unknown

TINY = 1e-12  # a capability that starts on a bound has no room; this keeps the formulas finite
LARGEST = 600.0  # exponent of a number that is still far from overflow


class Link(Protocol):
    """Elementwise over (..., K)."""

    def value(self, z: Array) -> Array:
        """The profile."""
        ...

    def slope(self, z: Array) -> Array:
        """d profile / dz."""
        ...

    def inverse(self, p: Array) -> Array:
        """The z of a profile strictly inside the bounds."""
        ...


@dataclass(frozen=True)
class Identity:
    """p = start + z. The world must keep z within bounds by its own numbers."""

    start: Array

    def value(self, z: Array) -> Array:
        return self.start + z

    def slope(self, z: Array) -> Array:
        return np.ones_like(z)

    def inverse(self, p: Array) -> Array:
        return p - self.start


class Saturating:
    """p = bound + (start - bound) exp(-|z| / |bound - start|), bound = ceiling if z > 0 else floor.

    Slope 1 on both sides of 0: further gains get smaller towards the ceiling and further losses
    smaller towards the floor.
    """

    def __init__(self, start: Array, floor: Array, ceiling: Array) -> None:
        self.ceiling = np.maximum(ceiling, start + TINY)
        self.floor = np.minimum(floor, start - TINY)
        self.start = start
        self._up, self._down = start - self.ceiling, start - self.floor

    def value(self, z: Array) -> Array:
        gap = np.where(z > 0.0, self._up, self._down)  # start - bound
        out = z / gap
        np.exp(out, out=out)
        out -= 1.0
        out *= gap
        out += self.start
        return out

    def slope(self, z: Array) -> Array:
        gap = self.start - np.where(z > 0.0, self.ceiling, self.floor)
        return np.exp(z / gap)

    def inverse(self, p: Array) -> Array:
        bound = np.where(p > self.start, self.ceiling, self.floor)
        gap = self.start - bound
        return gap * np.log((p - bound) / gap)


class Logistic:
    """p = floor + (ceiling - floor) * sigmoid(logit(q) + z / (q (1 - q) (ceiling - floor))).

    q is the start's place between floor and ceiling. S-shaped: for "emergent" scores.
    """

    def __init__(self, start: Array, floor: Array, ceiling: Array) -> None:
        self.floor = floor
        self.span = ceiling - floor
        q = (start - floor) / self.span
        self.offset = np.log(q) - np.log1p(-q)
        self.gain = 1.0 / (q * (1.0 - q) * self.span)

    def _sigmoid(self, z: Array) -> Array:
        half = 0.5 * (self.offset + self.gain * z)
        return 0.5 * (1.0 + np.tanh(half))

    def value(self, z: Array) -> Array:
        out: Array = self.floor + self.span * self._sigmoid(z)
        return out

    def slope(self, z: Array) -> Array:
        s = self._sigmoid(z)
        return self.span * self.gain * s * (1.0 - s)

    def inverse(self, p: Array) -> Array:
        q = (p - self.floor) / self.span
        out: Array = (np.log(q) - np.log1p(-q) - self.offset) / self.gain
        return out


class ExponentialLoss:
    """p = ceiling - (ceiling - start) exp(-z / (ceiling - start)): for negated losses, no floor.

    Where the exponential would leave the range of doubles it stays at the largest that fits.
    """

    def __init__(self, start: Array, ceiling: Array) -> None:
        self.ceiling = ceiling
        self.gap = np.maximum(ceiling - start, TINY)

    def value(self, z: Array) -> Array:
        out: Array = self.ceiling - self.gap * np.exp(np.minimum(-z / self.gap, LARGEST))
        return out

    def slope(self, z: Array) -> Array:
        return np.exp(np.minimum(-z / self.gap, LARGEST))

    def inverse(self, p: Array) -> Array:
        return -self.gap * np.log((self.ceiling - p) / self.gap)


LINKS = ("identity", "saturating", "logistic", "exponential")


def link(name: str, start: Array, floor: Array, ceiling: Array) -> Link:
    """The link called `name` for these bounds, each (K,)."""
    if name == "identity":
        return Identity(start)
    if name == "saturating":
        return Saturating(start, floor, ceiling)
    if name == "logistic":
        return Logistic(start, floor, ceiling)
    if name == "exponential":
        return ExponentialLoss(start, ceiling)
    raise unknown("link", name, LINKS)

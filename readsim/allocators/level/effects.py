"""What is believed of a source's effect on a capability before anything is measured.

The level of capability j after the shares c (S,) of the budget, counted by the learning rate, is

    p_j = p_j(0) + bend_j(z_j),   z_j = sum_i theta_ij . growth(c_i)

`growth` has three curves from 0 to 1: straight, and slow and fast to saturate. `bend_j` saturates towards
the teacher above and the lowest score below, so that sources together bring less than the sum of what
each brings alone: pairs interact, and gains are concave. theta_ij is drawn from one of six classes of size,
from much harm to much help, in units of the room to the teacher or to the floor. The effects of one
source share a class with probability `ALIKE`; a capability's own source helps most often.

Weights and moments of the classes are those of 300 worlds of the prior `broad` (`python -m studies
level.moments`: seeds 20000 to 20299, each at a third, once or 2.5 times its budget), roughly: theta is fitted
to noise-free profiles of one-hots and random mixtures at each of 20 steps, which it follows to .003 (median;
root mean square .011) where profiles move by .10; over the room to the teacher .01 and .09.
"""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array, Mask

CURVES = 3
FASTER = (4.0, 20.0)  # exponential rates over the budget of the curves that saturate
SIZES = np.array(
    [-1.2, -0.15, 0.0, 0.15, 0.6, 1.5]
)  # of a class, after the whole budget, over the room
OWN = np.array([0.01, 0.04, 0.15, 0.38, 0.24, 0.18])  # how often an own source is of each
CROSS = np.array([0.12, 0.22, 0.36, 0.21, 0.07, 0.02])  # another one, where an own one exists
UNMATCHED = np.array([0.13, 0.17, 0.31, 0.23, 0.10, 0.06])  # where none does
ALIKE = 0.4  # of a row: the middle of the prior's 0 to .8
IDLE = 0.03  # spread of the class of size 0
HELP_SHAPE = np.array([0.45, 0.38, 0.17])
HELP_SPREAD = np.array([[0.72, -0.52, 0.07], [-0.52, 0.80, -0.21], [0.07, -0.21, 0.19]])
HARM_SHAPE = np.array([1.1, -0.1, 0.0])
HARM_SPREAD = np.array([[1.58, -0.67, 0.07], [-0.67, 0.83, -0.23], [0.07, -0.23, 0.13]])
LEAST_ROOM = 0.02  # to the teacher and to the floor


def growth(shares: Array) -> Array:
    """The curves of cumulative shares (..., S): (..., S, 3); each is 0 at 0 and 1 at 1."""
    saturating = (np.expm1(-k * shares) / np.expm1(-k) for k in FASTER)
    return np.stack([shares, *saturating], axis=-1)


class Bend(NamedTuple):
    """bend(z): slope 1 at 0, never above the room `up` nor below `-down` (arrays that broadcast)."""

    up: Array
    down: Array

    def value(self, z: Array) -> Array:
        """bend(z)."""
        gain = -self.up * np.expm1(-np.maximum(z, 0.0) / self.up)
        out: Array = gain + self.down * np.expm1(np.minimum(z, 0.0) / self.down)
        return out

    def slope(self, z: Array) -> Array:
        """d bend / dz."""
        out: Array = np.exp(-np.maximum(z, 0.0) / self.up + np.minimum(z, 0.0) / self.down)
        return out


class Classes(NamedTuple):
    """The six classes: moments of theta and how often each source is of each.

    mean (G, V, 3), spread (G, V, 3, 3) and its inverse, log_volume (G, V) = log det spread; weights
    (V, S, G); coupled (V, S): whether the source's effects on other capabilities say something of this one.
    """

    mean: Array
    spread: Array
    precision: Array
    log_volume: Array
    weights: Array
    coupled: Mask

    @property
    def moments(self) -> tuple[Array, Array]:
        """Mean (V, S, 3) and covariance (V, S, 3, 3) of theta over the classes."""
        v, s, g = self.weights.shape
        mean = self.weights @ self.mean.swapaxes(0, 1)
        square = self.spread + self.mean[..., None] * self.mean[..., None, :]
        second = self.weights @ square.swapaxes(0, 1).reshape(v, g, CURVES**2)
        return mean, second.reshape(v, s, CURVES, CURVES) - mean[..., None] * mean[..., None, :]


def effect_classes(room: Bend, own: Mask) -> Classes:
    """The classes of effects on V capabilities with this room (V,) up and down.

    own   (V, S): which source has the name of the capability
    """
    helps = SIZES >= 0.0
    unit = np.where(helps[:, None], room.up, room.down)  # (G, V)
    mean = (SIZES[:, None] * unit)[..., None] * np.where(helps[:, None], HELP_SHAPE, HARM_SHAPE)[
        :, None
    ]
    scale = (np.maximum(np.abs(SIZES), IDLE)[:, None] * unit) ** 2
    of_class = np.where(helps[:, None, None], HELP_SPREAD, HARM_SPREAD)
    volume = np.linalg.slogdet(of_class)[1][:, None] + CURVES * np.log(scale)
    taught = (own.sum(axis=1) > 0)[:, None, None]
    weights = np.where(own[..., None], OWN, np.where(taught, CROSS, UNMATCHED))
    return Classes(
        mean,
        scale[..., None, None] * of_class[:, None],
        np.linalg.inv(of_class)[:, None] / scale[..., None, None],
        volume,
        weights,
        ~own,
    )

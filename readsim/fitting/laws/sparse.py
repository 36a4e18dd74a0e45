"""The lasso on shares and log shares: few sources move a capability, and each in its own way.

    wanted = c + sum_i (a_i x_i + b_i ln(1 + 100 x_i)),   |a| + |b| small in scaled columns

How small is chosen for each capability by cross-validation over FOLDS blocks of mixtures, among PENALTIES:
shares of the least penalty that leaves no slope.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.laws.features import Predictor, ScaledColumns, alike, amounts, blocks, logs

FOLDS = 5
PENALTIES = np.geomspace(1.0, 1e-3, 30)
LEAST_ROWS = 2 * FOLDS  # of different mixtures
# The descent ends after so many sweeps, or where no slope moves by this share of the largest penalty.
SWEEPS, STILL = 1000, 1e-3


def sparse(x: Array, wanted: Array, weight: Array) -> Predictor:
    """See the module and `readsim.fitting.laws`. Fewer than 10 different mixtures: their mean."""
    columns = ScaledColumns.of(_table(x))
    z = columns.scaled(_table(x))
    slopes, level = np.zeros((z.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    for group in alike(wanted, weight):
        rows, places = group.rows, group.places
        y = wanted[np.ix_(rows, places)]
        level[places] = np.average(y, axis=0, weights=group.weight)
        if len(np.unique(blocks(x[rows], LEAST_ROWS))) == LEAST_ROWS:
            fold = blocks(x[rows], FOLDS)
            slopes[:, places] = cross_validated(z[rows], y, group.weight, fold)
            middle = np.average(z[rows], axis=0, weights=group.weight)
            level[places] -= middle @ slopes[:, places]

    def predict(at: Array) -> Array:
        out: Array = level + columns.scaled(_table(at)) @ slopes
        return out

    return predict


class Moments(NamedTuple):
    """Weighted means of z (P,) and y (K,), and what is around them: z z' (P, P) and z y' (P, K)."""

    z: Array
    y: Array
    gram: Array
    pull: Array

    @classmethod
    def of(cls, z: Array, y: Array, weight: Array) -> "Moments":
        """Of rows z (n, P) and y (n, K)."""
        mean_z, mean_y = (np.average(v, axis=0, weights=weight) for v in (z, y))
        around = (z - mean_z).T * (weight / weight.sum())
        return cls(mean_z, mean_y, around @ (z - mean_z), around @ (y - mean_y))


def cross_validated(z: Array, y: Array, weight: Array, fold: NDArray[np.int64]) -> Array:
    """Slopes (P, K) of y (n, K) on z (n, P) at the penalty with the least squared error on held-out folds."""
    inside = [fold != f for f in range(FOLDS)]
    parts = [Moments.of(z[rows], y[rows], weight[rows]) for rows in inside]
    whole = Moments.of(z, y, weight)
    penalty = PENALTIES[:, None] * np.abs(whole.pull).max(axis=0)
    gram = np.stack([part.gram for part in (*parts, whole)])
    *each, last = lasso(gram, np.stack([part.pull for part in (*parts, whole)]), penalty)
    error = np.zeros_like(penalty)
    for rows, part, found in zip(inside, parts, each, strict=True):
        predicted = part.y + np.einsum("np,plk->lnk", z[~rows] - part.z, found)
        error += np.einsum("n,lnk->lk", weight[~rows], (y[~rows] - predicted) ** 2)
    best: Array = np.take_along_axis(last, error.argmin(axis=0)[None, None], axis=1)[:, 0]
    return best


def lasso(gram: Array, pull: Array, penalty: Array) -> Array:
    """w (F, P, L, K) that minimise w . gram w / 2 - pull . w + penalty |w|_1, by coordinate descent.

    gram (F, P, P), pull (F, P, K), penalty (L, K): all problems are solved side by side.
    """
    shape = (*pull.shape[:2], *penalty.shape)
    wide = np.broadcast_to(pull[:, :, None], shape).reshape(*shape[:2], -1)
    least = penalty.reshape(-1)
    still = np.broadcast_to(STILL * penalty.max(axis=0), penalty.shape).reshape(-1)
    size = np.diagonal(gram, axis1=1, axis2=2)[:, :, None]
    varies = size > 0.0
    w = np.zeros_like(wide)
    for _ in range(SWEEPS):
        before = w.copy()
        for i in range(shape[1]):
            left = wide[:, i] - (gram[:, i : i + 1] @ w)[:, 0] + size[:, i] * w[:, i]
            room = np.maximum(np.abs(left) - least, 0.0)
            w[:, i] = np.divide(
                np.sign(left) * room, size[:, i], out=np.zeros_like(left), where=varies[:, i]
            )
        if (np.abs(w - before) <= still).all():
            break
    return w.reshape(shape)


def _table(x: Array) -> Array:
    return np.hstack([amounts(x), logs(amounts(x))])

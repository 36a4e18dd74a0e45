"""Output layers of an ensemble, solved exactly from weighted sums over its rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.allocators.read.mlp import Floats
from readsim.arrays import Array


class Readout(NamedTuple):
    """Output layers of all members, and the penalty they have with its out-of-bag error."""

    gram: Array
    moment: Array
    penalty: Array
    output: Array
    ridge: float
    error: float


def solve_output(gram: Array, moment: Array, penalty: Array) -> Array:
    """Ridge regressions (M, H+1, O) from weighted sums: (gram + diag(penalty))^-1 moment."""
    system = gram + np.diag(penalty)
    return np.asarray(np.linalg.solve(system, moment), dtype=np.float64)


def fit_readout(ridges: Sequence[float], z: Floats, y: Array, weights: Array) -> Readout:
    """Output layers from features z (M, n, H+1), targets y (n, O) and weights (M, n), which are 0
    for rows that a member did not draw.

    Of the penalties `ridges` (multiples of the mean squared feature) the one with the least
    out-of-bag error of the first target is taken: a row is predicted by the mean of the members that
    did not see it. The intercept is, but for 1e-6 of a row, not penalised.
    """
    sums = [_weighted_sums(*each) for each in zip(z, [y] * len(z), weights, strict=True)]
    gram, moment = (np.stack(part) for part in zip(*sums, strict=True))
    unit = float(np.diagonal(gram, axis1=1, axis2=2)[:, :-1].mean()) or 1.0
    penalties = [np.append(np.full(z.shape[2] - 1, ridge * unit), 1e-6) for ridge in ridges]
    outputs = [solve_output(gram, moment, penalty) for penalty in penalties]
    guess: Array = np.matmul(
        z, np.stack([o[..., 0] for o in outputs], axis=2).astype(np.float32)
    )  # (M, n, ridges)
    outside = weights == 0
    votes = outside.sum(axis=0)
    mean = np.einsum("mnr,mn->nr", guess, outside) / np.maximum(votes, 1)[:, None]
    misses = np.square(mean - y[:, :1])[votes > 0]
    errors = misses.sum(axis=0) / max(1, len(misses))
    best = int(np.argmin(errors))
    return Readout(gram, moment, penalties[best], outputs[best], ridges[best], float(errors[best]))


def _weighted_sums(z: Floats, y: Array, weights: Array) -> tuple[Array, Array]:
    """One member's gram and moment. A product with its own transpose costs half a product."""
    used = np.flatnonzero(weights)
    root = np.sqrt(weights[used])
    rows: Array = z[used].astype(np.float64)
    rows *= root[:, None]
    return rows.T @ rows, rows.T @ (root[:, None] * y[used])

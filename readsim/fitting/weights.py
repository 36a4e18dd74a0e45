"""How much a measured cell counts: noise of its test items, and rows that were not drawn at random."""

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.laws.features import blocks
from readsim.fitting.laws.gaussian_process import GaussianProcess
from readsim.fitting.laws.log_ridge import log_ridge

CHOSEN = (1.0, 0.5, 0.2, 0.05, 0.0)  # weights of a chosen row that are tried, the first where equal
FOLDS, LEAST_ROWS = 5, 10
FLOOR = 0.1  # of the items' variance: what a law misses at least


def binomial_variance(scores: Array, items: Array, lowest: float = 0.0) -> Array:
    """(p - lowest) (1 - p) / items (n, K) at the mean score p of each capability; 0 items: exact.

    The mean, not the row's own score: else rows that were lucky would seem sure.
    """
    p = np.nanmean(scores, axis=0)
    each = np.clip((p - lowest) * (1.0 - p), 0.0, None)
    out: Array = np.where(items > 0.0, each / np.maximum(items, 1.0), 0.0)
    return np.broadcast_to(out, scores.shape)


def cell_weights(x: Array, scores: Array, items: Array, lowest: float = 0.0) -> Array:
    """1 / (law's own error + items' noise) of each cell (n, K), at most 1 in each column.

    The law's own error is the residual variance of the log ridge that the items do not explain.
    """
    noise = binomial_variance(scores, items, lowest)
    missed = log_ridge(x, scores, np.ones_like(scores))(x) - scores
    there = np.isfinite(scores)
    mean_noise = np.where(there, noise, 0.0).sum(axis=0) / there.sum(axis=0)
    own = np.maximum(np.nanvar(missed, axis=0) - mean_noise, FLOOR * mean_noise)
    variance = own + noise
    least = variance.min(axis=0)
    out: Array = np.where(variance > 0.0, least / np.where(variance > 0.0, variance, 1.0), 1.0)
    return out


def trust_in_chosen(x: Array, wanted: Array, weight: Array, chosen: NDArray[np.bool_]) -> float:
    """How much a chosen row counts: what predicts held-out rows that were not chosen best.

    A law that is not quite right bends to where rows are many, and rows that were kept because they came
    out well are too good: adding chosen rows can make a law worse (Marin, September 2026: rank
    correlation .894 -> .563). Where there are fewer than 10 other rows, nothing can be said: 1.
    """
    free = ~chosen
    if free.sum() < LEAST_ROWS:
        return CHOSEN[0]
    block = blocks(x, FOLDS)
    errors = []
    for factor in CHOSEN:
        counts = weight * np.where(chosen, factor, 1.0)[:, None]
        square = np.zeros(wanted.shape[1])
        for b in range(FOLDS):
            inside, outside = block != b, (block == b) & free
            if not outside.any() or not (free & inside).any():
                continue
            given = x[inside], wanted[inside], counts[inside]
            made = 0.5 * (log_ridge(*given)(x[outside]) + GaussianProcess(*given)(x[outside]))
            square += np.nansum(weight[outside] * (made - wanted[outside]) ** 2, axis=0)
        errors.append(float((square / np.nanvar(wanted[free], axis=0)).sum()))
    return CHOSEN[int(np.argmin(errors))]

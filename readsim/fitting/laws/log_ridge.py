"""Ridge regression on log shares: wanted = c + sum_i b_i z_i, z the scaled ln(1 + 100 x_i).

The penalty of each capability is the one with the least leave-one-out error, which is known in closed
form: row i misses by (y_i - fitted_i) / (1 - h_i).
"""

import numpy as np

from readsim.arrays import Array
from readsim.fitting.laws.features import Predictor, ScaledColumns, alike, amounts, logs

PENALTIES = np.logspace(-3.0, 4.0, 29)  # of b^2, for n rows of scaled columns


def log_ridge(x: Array, wanted: Array, weight: Array) -> Predictor:
    """See the module and `readsim.fitting.laws`."""
    columns = ScaledColumns.of(logs(amounts(x)))
    z = columns.scaled(logs(amounts(x)))
    slopes, level = np.zeros((z.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    for group in alike(wanted, weight):
        own, root = z[group.rows], np.sqrt(group.weight)[:, None]
        y = wanted[np.ix_(group.rows, group.places)]
        share = group.weight / group.weight.sum()
        middle, mean = share @ own, share @ y
        u, d, vt = np.linalg.svd(root * (own - middle), full_matrices=False)
        turned = u.T @ (root * (y - mean))
        best, slope = np.full(y.shape[1], np.inf), np.zeros((own.shape[1], y.shape[1]))
        for penalty in PENALTIES:
            kept = d**2 / (d**2 + penalty)
            missed = root * (y - mean) - u @ (kept[:, None] * turned)
            leverage = ((u**2) @ kept + share)[:, None]
            error = ((missed / np.maximum(1.0 - leverage, 1e-9)) ** 2).sum(axis=0)
            better = error < best
            best[better] = error[better]
            slope[:, better] = (vt.T @ ((d / (d**2 + penalty))[:, None] * turned))[:, better]
        slopes[:, group.places], level[group.places] = slope, mean - middle @ slope

    def predict(at: Array) -> Array:
        out: Array = level + columns.scaled(logs(amounts(at))) @ slopes
        return out

    return predict

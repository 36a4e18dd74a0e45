"""The lasso on shares and log shares: few sources move a capability, and each in its own way.

    wanted = c + sum_i (a_i x_i + b_i ln(1 + 100 x_i)),   |a| + |b| small in scaled columns

How small is chosen for each capability by cross-validation over FOLDS blocks of mixtures. The solver is
scikit-learn's.
"""

import warnings

import numpy as np

from readsim.arrays import Array
from readsim.fitting.laws.features import Predictor, ScaledColumns, alike, amounts, blocks, logs

FOLDS, PENALTIES = 5, 30
LEAST_ROWS = 2 * FOLDS  # of different mixtures


def sparse(x: Array, wanted: Array, weight: Array) -> Predictor:
    """See the module and `readsim.fitting.laws`. Fewer than 10 different mixtures: their mean."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    columns = ScaledColumns.of(_table(x))
    z = columns.scaled(_table(x))
    slopes, level = np.zeros((z.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    for group in alike(wanted, weight):
        own, block = z[group.rows], blocks(x[group.rows], FOLDS)
        few = len(np.unique(blocks(x[group.rows], LEAST_ROWS))) < LEAST_ROWS
        splits = [(np.flatnonzero(block != b), np.flatnonzero(block == b)) for b in range(FOLDS)]
        for j in group.places:
            y = wanted[group.rows, j]
            mean = float(np.average(y, weights=group.weight))
            sd = float(y.std())
            level[j] = mean
            if few or sd == 0.0:
                continue
            fit = LassoCV(cv=splits, alphas=PENALTIES, max_iter=2000, tol=1e-3, random_state=0)
            with warnings.catch_warnings():
                # the least penalties may end early: cross-validation judges what came out
                warnings.simplefilter("ignore", ConvergenceWarning)
                fit.fit(own, (y - mean) / sd, sample_weight=group.weight)
            slopes[:, j] = sd * fit.coef_
            level[j] = mean + sd * float(fit.intercept_)

    def predict(at: Array) -> Array:
        out: Array = level + columns.scaled(_table(at)) @ slopes
        return out

    return predict


def _table(x: Array) -> Array:
    return np.hstack([amounts(x), logs(amounts(x))])

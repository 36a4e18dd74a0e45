"""The laws that others fit to such runs: shares (n, S) and losses (n, K) to a prediction."""

import numpy as np

from readsim.arrays import Array


def linear(shares: Array, losses: Array, wanted: Array) -> Array:
    """Least squares with an intercept."""
    ones = np.ones((len(shares), 1))
    coefficients = np.linalg.lstsq(np.hstack([ones, shares]), losses, rcond=None)[0]
    out: Array = np.hstack([np.ones((len(wanted), 1)), wanted]) @ coefficients
    return out


def log_linear(shares: Array, losses: Array, wanted: Array) -> Array:
    """c + exp(k + t . w) by domain (Data Mixing Laws, arXiv 2403.16952), least squares of the loss."""
    from scipy.optimize import least_squares

    out = np.empty((len(wanted), losses.shape[1]))
    for j, loss in enumerate(losses.T):
        ones = np.hstack([np.ones((len(shares), 1)), shares])

        def error(p: Array, x: Array = ones, y: Array = loss) -> Array:
            left: Array = p[0] + np.exp(np.clip(x @ p[1:], -30.0, 30.0)) - y
            return left

        first = np.zeros(2 + shares.shape[1])
        first[:2] = 0.5 * loss.min(), np.log(loss.mean() - 0.5 * loss.min())
        p = least_squares(error, first, max_nfev=200).x
        x = np.hstack([np.ones((len(wanted), 1)), wanted])
        out[:, j] = p[0] + np.exp(np.clip(x @ p[1:], -30.0, 30.0))
    return out


def lightgbm(shares: Array, losses: Array, wanted: Array, eval_losses: Array) -> Array:
    """RegMix's own settings: 1000 trees, rate 0.01, seed 42, stopped early on the unseen runs.

    The notebook stops on the test losses, which is a small advantage; it is kept as it is.
    """
    import lightgbm

    settings = {"learning_rate": 0.01, "seed": 42, "num_threads": 1, "verbosity": -1}
    out = np.empty((len(wanted), losses.shape[1]))
    for j in range(losses.shape[1]):
        known = lightgbm.Dataset(shares, losses[:, j])
        stop = lightgbm.early_stopping(3, verbose=False)
        unseen = known.create_valid(wanted, eval_losses[:, j])
        model = lightgbm.train(settings, known, 1000, valid_sets=[unseen], callbacks=[stop])
        out[:, j] = np.asarray(model.predict(wanted))
    return out

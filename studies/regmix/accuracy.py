"""Mean per-domain Spearman on unseen runs of the laws that others fit, by number of runs fitted to."""

from importlib.util import find_spec
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.fitting.diagnostics import compare_columns
from readsim.fitting.law import fit_law
from readsim.fitting.table import Runs

SIZES = (16, 32, 64, 128, 256, 512)


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


def shares_of(runs: Runs) -> Array:
    """(n, S), each row sums to 1."""
    out: Array = runs.tokens / runs.tokens.sum(axis=1, keepdims=True)
    return out


def mean_spearman(profiles: Array, runs: Runs) -> float:
    """Over the domains; a law that predicts the same for all runs ranks nothing: 0."""
    found = compare_columns(profiles, runs.profiles, runs.capabilities)
    return float(np.mean(np.nan_to_num([q.spearman for q in found])))


def curve(data: dict[str, Runs], sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """A row a law and size: the first n of the 512 rows; all see the same."""
    train, small, large = (data[name] for name in ("train_1m", "test_1m", "test_60m"))
    x, y, w = shares_of(train), -train.profiles, shares_of(small)
    out = []
    for n in sizes:
        fitted = fit_law(
            train.tokens[:n],
            train.profiles[:n],
            sources=train.sources,
            capabilities=train.capabilities,
            scores=False,
        )
        made = {"shared curves": -fitted.predict(small.tokens)}
        made["linear"] = linear(x[:n], y[:n], w)
        made["log-linear"] = log_linear(x[:n], y[:n], w)
        if find_spec("lightgbm") is not None:
            made["lightgbm"] = lightgbm(x[:n], y[:n], w, -small.profiles)
        for law, losses in made.items():
            row = {"law": law, "n": n, "spearman_1m": round(mean_spearman(-losses, small), 4)}
            out.append({**row, "spearman_60m": round(mean_spearman(-losses, large), 4)})
    return out

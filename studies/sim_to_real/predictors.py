"""What may predict the change of a profile by shares and tokens, from measured one-hot runs."""

from collections.abc import Callable

import numpy as np
import scipy.linalg  # noqa: F401  its BLAS is another library than numpy's: load it to limit it
from threadpoolctl import threadpool_limits

from readsim.arrays import Array
from readsim.fitting.law import fit_law
from readsim.worlds import World
from studies.transfer_matrix.measured import Measured

Predictor = Callable[[Array, Array], Array]  # shares (n, S), tokens (n,) -> change (n, K)
CONSTANT, LINEAR, WORLD, LAW = "constant", "one-hot rows", "fitted world", "readsim fit"


def one_hot_rows(measured: Measured) -> Predictor:
    """The shares' mean of the one-hot rows; between budgets linear in log tokens."""

    def change(shares: Array, tokens: Array) -> Array:
        at, known = np.log(tokens), np.log(measured.budgets)
        upper = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
        part = np.clip((at - known[upper - 1]) / (known[upper] - known[upper - 1]), 0.0, 1.0)
        low, high = measured.matrix[upper - 1], measured.matrix[upper]
        rows = low + part[:, None, None] * (high - low)
        out: Array = np.einsum("ns,nsk->nk", shares, rows)
        return out

    return change


def constant(measured: Measured) -> Predictor:
    """Whatever the shares, what one-hot runs bring on average."""
    rows = one_hot_rows(measured)
    return lambda shares, tokens: rows(np.full_like(shares, 1.0 / shares.shape[1]), tokens)


def in_world(world: World) -> Predictor:
    """The world's noise-free final profile."""

    def change(shares: Array, tokens: Array) -> Array:
        each = zip(shares, tokens, strict=True)
        return np.array([world.static_profile(a, float(b)) for a, b in each]) - world.start

    return change


def law(measured: Measured) -> Predictor:
    """The law of `readsim fit`, on the same one-hot runs; its first guess of a family."""
    s = len(measured.sources)
    runs = measured.change.shape[2]
    tokens = np.einsum("b,st->bst", measured.budgets, np.eye(s))
    amounts = np.repeat(tokens[:, :, None], runs, axis=2).reshape(-1, s)
    start = measured.vector("start")
    with threadpool_limits(limits=1, user_api="blas"):  # scipy's is loaded: threads only wait here
        fitted = fit_law(
            amounts,
            np.clip(start + measured.change, 0.0, 1.0).reshape(-1, len(start)),
            sources=measured.sources,
            capabilities=measured.capabilities,
            scores=True,
            start=start,
            members=2,
            folds=0,
        )
    return lambda shares, spent: fitted.predict(shares * spent[:, None]) - start


def predictors(measured: Measured, world: World) -> dict[str, Predictor]:
    """The quick ones by name; `world` was fitted to `measured`."""
    return {
        CONSTANT: constant(measured),
        LINEAR: one_hot_rows(measured),
        WORLD: in_world(world),
    }


def of_seed(measured: Measured, seed: int) -> Measured:
    """The runs of one seed."""
    runs = [run for run in measured.info["runs"] if run["seed"] == seed]
    return Measured.of({**measured.info, "runs": runs})

"""Mean per-domain Spearman on unseen runs, by law and number of runs fitted to."""

from importlib.util import find_spec
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.fitting.diagnostics import compare_columns
from readsim.fitting.law import fit_law
from readsim.fitting.table import Runs
from studies.regmix.rivals import lightgbm, linear, log_linear

SIZES = (16, 32, 64, 128, 256, 512)


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

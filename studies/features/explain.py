"""An explanation that can fail: a linear model and a small tree, judged on worlds they did not see."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readsim.arrays import Array
from studies.features.measure import FEATURES

# what explains each response: task-static - uniform is a part of the second one itself
RESPONSES = {
    "read - task-static": tuple(FEATURES),
    "read - uniform": tuple(name for name in FEATURES if name != "task mix"),
}
RESAMPLES = 2_000
FOLDS, REPEATS = 5, 10
SHUFFLES = 100


@dataclass(frozen=True)
class Explanation:
    """What F `features` say of a response over N worlds.

    `slopes` (F,): points per standard deviation of a feature, the others held; `low`, `high` (F,): 95 %
    bootstrap intervals over worlds. `linear`, `tree`: R^2 on worlds that were left out (1: all
    explained, 0 or less: nothing), `chance` the 95 % point of the better one's with shuffled responses.
    `ceiling`: share of the response's variance that is not the luck of few seeds. `predicted` (N,):
    out-of-fold predictions of the linear model. `rules`: the tree on all worlds, as text.
    """

    features: tuple[str, ...]
    slopes: Array
    low: Array
    high: Array
    linear: float
    tree: float
    chance: float
    ceiling: float
    predicted: Array
    rules: str

    @property
    def share(self) -> float:
        """Share of what can be explained that the better model explains; 0 if chance does as well."""
        best = max(self.linear, self.tree)
        return best / self.ceiling if best > max(self.chance, 0.0) else 0.0


def explain(table: pd.DataFrame, response: str, *, seed: int = 0) -> Explanation:
    """Fit one of `RESPONSES` of a world table on its features."""
    from sklearn.tree import export_text

    features = RESPONSES[response]
    raw = table[list(features)].to_numpy(dtype=np.float64)
    x, y = standardised(raw), table[response].to_numpy(dtype=np.float64)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(y), (RESAMPLES, len(y)))
    resampled = np.array([slopes_of(x[rows], y[rows]) for rows in draws])
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    linear, predicted = cross_validated(linear_model(), x, y, REPEATS)
    tree, _ = cross_validated(tree_model(), x, y, REPEATS)
    best = linear_model() if linear >= tree else tree_model()
    shuffled = [cross_validated(best, x, rng.permutation(y), 1)[0] for _ in range(SHUFFLES)]
    half = table[f"{response} half width"].to_numpy(dtype=np.float64)
    fitted = tree_model().fit(raw, y)
    return Explanation(
        features,
        slopes_of(x, y),
        low,
        high,
        linear,
        tree,
        float(np.quantile(shuffled, 0.95)),
        ceiling_of(y, half, table.attrs["seeds"]),
        predicted,
        str(export_text(fitted, feature_names=list(features), decimals=2)),
    )


def standardised(x: Array) -> Array:
    """Columns (N, F) with mean 0 and standard deviation 1; constant ones are 0."""
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf))


def slopes_of(x: Array, y: Array) -> Array:
    """Least-squares slopes (F,) of y (N,) on x (N, F) with an intercept; the shortest if not unique."""
    design = np.column_stack([np.ones(len(x)), x])
    return np.asarray(np.linalg.lstsq(design, y, rcond=None)[0][1:])


def linear_model() -> Any:
    """Ordinary least squares."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


def tree_model() -> Any:
    """A tree of at most eight leaves, none of fewer than five worlds."""
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=3, min_samples_leaf=5, random_state=0)


def cross_validated(model: Any, x: Array, y: Array, repeats: int) -> tuple[float, Array]:
    """R^2 = 1 - sum (y - y^)^2 / sum (y - mean y)^2 of out-of-fold predictions, and their mean (N,).

    Five folds, dealt anew `repeats` times; R^2 is the mean over the deals.
    """
    from sklearn.model_selection import KFold, cross_val_predict

    deals = [KFold(min(FOLDS, len(y)), shuffle=True, random_state=n) for n in range(repeats)]
    predictions = np.array([cross_val_predict(model, x, y, cv=deal) for deal in deals])
    errors = ((y - predictions) ** 2).sum(axis=1)
    return float(1.0 - errors.mean() / ((y - y.mean()) ** 2).sum()), predictions.mean(axis=0)


def ceiling_of(y: Array, half: Array, seeds: int) -> float:
    """1 - mean squared standard error / variance over worlds: what a perfect explanation could reach."""
    from scipy.special import stdtrit

    if seeds < 2:
        return np.nan
    error = half / float(stdtrit(seeds - 1, 0.975))
    return float(max(0.0, 1.0 - (error**2).mean() / y.var(ddof=1)))

"""What a fit says of runs that it has not seen, with intervals; and the plain regression beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  its BLAS is another library than numpy's: load it to limit it
from threadpoolctl import threadpool_limits

from readsim.arrays import Array
from readsim.fitting.average import Average
from readsim.fitting.averaged import fit_average
from readsim.fitting.intervals import Interval
from readsim.worlds.terms.learning_rate import LearningRate
from studies.real_runs.rows import RealTable

ITEMS = 256.0  # of a capability's test split
RECIPE = {"kind": "cosine", "warmup": 0.03}  # of the presets of both pairs
RIDGE = 1.0
UNIT = 1000.0  # tokens: a source is one of the regression's logarithms from here on


@dataclass(frozen=True, eq=False)
class Forecast:
    """The laws of `readsim fit`, averaged, on tokens that count as much as their learning `rate`: so laws
    that know no order say what an early token is worth beside a late one, and no more."""

    average: Average
    rate: LearningRate

    def counted(self, tokens: Array) -> Array:
        """(T, S) what tokens (T, S), one row a decision, count for."""
        return counted_tokens(self.rate, tokens)

    def scores(self, tokens: Array) -> Interval:
        """(K,) what a run on `tokens` (T, S) measures, with its 95 % interval."""
        told = self.average.forecast(self.counted(tokens)[None])
        return Interval(told.mean[0], told.low[0], told.high[0])

    def utility(self, tokens: Array, weights: Array) -> Interval:
        """Of the same, weighted: a number each."""
        made = self.average.utility(self.counted(tokens)[None], lambda p: p @ weights, weights)
        return Interval(*(each[0] for each in made))


def fit_runs(
    table: RealTable, name: str, schedule: Mapping[str, Any] = RECIPE, seed: int = 0
) -> Forecast:
    """Fit to the ends of the runs, two seeds of a design held out together."""
    runs, rate = table.runs, LearningRate.of(schedule)
    names = sorted({run.name for run in runs})
    path = np.array([counted_tokens(rate, run.tokens) for run in runs])
    with threadpool_limits(limits=1, user_api="blas"):  # scipy's is loaded: threads only wait here
        fitted = fit_average(
            path.sum(axis=1),
            np.array([run.final for run in runs]),
            sources=table.sources,
            capabilities=table.capabilities,
            scores=True,
            start=np.mean([run.start for run in runs], axis=0),
            groups=[names.index(run.name) for run in runs],
            items=np.full(len(table.capabilities), ITEMS),
            path=path,
            seed=seed,
            name=name,
        )
    return Forecast(fitted.average, rate)


def counted_tokens(rate: LearningRate, tokens: Array) -> Array:
    """(..., T, S) what tokens (..., T, S), one row a decision, count for."""
    out: Array = rate.of_steps(tokens.shape[-2])[:, None] * tokens
    return out


def regression(table: RealTable, tokens: Sequence[Array]) -> Array:
    """(n, K) for runs of `tokens` (T, S) each: ridge regression of the change on log(1 + tokens / UNIT)."""
    x = _features([run.tokens for run in table.runs])
    start = np.mean([run.start for run in table.runs], axis=0)
    y = np.array([run.final for run in table.runs]) - start
    mean, middle = x.mean(axis=0), y.mean(axis=0)
    slopes = np.linalg.solve(
        (x - mean).T @ (x - mean) + RIDGE * np.eye(x.shape[1]), (x - mean).T @ (y - middle)
    )
    out: Array = start + middle + (_features(tokens) - mean) @ slopes
    return out


def _features(tokens: Sequence[Array]) -> Array:
    out: Array = np.log1p(np.array([each.sum(axis=0) for each in tokens]) / UNIT)
    return out

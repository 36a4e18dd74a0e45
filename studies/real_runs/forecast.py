"""What a fit says of runs that it has not seen, with intervals; and the plain regression beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  its BLAS is another library than numpy's: load it to limit it
from scipy.stats import t as student_t
from threadpoolctl import threadpool_limits

from readsim.arrays import Array
from readsim.fitting.intervals import Interval
from readsim.fitting.law import fit_law
from readsim.worlds import World
from readsim.worlds.terms.learning_rate import LearningRate
from studies.real_runs.rows import RealTable

LEVEL = 0.95
RIDGE = 1.0
RECIPE = {"kind": "cosine", "warmup": 0.03}  # of the presets of both pairs
UNIT = 1000.0  # tokens: a source is one of the regression's logarithms from here on


@dataclass(frozen=True, eq=False)
class Forecast:
    """A fitted world, and `misses` (n, K): how far off it was on rows that a fold left out."""

    world: World
    misses: Array

    def scores(self, tokens: Array) -> Interval:
        """(K,) of a run that is trained on `tokens` (T, S), one row a decision."""
        return self._around(self._profile(tokens), self.misses)

    def utility(self, tokens: Array, weights: Array) -> Interval:
        """Of the same, weighted: a number each."""
        return self._around(self._profile(tokens) @ weights, self.misses @ weights)

    def _profile(self, tokens: Array) -> Array:
        profile: Array = self.world.profile_after([row[None] for row in tokens])[0]
        return profile

    def _around(self, value: Array, misses: Array) -> Interval:
        """One more miss like the others: t with as many degrees of freedom as there were rows, less one."""
        half = student_t.ppf(0.5 + LEVEL / 2, len(misses) - 1) * np.sqrt(np.mean(misses**2, axis=0))
        return Interval(value, value - half, value + half)


def fit_runs(
    table: RealTable, name: str, schedule: Mapping[str, Any] = RECIPE, seed: int = 0
) -> Forecast:
    """The law of `readsim fit` on the ends of the runs, two seeds of a design held out together.

    A token counts as much as its learning rate by the `schedule` that the runs had: so the law, which
    knows no order, says what an early token is worth beside a late one.
    """
    runs, rate = table.runs, LearningRate.of(schedule)
    names = sorted({run.name for run in runs})
    with threadpool_limits(limits=1, user_api="blas"):  # scipy's is loaded: threads only wait here
        fitted = fit_law(
            np.array([rate.of_steps(len(run.tokens)) @ run.tokens for run in runs]),
            np.array([run.final for run in runs]),
            sources=table.sources,
            capabilities=table.capabilities,
            scores=True,
            start=np.mean([run.start for run in runs], axis=0),
            groups=[names.index(run.name) for run in runs],
            seed=seed,
            name=name,
        )
    world = fitted.world.replace(schedule=dict(schedule))
    return Forecast(world, fitted.held_out - fitted.targets)


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

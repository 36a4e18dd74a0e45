"""The best mixture beside uniform and the nearest measured run: what to train on, and how sure that is."""

from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.average import Average
from readsim.fitting.predict import told
from readsim.worlds.optimum import optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World


class Mixture(NamedTuple):
    """A mixture with its utility in profile units.

    tokens (S,)      of each source
    low, high        the 95 % interval of what a run would measure; nan where nothing says it
    ahead, half      by how much the best mixture is predicted to be ahead of this one, and half of that
                     difference's 95 % interval; nan where nothing says it
    measured         of the run that this is; nan for a mixture that is none
    """

    name: str
    tokens: Array
    utility: float
    low: float
    high: float
    ahead: float
    half: float
    measured: float


def best_beside(
    world: World, average: Average | None, task: Task, budget: float, shares: Array | None = None
) -> list[Mixture]:
    """The best mixture of `budget` tokens, uniform and, where runs are known, the run nearest to the best one
    in tokens by source. All are predicted as `readsim predict` does: by the average where there is one.

    shares   (S,) that are taken for the best ones; None: `optimum` of the world

    Raises ConfigError for a budget that the world does not allow.
    """
    if shares is None:
        shares = optimum(world, task, budget).allocation
    s = len(world.sources)
    names, rows = ["best", "uniform"], [shares * budget, np.full(s, budget / s)]
    measured = [np.nan, np.nan]
    if average is not None:
        needed = task.weights > 0.0
        known = np.isfinite(average.profiles[:, needed]).all(axis=1)
        utility = task.utility(np.where(needed, average.profiles, 0.0))
        tokens = average.runs.x * average.unit
        away = np.where(known, np.abs(tokens - rows[0]).sum(axis=1), np.inf)
        if known.any():
            nearest = int(np.argmin(away))
            names.append("nearest measured run")
            rows.append(tokens[nearest])
            measured.append(float(utility[nearest]))
    places = np.array(rows)
    _, _, ends = told(world, average, places, task)
    centre, low, high = ends if len(ends) == 3 else (ends[0], *np.full((2, len(rows)), np.nan))
    half = np.full(len(rows), np.nan)
    if average is not None:
        half = average.difference(places, task.utility, task.weights)
    ahead = centre[0] - centre
    return [
        Mixture(*row)
        for row in zip(
            names,
            rows,
            *(v.tolist() for v in (centre, low, high, ahead, half)),
            measured,
            strict=True,
        )
    ]

"""What is run in the game, and what a fit says of it: everything that is decided before the first run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.fitting.intervals import Interval
from readsim.fitting.mixture_pool import mixture_pool
from readsim.streams import generator
from readsim.worlds.search import polish
from studies.real_runs.forecast import Forecast, counted_tokens
from studies.real_runs.rows import RealTable

FRONT = 0.2  # of the target in the other half of `target-first` and `target-last`
CHOSEN, SCHEDULE = "chosen", "chosen-schedule"
POOL = 2000  # mixtures that are looked at first
HALVES = 2


@dataclass(frozen=True, eq=False)
class Decided:
    """`shares` (T, S) and the foretold `utility` of each method."""

    task: str
    budget: int
    shares: Mapping[str, Array]
    utility: Mapping[str, Interval]

    def table(self) -> dict[str, Any]:
        """As plain data."""
        intervals = {m: [round(float(v), 6) for v in each] for m, each in self.utility.items()}
        shares = {m: np.round(rows, 6).tolist() for m, rows in self.shares.items()}
        return {"task": self.task, "budget": self.budget, "utility": intervals, "shares": shares}

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Decided":
        """What `table` gave."""
        utility = {
            m: Interval(*(np.asarray(v) for v in each)) for m, each in saved["utility"].items()
        }
        shares = {m: np.array(rows) for m, rows in saved["shares"].items()}
        return cls(saved["task"], saved["budget"], shares, utility)


def plain(sources: Sequence[str], task: str, requirement: Array, steps: int) -> dict[str, Array]:
    """Shares (T, S) of the methods that need no fit.

    `target-first` spends the first half on the target alone and FRONT of the second half on it (the allocator
    `front-loaded`; the allocator `target-first` spends none);
    `target-last` has the same tokens the other way round.
    """
    s, own = len(sources), sources.index(task)
    one, rest = np.eye(s)[own], np.full(s, (1.0 - FRONT) / (s - 1))
    rest[own] = FRONT
    static = {"one-hot": one, "uniform": np.full(s, 1.0 / s), "task-static": requirement}
    shares = {name: np.tile(row, (steps, 1)) for name, row in static.items()}
    shares["target-first"] = np.repeat([one, rest], [steps // 2, steps - steps // 2], axis=0)
    shares["target-last"] = shares["target-first"][::-1]
    return shares


def decide(forecast: Forecast, kept: RealTable, task: str, budget: int, steps: int) -> Decided:
    """What the fit says is best, beside plain methods: constant shares, and a schedule that changes once, at
    half the run. The schedule's search starts from each plain method and from the constant shares.
    """
    weights, s = kept.weights(task), len(kept.sources)
    half = np.arange(steps) * HALVES // steps

    def value(points: Array) -> Array:
        """Of shares (m, P * S), those of each of P parts of the run summing to 1 / P."""
        parts = points.shape[1] // s
        shares = parts * points.reshape(-1, parts, s)[:, half * parts // HALVES]
        counted = counted_tokens(forecast.rate, shares * (budget / steps))
        out: Array = forecast.average.predict(counted) @ weights
        return out

    shares = plain(kept.sources, task, weights, steps)
    pool = mixture_pool(POOL, np.zeros(s), np.ones(s), generator(0, "data"))
    best = polish(value, pool[int(np.argmax(value(pool)))])
    shares[CHOSEN] = np.tile(best / best.sum(), (steps, 1))
    starts = [rows[[0, -1]].ravel() / HALVES for rows in shares.values()]
    found = np.array([polish(value, start, phases=HALVES) for start in starts])
    turned = found[int(np.argmax(value(found)))].reshape(HALVES, s)
    shares[SCHEDULE] = (turned / turned.sum(axis=1, keepdims=True))[half]
    tokens = {name: rows * (budget / steps) for name, rows in shares.items()}
    utility = {name: forecast.utility(t, weights) for name, t in tokens.items()}
    return Decided(task, budget, shares, utility)

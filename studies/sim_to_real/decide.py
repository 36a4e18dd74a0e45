"""What is run in the game, and what a fit says of it: everything that is decided before the first run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.fitting.intervals import Interval
from readsim.worlds.optimum import optimum
from readsim.worlds.schedule import best_schedule
from studies.real_runs.forecast import Forecast

FRONT = 0.2  # of the target in the other half of `target-first` and `target-last`
PHASES = 2


@dataclass(frozen=True, eq=False)
class Decided:
    """`shares` (T, S) and the foretold `utility` of each method.

    `schedule` is among them only where the fit knows an order that is better than the best shares.
    """

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

    `target-first` spends the first half on the target alone and FRONT of the second half on it;
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


def decide(forecast: Forecast, task: str, budget: int, steps: int) -> Decided:
    """The best shares and the best two-phase schedule in the fitted world, beside plain methods."""
    world = forecast.world
    wanted = world.task(task)
    shares = plain(world.sources, task, wanted.requirement, steps)
    best = optimum(world, wanted, budget, steps=steps)
    shares["chosen"] = np.tile(best.allocation, (steps, 1))
    schedule = best_schedule(world, wanted, budget, steps, PHASES)
    if schedule.utility > schedule.static:
        shares["schedule"] = schedule.by_decision
    tokens = {name: rows * (budget / steps) for name, rows in shares.items()}
    utility = {name: forecast.utility(t, wanted.weights) for name, t in tokens.items()}
    return Decided(task, budget, shares, utility)

"""Grid-searched static mixture."""

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.files.checked import Checked, number, switch, whole

MOST_TRIALS = 10_000


def simplex_grid(parts: int, divisions: int) -> Array:
    """All points of the simplex with `parts` entries that are multiples of 1 / divisions: (A, parts)."""
    if parts == 1:
        return np.ones((1, 1))
    rows = [
        [first, *rest * (divisions - first)]
        for first in range(divisions)
        for rest in simplex_grid(parts - 1, divisions - first)
    ]
    rows.append([divisions, *np.zeros(parts - 1)])
    return np.array(rows) / divisions


@dataclass(frozen=True)
class GridSearched(Checked, Allocator):
    """Try every mixture of the top sources on a grid in a short run, and keep the best one.

    Each trial trains `trial_share` of the budget from the same start, is judged by r . Dp on the dev
    split, and is undone. With `charge` the trials' tokens come out of the budget: then the default
    is 0.3 of the budget over all trials; without, 0.1 for each trial, reported as `search` tokens.
    """

    needs = frozenset({"trial"})

    top: int = whole(3, "ours", low=1, high=100)
    divisions: int = whole(4, "ours", low=1, high=1000)
    charge: bool = switch(False, "ours")
    trial_share: float | None = number(None, "ours", above=0.0, high=0.999)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (trials := comb(self.top + self.divisions - 1, self.divisions)) > MOST_TRIALS:
            raise ConfigError(
                f"top = {self.top}, divisions = {self.divisions}: {trials} trials, at most {MOST_TRIALS}"
            )

    def init(self, setup: Setup) -> Any:
        if setup.trial is None:
            raise CapabilityMissingError("grid search needs a backend that can undo a trial run")
        chosen = np.argsort(-setup.prior, kind="stable")[: self.top]
        grid = simplex_grid(len(chosen), self.divisions)
        mixtures = np.zeros((len(grid), len(setup.sources)))
        mixtures[:, chosen] = grid
        share = self.trial_share or (0.3 / len(grid) if self.charge else 0.1)
        tokens = max(1, int(share * setup.budget))
        if self.charge and tokens * len(grid) >= setup.budget:
            raise ConfigError(
                f"trial_share = {share:g}: {len(grid)} charged trials would use the whole budget"
            )
        values = [
            float(setup.requirement @ setup.trial(mixture, tokens, self.charge))
            for mixture in mixtures
        ]
        return {"allocation": mixtures[int(np.argmax(values))]}

    def select(self, state: Any, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation

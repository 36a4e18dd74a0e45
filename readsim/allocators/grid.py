"""Grid-searched static mixture."""

from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError


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


class GridSearched(Allocator):
    """Try every mixture of the top sources on a grid in a short run, keep the best one.

    Each trial trains `trial_share` of the budget from the same start, is judged by r . Dp on the dev
    split, and is undone. With `charge` the trials' tokens come out of the budget: then the default
    is 0.3 of the budget over all trials; without, 0.1 for each trial, reported as `search` tokens.
    """

    needs = frozenset({"trial"})

    def __init__(
        self,
        top: int = 3,
        divisions: int = 4,
        charge: bool = False,
        trial_share: float | None = None,
    ) -> None:
        if top < 1 or divisions < 1:
            raise ConfigError(f"top = {top!r}, divisions = {divisions!r}: at least 1 each")
        if trial_share is not None and not 0 < trial_share < 1:
            raise ConfigError(f"trial_share = {trial_share!r}: a share between 0 and 1")
        self.top, self.divisions, self.charge = top, divisions, charge
        self.trial_share = trial_share

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

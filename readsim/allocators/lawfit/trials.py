"""What law-fitting rules share: short trainings on drawn mixtures before the run, then one mixture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured, number, whole
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.streams import generator

STRENGTHS = (0.1, 5.0, 15)  # RegMix's: from, to, how many, evenly spaced in logarithms


def draw_mixtures(rng: np.random.Generator, prior: Array, n: int) -> Array:
    """(n, S): RegMix's draws, Dirichlet(strength p^.5 / sum p^.5), the strengths in turn.

    Their p are the sizes of the domains. Here it is half the prior and half uniform, so that every
    source is tried. Weights below 2e-4 are raised to it, as theirs.
    """
    centre = np.sqrt(0.5 * prior + 0.5 / len(prior))
    strengths = np.geomspace(*STRENGTHS)
    rows = [rng.dirichlet(strengths[i % len(strengths)] * centre / centre.sum()) for i in range(n)]
    kept = np.maximum(np.nan_to_num(np.array(rows), nan=1.0), 2e-4)
    out: Array = kept / kept.sum(axis=1, keepdims=True)
    return out


def run_trials(setup: Setup, mixtures: Array, share: float) -> Array:
    """Loss of each trial relative to the start, (n, V): minus the measured dev change.

    Each trains `share` of the budget from the start and is undone; its tokens count as search. Raises
    CapabilityMissingError where the backend cannot undo one.
    """
    if setup.trial is None:
        raise CapabilityMissingError("law fitting needs a backend that can undo a trial run")
    tokens = max(1, int(share * setup.budget))
    return np.array([-setup.trial(mixture, tokens, False) for mixture in mixtures])


@dataclass(frozen=True)
class LawFit(Configured):
    """Base: `fit` returns the mixture to play; it may report numbers."""

    needs = frozenset({"trial"})

    trials: int = whole(32, "ours; the papers run 20 to 512", low=2)
    trial_share: float = number(0.1, "ours, as grid search (D27)", above=0.0, high=1.0)

    def init(self, setup: Setup) -> State:
        s = len(setup.sources)
        if s == 1:
            return {"allocation": np.ones(1), "report": {}}
        mixtures = draw_mixtures(generator(setup.seed, "allocator", 0), setup.prior, self.trials)
        rows = run_trials(setup, mixtures, self.trial_share)
        allocation, report = self.fit(setup, mixtures, rows)
        return {"allocation": allocation, "report": report}

    def fit(self, setup: Setup, mixtures: Array, rows: Array) -> tuple[Array, dict[str, Any]]:
        """The mixture (S,) from trials (n, S) and their losses (n, V), and numbers for the log."""
        raise NotImplementedError(f"{type(self).__name__} must define fit(setup, mixtures, rows)")

    def select(self, state: State, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation

    def report(self, state: State) -> Mapping[str, Any]:
        report: Mapping[str, Any] = state["report"]
        return report


def caps_of(setup: Setup, repetition: float) -> Array:
    """Largest share (S,) of each source when a pool may be trained on `repetition` times, at most 1.

    Raises ConfigError where the pools do not last for the budget.
    """
    caps = np.minimum(setup.pools * repetition / setup.budget, 1.0)
    if caps.sum() < 1.0:
        raise ConfigError(
            f"repetition = {repetition:g}: all pools together last for {caps.sum():.3g} of the budget"
        )
    return caps

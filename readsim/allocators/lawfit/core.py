"""Trials of drawn mixtures, from the start and undone, to which a law is fitted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured, number, switch, whole
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.streams import generator

STRENGTHS = np.geomspace(0.1, 5.0, 15)  # of the Dirichlet draws: RegMix's and Olmix's code

Trial = Callable[[Array, int, bool], Array]


def trial_of(setup: Setup, name: str) -> Trial:
    """`setup.trial`, or CapabilityMissingError."""
    if setup.trial is None:
        raise CapabilityMissingError(f"{name} needs a backend that can undo a trial run")
    return setup.trial


def blended(setup: Setup, task_share: float) -> Array:
    """p (S,): `task_share` of the task's prior, the rest uniform.

    It stands for the natural shares of the sources that the papers draw around. A world has none,
    and with the task's prior alone a source without a requirement would never be tried.
    """
    uniform = 1.0 / len(setup.sources)
    out: Array = task_share * setup.prior + (1.0 - task_share) * uniform
    return out


def drawn_mixtures(rng: np.random.Generator, prior: Array, count: int) -> Array:
    """(count, S): from Dirichlet(strength prior), the strength of each one of `STRENGTHS`.

    Where a small parameter underflows, which leaves no shares, the mixture is the prior.
    """
    strengths = rng.choice(STRENGTHS, size=count)
    parts = rng.standard_gamma(strengths[:, None] * prior)
    total = parts.sum(axis=1, keepdims=True)
    out: Array = np.where(total > 0.0, parts / np.where(total > 0.0, total, 1.0), prior)
    return out


@dataclass(frozen=True)
class Held(Configured):
    """Plays `allocation` (S,) throughout; `report` is what the fit says of itself (in the log)."""

    needs = frozenset({"trial"})

    def select(self, state: State, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation

    def report(self, state: State) -> Mapping[str, Any]:
        report: Mapping[str, Any] = state["report"]
        return report


@dataclass(frozen=True)
class FromTrials(Held):
    """Tries drawn mixtures, and holds what `propose` makes of their results.

    Each trial is judged by the dev split's change, so that losses are known up to a constant of
    each capability; no optimum depends on it.
    """

    trials: int = whole(32, "ours", low=1, high=10_000)
    trial_share: float = number(0.1, "ours: as grid", above=0.0, high=1.0)
    charge: bool = switch(False, "ours: as grid")
    task_share: float = number(0.5, "ours: their prior is natural shares", low=0.0, high=1.0)

    def init(self, setup: Setup) -> State:
        trial = trial_of(setup, type(self).__name__)
        tokens = max(1, int(self.trial_share * setup.budget))
        if self.charge and tokens * self.trials >= setup.budget:
            raise ConfigError(
                f"trial_share = {self.trial_share:g}: {self.trials} charged trials would use the "
                "whole budget"
            )
        rng = generator(setup.seed, "allocator")
        mixtures = drawn_mixtures(rng, self.around(setup), self.trials)
        losses = -np.array([trial(mixture, tokens, self.charge) for mixture in mixtures])
        allocation, report = self.propose(setup, mixtures, losses, rng)
        return {"allocation": allocation, "report": report}

    def around(self, setup: Setup) -> Array:
        """What trial mixtures are drawn around, (S,)."""
        return blended(setup, self.task_share)

    def propose(
        self, setup: Setup, mixtures: Array, losses: Array, rng: np.random.Generator
    ) -> tuple[Array, Mapping[str, Any]]:
        """Shares (S,) and a report from mixtures (N, S) and losses (N, V), less the start's."""
        raise NotImplementedError(
            f"{type(self).__name__} must define propose(setup, mixtures, losses, rng)"
        )

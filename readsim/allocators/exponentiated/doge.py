"""DoGE: more weight to sources whose gradient points where the targets' gradients point."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import Setup, State, Transition
from readsim.allocators.configured import number
from readsim.allocators.exponentiated.core import exponentiated, smoothed
from readsim.allocators.losses import required
from readsim.allocators.reweighted import Reweighted, is_last
from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError


@dataclass(frozen=True)
class DoGE(Reweighted):
    """log w += lr clip(sum_j <g_i, g_j> / mean_i |g_i|, 0, 5) / mu (DoGE-like, arXiv 2310.15393).

    Pinned to `update_domain_weights` of the authors' code (commit 88400e9). In domain, when the
    targets are the sources themselves and the task weighs them alike, the sum leaves out j = i, as
    theirs; otherwise it is over all capabilities, weighted by the task (their out-of-domain form).

    learning_rate   theirs is the optimiser's, for thousands of updates; a run here has about 20
    mu              strength of the pull towards the weights before
    least, most     clip of the normalised sum
    eps             share of uniform weights mixed in

    "Like": the inner products are `alignment()`, the first-order change of capability j by one
    interval of source i, which in the simulator has no noise; |g_i| is the length of row i of
    these. The rule steers the run itself, where the paper trains a proxy and averages. Where the
    sum is clipped at 0, a source that harms is treated as one that does nothing.
    """

    needs = frozenset({"alignment"})

    learning_rate: float = number(0.01, "ours", above=0.0)
    mu: float = number(0.05, "code: default; its configurations have .01", above=0.0)
    least: float = number(0.0, "code: dw_min")
    most: float = number(5.0, "code: dw_max")
    eps: float = number(0.0, "code: reweight_eps", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least > self.most:
            raise ConfigError(f"least = {self.least!r}, most = {self.most!r}: least is above most")

    def init(self, setup: Setup) -> State:
        return self._moved(setup, super().init(setup)["weights"])

    def update(self, state: State, transition: Transition) -> State:
        if is_last(transition):
            return state
        return self._moved(transition.context.setup, state["weights"])

    def _moved(self, setup: Setup, weights: Array) -> State:
        if setup.alignment is None:
            raise CapabilityMissingError("DoGE needs a backend that offers gradient alignment")
        gains = setup.alignment() * (setup.budget / setup.steps)
        norm = float(np.linalg.norm(gains, axis=1).mean())
        normalised = generalisation(setup, gains) / (norm + 1e-6)
        score = self.learning_rate * np.clip(normalised, self.least, self.most) / self.mu
        return {"weights": smoothed(exponentiated(weights, score), self.eps), "score": score}


def generalisation(setup: Setup, gains: Array) -> Array:
    """(S,) from (S, V): what each source does for the targets; in domain, for the other ones."""
    total: Array = required(setup, gains).sum(axis=1)
    same = set(setup.sources) == set(setup.capabilities)
    if same and np.ptp(setup.requirement) < 1e-12:
        own = [setup.capabilities.index(name) for name in setup.sources]
        total = total - gains[np.arange(len(own)), own]
    return total

"""Exp3: an adversarial bandit that plays one source at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import e, inf, log, sqrt
from typing import Any

import numpy as np

from readsim.allocators.base import Context, Setup, State, Transition
from readsim.allocators.configured import Configured, number
from readsim.allocators.exponentiated.core import smoothed, softmax
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.streams import generator


@dataclass(frozen=True)
class Exp3(Configured):
    """Draw arm i from p = (1-gamma) w / sum w + gamma/S, play it; w_i *= exp(gamma x / (p_i S)).

    Auer, Cesa-Bianchi, Freund, Schapire, "The Nonstochastic Multiarmed Bandit Problem", SIAM J.
    Comput. 32(1), 2002, Fig. 1. An arm is a source: the whole interval trains on the one that was
    drawn, as the rule has it. x in [0, 1] is the reward of Eq. (9), scaled.

    gamma       exploration; None: `tuned_gamma`, .70 for S = 8 and T = 20
    low, high   rewards that count as 0 and 1, those beyond are clipped. None for both: the least and
                the largest one so far (x = 1/2 while they are equal), which the theorem does not cover

    The log's `report` has the arm drawn, its probability and x.
    """

    gamma: float | None = number(None, "paper, Corollary 3.2", above=0.0, high=1.0)
    low: float | None = number(None, "ours: running")
    high: float | None = number(None, "ours: running")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.low is None) != (self.high is None):
            raise ConfigError(f"low = {self.low!r}, high = {self.high!r}: give both or neither")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ConfigError(f"low = {self.low!r}, high = {self.high!r}: low must be below high")

    def init(self, setup: Setup) -> State:
        return {
            "log_weights": np.zeros(len(setup.sources)),
            "least": inf,
            "most": -inf,
            "arm": -1,
            "probability": 0.0,
            "scaled": 0.0,
        }

    def select(self, state: State, context: Context) -> Array:
        arm, shares = self._drawn(state, context)
        one_hot: Array = np.eye(len(shares))[arm]
        return one_hot

    def update(self, state: State, transition: Transition) -> State:
        arm, shares = self._drawn(state, transition.context)
        gamma = self._gamma(transition.context.setup)
        least = min(state["least"], transition.reward)
        most = max(state["most"], transition.reward)
        x = self._scaled(transition.reward, least, most)
        log_weights = state["log_weights"].copy()
        log_weights[arm] += gamma * x / (shares[arm] * len(shares))
        return {
            "log_weights": log_weights - log_weights.max(),  # shares do not see a common factor
            "least": least,
            "most": most,
            "arm": arm,
            "probability": float(shares[arm]),
            "scaled": x,
        }

    def report(self, state: State) -> Mapping[str, Any]:
        return {name: state[name] for name in ("arm", "probability", "scaled")}

    def _gamma(self, setup: Setup) -> float:
        return self.gamma or tuned_gamma(len(setup.sources), setup.steps)

    def _drawn(self, state: State, context: Context) -> tuple[int, Array]:
        """The arm of this step and the probabilities it was drawn with; the same at every call."""
        setup = context.setup
        shares = smoothed(softmax(state["log_weights"]), self._gamma(setup))
        rng = generator(setup.seed, "allocator", context.step)
        return int(rng.choice(len(shares), p=shares / shares.sum())), shares

    def _scaled(self, reward: float, least: float, most: float) -> float:
        low = least if self.low is None else self.low
        high = most if self.high is None else self.high
        return min(max((reward - low) / (high - low), 0.0), 1.0) if high > low else 0.5


def tuned_gamma(sources: int, steps: int) -> float:
    """min(1, sqrt(S ln S / ((e-1) T))): least bound on the regret over T steps, Corollary 3.2."""
    return min(1.0, sqrt(sources * log(sources) / ((e - 1.0) * steps)))

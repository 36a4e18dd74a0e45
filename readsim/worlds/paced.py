"""Any dynamics under a learning rate: an interval's tokens count for its mean rate over their peak."""

from typing import Protocol

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds.potential import State
from readsim.worlds.terms.learning_rate import LearningRate

LEAST = 1e-300  # tokens of a run without any


class Dynamics(Protocol):
    """State in, state out, over any leading axes. `process_width` deviates a step, 0 or K."""

    process_width: int

    def initial(self, rate: Array) -> State:
        """The state before training; `rate` (..., S) is efficiency / scale_tokens of each run."""
        ...

    def advance(self, state: State, tokens: Array, process: Array | None = None) -> State:
        """The state after one interval with `tokens` (..., S)."""
        ...

    def profile(self, state: State) -> Array:
        """The true profile (..., K)."""
        ...

    def put_back(self, now: State, saved: State) -> State:
        """The student of `saved`, an earlier state of the run, with what goes on beside it as it is `now`."""
        ...


class Equations(Dynamics, Protocol):
    """Dynamics whose tokens can count for less: `pace` (..., 1) is what each counts for, None is 1."""

    def advance(
        self,
        state: State,
        tokens: Array,
        process: Array | None = None,
        pace: Array | None = None,
    ) -> State:
        """The state after one interval with `tokens` (..., S) at that pace."""
        ...


class Paced:
    """State: (tokens trained, what they counted for, budget), each (..., 1), then that of the equations."""

    def __init__(self, equations: Equations, learning_rate: LearningRate) -> None:
        self.equations, self.learning_rate = equations, learning_rate
        self.process_width = equations.process_width

    def initial(self, rate: Array) -> State:
        """Raises ConfigError: where a run is in its schedule depends on its budget."""
        raise ConfigError(
            f"the world has a {self.learning_rate}: use World.initial(rate, budget), which knows the "
            "budget that it is scheduled over"
        )

    def start(self, rate: Array, budget: Array | float) -> State:
        """The state before a run of `budget` tokens, one number or (..., 1)."""
        nothing = np.zeros((*rate.shape[:-1], 1))
        planned = np.maximum(nothing + budget, LEAST)
        return nothing, nothing, planned, *self.equations.initial(rate)

    def advance(self, state: State, tokens: Array, process: Array | None = None) -> State:
        trained, counted, budget, *inner = state
        more = tokens.sum(axis=-1, keepdims=True)
        after = trained + more
        count = budget * self.learning_rate.integral(after / budget)
        pace = (count - counted) / np.maximum(more, LEAST)
        return after, count, budget, *self.equations.advance(tuple(inner), tokens, process, pace)

    def profile(self, state: State) -> Array:
        return self.equations.profile(state[3:])

    def put_back(self, now: State, saved: State) -> State:
        return *now[:3], *self.equations.put_back(now[3:], saved[3:])

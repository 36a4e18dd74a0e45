"""The history ring against lists of rows: Eq. (8)'s last H steps of each run, newest first."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import DataObject
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.envs.history import SPARE, HistoryRing

S, V = 2, 3
WIDTH = S + V + 2


class HistoryMachine(RuleBasedStateMachine):
    """The model: for each run the list of its rows, the newest first."""

    @initialize(runs=st.integers(1, 4), depth=st.integers(0, 3))
    def start(self, runs: int, depth: int) -> None:
        self.depth = depth
        self.ring = HistoryRing(runs, depth, WIDTH)
        self.model: list[list[list[float]]] = [[] for _ in range(runs)]
        self.count = 0
        self.handed_out: list[tuple[Array, Array]] = []

    def some(self, data: DataObject) -> NDArray[np.int64]:
        """Some of the runs, none and all of them included, in ascending order."""
        n = len(self.model)
        chosen = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
        return np.flatnonzero(np.array(chosen))

    def step(self, runs: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """A step's numbers, no two alike, noted in the model."""
        size = len(runs) * (WIDTH - 1)
        numbers = np.arange(self.count, self.count + size, dtype=np.float64)
        self.count += size
        rows = numbers.reshape(len(runs), WIDTH - 1)
        for run, row in zip(runs.tolist(), rows.tolist(), strict=True):
            self.model[run].insert(0, [*row, 1.0])
        return rows[:, :S], rows[:, S:-1], rows[:, -1]

    def expected(self) -> Array:
        out = np.zeros((len(self.model), self.depth, WIDTH))
        for run, steps in enumerate(self.model):
            for place, row in enumerate(steps[: self.depth]):
                out[run, place] = row
        return out.reshape(len(self.model), -1)

    @rule(times=st.integers(1, SPARE + 2))
    def push(self, times: int) -> None:
        for _ in range(times):
            arrays = self.step(np.arange(len(self.model)))
            self.ring.push(*arrays)
            for array in arrays:
                array[:] = np.nan  # the ring has its own copy

    @rule(data=st.data())
    def push_some(self, data: DataObject) -> None:
        runs = self.some(data)
        self.ring.push_some(runs, *self.step(runs))

    @rule(data=st.data())
    def clear(self, data: DataObject) -> None:
        runs = self.some(data)
        self.ring.clear(runs)
        for run in runs.tolist():
            self.model[run].clear()

    @invariant()
    def shows_the_model(self) -> None:
        view = self.ring.view()
        assert np.array_equal(view, self.expected())
        self.handed_out.append((view, view.copy()))

    @invariant()
    def earlier_views_keep_their_numbers(self) -> None:
        assert all(np.array_equal(view, copy) for view, copy in self.handed_out)


TestHistoryMachine = HistoryMachine.TestCase
TestHistoryMachine.settings = settings(max_examples=50, stateful_step_count=20)


def test_a_view_cannot_be_written_to() -> None:
    ring = HistoryRing(2, 3, WIDTH)
    ring.push(np.ones((2, S)), np.ones((2, V)), np.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        ring.view()[0, 0] = 5.0
    ring.push(np.zeros((2, S)), np.zeros((2, V)), np.zeros(2))
    assert ring.view()[:, WIDTH : 2 * WIDTH].tolist() == [[1.0] * WIDTH] * 2


def test_a_row_is_allocation_change_reward_and_mask() -> None:
    ring = HistoryRing(1, 2, WIDTH)
    ring.push(np.array([[0.25, 0.75]]), np.array([[0.1, -0.2, 0.3]]), np.array([0.05]))
    assert ring.view().tolist() == [[0.25, 0.75, 0.1, -0.2, 0.3, 0.05, 1.0, *[0.0] * WIDTH]]

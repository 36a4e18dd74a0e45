"""The student that did best on the dev split of a run, kept beside the one in training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from readsim.arrays import Array
from readsim_hf.training.copies import copies
from readsim_hf.training.student import Student


@dataclass(frozen=True, eq=False)
class Best:
    """Trained weights as they were after `spent` tokens, when the run's dev score was `score`."""

    score: float
    spent: int
    weights: Mapping[str, Array]

    @classmethod
    def of(cls, student: Student, score: float, spent: int) -> Self:
        """A copy of the student's weights, on the host."""
        return cls(score, spent, copies(student.weights()))

    @contextmanager
    def put_in(self, student: Student) -> Iterator[None]:
        """The student with these weights; afterwards it is as it was, its optimiser too."""
        with student.swapped(self.weights):
            yield

    def state(self) -> dict[str, Any]:
        """As a tree of plain data and arrays."""
        return {"score": self.score, "spent": self.spent, "weights": dict(self.weights)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """From a `state()`."""
        return cls(float(state["score"]), int(state["spent"]), dict(state["weights"]))

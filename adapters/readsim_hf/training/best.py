"""The student that did best on the dev split of a run, kept beside the one in training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from readsim_hf.training.student import Student


@dataclass(frozen=True, eq=False)
class Best:
    """Trained weights as they were after `spent` tokens, when the run's dev score was `score`."""

    score: float
    spent: int
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, student: Student, score: float, spent: int) -> Self:
        """A copy of the student's weights, on the CPU."""
        weights = {name: t.detach().cpu().clone() for name, t in student.weights().items()}
        return cls(score, spent, weights)

    @contextmanager
    def put_in(self, student: Student) -> Iterator[None]:
        """The student with these weights; afterwards it is as it was, its optimiser too."""
        weights = {name: t.detach().cpu().clone() for name, t in student.weights().items()}
        moments = dict(student.moments())
        student.put(self.weights, {})
        try:
            yield
        finally:
            student.put(weights, moments)

    def state(self) -> dict[str, Any]:
        """As a tree of plain data and arrays."""
        arrays = {name: tensor.numpy() for name, tensor in self.weights.items()}
        return {"score": self.score, "spent": self.spent, "weights": arrays}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """From a `state()`."""
        weights = {n: torch.from_numpy(np.array(a)) for n, a in state["weights"].items()}
        return cls(float(state["score"]), int(state["spent"]), weights)

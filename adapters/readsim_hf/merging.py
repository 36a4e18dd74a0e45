"""What mixtures would do, from one short training on each source, merged by shares."""

from typing import Protocol

import numpy as np
from torch import Tensor

from readsim.arrays import Array
from readsim.backend import Backend, TokenUsage, added, undone
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores
from readsim_hf.training.copies import copies
from readsim_hf.training.student import Student


class Mergeable(Backend, Protocol):
    """What merging needs of the real-run backend besides the contract."""

    @property
    def student(self) -> Student:
        """The student in training."""
        ...

    def measure(self, split: Split) -> ItemScores:
        """Scores of the student, item by item."""
        ...


def merged_weights(
    start: dict[str, Tensor], ends: list[dict[str, Tensor]], shares: Array
) -> dict[str, Tensor]:
    """start + sum_s shares_s (end_s - start) of every trained tensor, for shares (n,) of n trainings."""
    return {
        name: old
        + sum(float(share) * (end[name] - old) for share, end in zip(shares, ends, strict=True))
        for name, old in start.items()
    }


def merged_profiles(backend: Mergeable, mixtures: Array, tokens: int) -> tuple[Array, TokenUsage]:
    """Dev profiles (A, V) of students merged for mixtures (A, S), and the tokens that they took.

    The present student is trained for `tokens` on each source that a mixture has a part of, each time
    undone; these tokens count as `search`. It ends as it was, its optimiser too.
    """
    start = _copy(backend.student)
    used_sources = np.flatnonzero(mixtures.any(axis=0))
    ends, usage = [], dict[str, int]()
    for source in used_sources:
        with undone(backend):
            alone = np.eye(mixtures.shape[1])[source]
            used = dict(backend.run_interval(0, alone, tokens).token_usage)
            ends.append(_copy(backend.student))
        usage = added(usage, {"search": used.pop("student", 0)}, used)
    profiles = []
    for mixture in mixtures:
        merged = merged_weights(start, ends, mixture[used_sources])
        with backend.student.swapped(copies(merged)):
            measured = backend.measure("dev")
        profiles.append(measured.profile)
        usage = added(usage, measured.token_usage)
    return np.array(profiles), usage


def _copy(student: Student) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in student.weights().items()}

"""Going back to the student that did best so far, once the measured utility fell."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from readsim.arrays import Array
from readsim.backend import Backend, OffersRollback, probe_items_of, scale_of
from readsim.errors import CapabilityMissingError
from readsim.worlds.probe import Probe
from readsim.worlds.utility import gradient, utility

ROUNDING = 1e-12


class BestStudent(NamedTuple):
    """The best student so far: after how many steps, its probed profile (V,), its backend's snapshot."""

    step: int
    profile: Array
    student: dict[str, Any]


class Rollback:
    """The best student of a run, and when it comes back.

    The measured utility is the task's `kind` of utility of the probed profile, weighed by the requirement:
    what an allocator is told, so hidden capabilities are not in it. A fall below the best so far counts
    if it is more than `errors` standard errors of the difference between two probes, as if they were of
    other items each time: on the same items, as the probes of a run are, errors are smaller. The best of
    many noisy measurements is flattered by its luck, so 2 is about the least that is of use with them.

    What was spent stays spent; prompts, noise and the schedule of the learning rate go on.

    Raises CapabilityMissingError for a backend that cannot go back, or does not say its items.
    """

    def __init__(self, backend: Backend, kind: str, errors: float, kept: BestStudent) -> None:
        self.backend, self.kind, self.errors, self.kept = need_rollback(backend), kind, errors, kept
        items = probe_items_of(backend)
        if items is None:
            raise CapabilityMissingError(
                f"{type(backend).__name__} does not say how many items its probes ask, so no fall can be "
                "told from noise: add `probe_items()`, with 0 for what is exact (OffersProbeItems)"
            )
        plain = np.zeros(len(items))
        self._probe = Probe(items, plain, plain + 1.0, 0.0, scale_of(backend))

    def after(self, step: int, profile: Array, requirement: Array) -> BestStudent | None:
        """Of a student that was just probed: it is kept if it is the best so far; if it fell, the best one is
        put back and returned."""
        best = self.kept
        values = [utility(self.kind, requirement, p) for p in (best.profile, profile)]
        gain = float(values[1] - values[0])
        if gain > 0.0:
            self.kept = best._replace(student={})  # its memory is free before the new copy is made
            self.kept = BestStudent(step, profile, self.backend.snapshot())
            return None
        deviation = self._probe.difference_deviation(best.profile, profile)
        error = float(np.linalg.norm(gradient(self.kind, requirement, best.profile) * deviation))
        if gain >= -(self.errors * error + ROUNDING):
            return None
        self.backend.put_back(best.student)
        return best

    def state(self) -> dict[str, Any]:
        """As a tree of plain data and arrays."""
        return {"errors": self.errors, **self.kept._asdict()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], backend: Backend, kind: str) -> Self:
        """From a `state()`."""
        rest = dict(state)
        return cls(backend, kind, float(rest.pop("errors")), BestStudent(**rest))


def need_rollback(backend: Backend) -> OffersRollback:
    """The backend itself. Raises CapabilityMissingError for one that cannot go back."""
    if isinstance(backend, OffersRollback):
        return backend
    raise CapabilityMissingError(
        f"{type(backend).__name__} has no `put_back(saved)`, so a rollback is out of its reach: add it, with "
        "the student of an earlier `snapshot()` while data and noise go on (OffersRollback)"
    )

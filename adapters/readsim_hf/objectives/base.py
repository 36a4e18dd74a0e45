"""The contract of a training objective: logits and targets in, one loss a position out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from torch import Tensor

from readsim_hf.teachers.record import SoftKind


class SoftTargets(NamedTuple):
    """The teacher's distributions at N positions as tensors; see `teachers.record.Soft`."""

    kind: SoftKind
    ids: Tensor  # (N, k) int64, -1 for a token that the student does not have; (N, 0) when full
    logp: Tensor  # (N, k) or (N, V) float32
    partial: bool = False  # whether there may be -1 among the ids


NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Targets(NamedTuple):
    """What the student should say at N supervised positions."""

    tokens: Tensor  # (N,) int64, the teacher's (or, on-policy, the student's) own tokens
    soft: SoftTargets | None
    weights: Tensor | None = None  # (N,) float32 of the losses; None: all 1
    own: Tensor | None = None  # (N,) bool, whether the text is the student's own; None: nowhere
    rows: Tensor | None = None  # (N,) int64, the example of each position, ascending; None: one
    spans: Tensor | None = None  # (N,) float32, see `TeacherRecord.spans`
    beside: Tensor | None = (
        None  # (N,) float32 losses of hidden states (`hidden`), with their gradient
    )
    constants: Mapping[str, Tensor] = NOTHING  # (N,) of the tokens by name, see `sampling`


class Objective(Protocol):
    """A loss. The trainer sums it over positions and divides by the supervised tokens of the window.

    One that has `whole_replies` is given all positions of a reply at once, however few fit.
    """

    @property
    def needs_soft(self) -> bool:
        """Whether the teacher's distributions are needed."""
        ...

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Student logits (N, V) -> losses (N,), float32."""
        ...


def weighted_sum(objective: Objective, logits: Tensor, targets: Targets) -> Tensor:
    """Sum of the losses of N positions, each times its weight."""
    losses = objective(logits, targets)
    return losses.sum() if targets.weights is None else (losses * targets.weights).sum()

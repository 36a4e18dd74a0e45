"""The contract of a training objective: logits and targets in, one loss a position out."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.teachers.record import SoftKind


class SoftTargets(NamedTuple):
    """The teacher's distributions at N positions as tensors; see `teachers.record.Soft`."""

    kind: SoftKind
    ids: Tensor  # (N, k) int64; (N, 0) when full
    logp: Tensor  # (N, k) or (N, V) float32


NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Targets(NamedTuple):
    """What the student should say at N supervised positions."""

    tokens: Tensor  # (N,) int64, the teacher's (or, on-policy, the student's) own tokens
    soft: SoftTargets | None
    weights: Tensor | None = None  # (N,) float32 of the losses; None: all 1
    beside: Mapping[str, Tensor] = NOTHING  # constants (N,) of the tokens by name, see `Sampling`


class Objective(Protocol):
    """A loss. The trainer sums it over positions and divides by the supervised tokens of the window."""

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


class Sampling(NamedTuple):
    """Which replies to one prompt an objective trains on together: a group.

    samples    replies that the student writes where the settings say nothing, and the `least` of them
    teacher    whether the teacher's reply is in the group, before the student's
    ranked     whether the group is put in the order of the teacher's mean log-probability, the best first
    rewarded   whether the replies are graded; the constant `advantage` is the group-normalised grade
    constants  what else is known of each token when training begins, from `CONSTANTS`
    """

    samples: int
    least: int = 1
    teacher: bool = False
    ranked: bool = False
    rewarded: bool = False
    constants: tuple[str, ...] = ()


# Log-probabilities of a token: of the student that wrote it (`old`), of the student as it was before training
# (`start`), of the teacher. `score` is the teacher's mean over the reply, `return` is MiniLLM's.
CONSTANTS = ("old", "start", "teacher", "score", "return")


def beside(targets: Targets, name: str) -> Tensor:
    """A constant (N,) of the tokens. ConfigError where the examples have none of that name."""
    if name not in targets.beside:
        raise ConfigError(
            f"the examples have no {name!r}: this objective trains on replies that the student wrote for it"
        )
    return targets.beside[name]


def parts_of(objective: Any) -> Iterator[Any]:
    """An objective and all that it is made of, from the outside in."""
    yield objective
    for inner in (getattr(objective, "objective", None), *getattr(objective, "terms", ())):
        if inner is not None:
            yield from parts_of(inner)


def sampling_of(objective: Objective) -> Sampling | None:
    """The groups that an objective, or a term of it, needs; None: one reply a prompt.

    Raises ConfigError for terms that need different groups.
    """
    found = {
        s for part in parts_of(objective) if (s := getattr(part, "sampling", None)) is not None
    }
    if len(found) > 1:
        raise ConfigError(
            "the terms of the objective compare different groups of replies: use one of them beside terms "
            "that train on any text"
        )
    return found.pop() if found else None

"""Groups of replies to one prompt: what an objective asks for, and the constants of each token."""

from typing import NamedTuple

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective, Targets
from readsim_hf.objectives.sums import terms_in


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
OF_STUDENT = ("old", "start")  # for each of which it reads all replies


def constant(targets: Targets, name: str) -> Tensor:
    """A constant (N,) of the tokens. ConfigError where the examples have none of that name."""
    if name not in targets.constants:
        raise ConfigError(
            f"the examples have no {name!r}: this objective trains on replies that the student wrote for it"
        )
    return targets.constants[name]


def sampling_of(objective: Objective) -> Sampling | None:
    """The groups that an objective, or a term of it, needs, with the constants of all terms; None: one reply
    a prompt.

    Raises ConfigError for terms that need different groups.
    """
    found: list[Sampling] = [
        s for part in terms_in(objective) if (s := getattr(part, "sampling", None)) is not None
    ]
    if len({one._replace(constants=()) for one in found}) > 1:
        raise ConfigError(
            "the terms of the objective compare different groups of replies: use one of them beside terms "
            "that train on any text"
        )
    if not found:
        return None
    wanted = {name for one in found for name in one.constants}
    return found[0]._replace(constants=tuple(name for name in CONSTANTS if name in wanted))

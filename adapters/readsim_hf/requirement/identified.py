"""What is known of a task's requirement, and where from; on disk so that it is found once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from readsim.arrays import Array
from readsim.envs.requirement_modes import cosine_stability, top_stability
from readsim.errors import RunLogError
from readsim.tree_file import load_facts, save_facts
from readsim_hf.requirement.network import Identifier, likeness


@dataclass(frozen=True)
class Identified:
    """A requirement and its pedigree.

    requirement   r (K,)
    source        "identifier", or "uniform" where the card is like none that was trained on
    likeness      cosine of the card's words and those of the nearest training card, in [0, 1]
    least         the least that a training card has to another one: below it the card is a stranger
    cosine, top3  stability over the members of the ensemble; 1 where there is one member
    fit           `explained_and_null` on the training tasks, `held_out` on tasks and cards not seen
    held_out_tv   mean total variation between r and the true weights of held-out tasks
    """

    requirement: tuple[float, ...]
    source: str
    likeness: float
    least: float
    cosine: float
    top3: float
    fit: Mapping[str, float]
    held_out: Mapping[str, float]
    held_out_tv: float

    def save(self, path: Path) -> None:
        """As JSON."""
        save_facts(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Identified":
        """Raises RunLogError for a file that is not one."""
        try:
            return TypeAdapter(cls).validate_python(load_facts(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunLogError(
                f"{path} is no identified requirement: {where}: {first['msg']}; move it away"
            ) from error


def read_card(
    members: Sequence[Identifier], text: str, trained_on: Sequence[str]
) -> tuple[Array, dict[str, Any]]:
    """r (K,) of a card and the facts about it; uniform for a card like none of `trained_on`."""
    each = [member.requirements([text])[0] for member in members]
    near = float(likeness([text], trained_on).max())
    among = likeness(trained_on, trained_on)
    np.fill_diagonal(among, 0.0)
    least = float(among.max(axis=1).min()) if len(trained_on) > 1 else 0.0
    known = near >= least
    requirement = np.mean(each, axis=0) if known else np.full(len(each[0]), 1.0 / len(each[0]))
    facts = {
        "source": "identifier" if known else "uniform",
        "likeness": near,
        "least": least,
        "cosine": cosine_stability(each) if len(each) > 1 else 1.0,
        "top3": top_stability(each) if len(each) > 1 else 1.0,
    }
    return requirement, facts

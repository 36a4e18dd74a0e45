"""Sums of objectives, and the one text form of an objective: `0.3*sft + 0.7*skew-fkl(alpha=.1)`.

    loss = sum_j w_j loss_j      one number a position (N,), w_j > 0

A text is terms joined by `+`. A term is a name, with its weight and `*` before it (1 where there is none)
and its settings, `name=value` with commas, in brackets behind it. A value is a number or words. Each term
is an objective by itself and needs what it needs alone; the weights are used as they are written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective, Targets

Value = float | str
ACCEPTED = "accepted: a name, or terms such as 0.3*sft + 0.7*skew-fkl(alpha=0.1)"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(
    rf"\s*(?:(?P<weight>{_NUMBER})\s*\*\s*)?(?P<name>[A-Za-z][\w-]*)\s*(?:\((?P<settings>[^()]*)\))?\s*"
)


class TermText(NamedTuple):
    """A term as it stands in a text."""

    weight: float
    name: str
    settings: dict[str, Value]


def read_terms(text: str) -> list[TermText]:
    """The terms of a text, in order. ConfigError, with what cannot be read, for another text."""
    found: list[TermText] = []
    at = 0
    while True:
        term = _TERM.match(text, at)
        if term is None:
            raise ConfigError(f"objective = {text!r}: {text[at:].strip()!r} is no term; {ACCEPTED}")
        weight = float(term["weight"] or 1)
        if not 0 < weight < float("inf"):
            raise ConfigError(
                f"objective = {text!r}: the weight of {term['name']!r} is {term['weight']}; "
                "accepted: numbers above 0"
            )
        found.append(TermText(weight, term["name"], _settings(text, term)))
        at = term.end()
        if at == len(text):
            return found
        if text[at] != "+":
            raise ConfigError(
                f"objective = {text!r}: {text[at:]!r} follows {term['name']!r}; {ACCEPTED}"
            )
        at += 1


def _settings(text: str, term: re.Match[str]) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for part in (term["settings"] or "").split(",") if (term["settings"] or "").strip() else ():
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not (key and sign and value) or key in out:
            raise ConfigError(
                f"objective = {text!r}: {part.strip()!r} of {term['name']!r} is no setting; "
                "accepted: name=value, each name once"
            )
        try:
            out[key] = float(value)
        except ValueError:
            out[key] = value
    return out


@dataclass(frozen=True)
class Sum:
    """A weighted sum of objectives on the same positions."""

    weights: tuple[float, ...]
    terms: tuple[Objective, ...]

    @property
    def needs_soft(self) -> bool:
        return any(term.needs_soft for term in self.terms)

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        both = zip(self.weights, self.terms, strict=True)
        first, *rest = (weight * term(logits, targets) for weight, term in both)
        for losses in rest:
            first = first + losses
        return first


def terms_in(objective: Objective) -> Iterator[Objective]:
    """An objective and all that it is made of, from the outside in."""
    yield objective
    inner = getattr(objective, "terms", None) or (getattr(objective, "objective", None),)
    for term in inner:
        if term is not None:
            yield from terms_in(term)

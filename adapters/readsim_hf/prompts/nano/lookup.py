"""Long context, as long as 96 characters allow: find the entry that a question is about.

`lk37,a21,m80:m` asks for the value of m, `:"m` for its whole entry `m80`, `:#21` for the key of 21,
and `lk37,a21,k80:!k` for the last value of k. The rationale quotes the entries that matter.
"""

from collections.abc import Callable

import numpy as np

from readsim_hf.prompts.nano.draws import LETTERS, between, several
from readsim_hf.prompts.nano.template import Filled, NanoTemplate


def _entries(rng: np.random.Generator, n: int) -> list[tuple[str, str]]:
    """n different keys, each with its own two-digit value."""
    values = several(rng, range(10, 100), n)
    return [(key, str(v)) for key, v in zip(several(rng, LETTERS, n), values, strict=True)]


def _written(entries: list[tuple[str, str]]) -> str:
    return ",".join(key + value for key, value in entries)


def _factors(entries: int, distractors: int, depth: int) -> dict[str, float]:
    """Context length and distractors in entries, and entries after the one that matters."""
    return {"length": entries, "distractors": distractors, "depth": depth}


def _find(question: str, wanted: str) -> Callable[[np.random.Generator], Filled]:
    """What is asked and what is wanted, with places for the entry's key and value."""

    def fill(rng: np.random.Generator) -> Filled:
        n = between(rng, 3, 5)
        entries, at = _entries(rng, n), between(rng, 0, n - 1)
        key, value = entries[at]
        return Filled(
            text=f"l{_written(entries)}:{question.format(key=key, value=value)}",
            answer=wanted.format(key=key, value=value),
            rationale=key + value,
            factors=_factors(n, n - 1, n - 1 - at),
        )

    return fill


def _last(rng: np.random.Generator) -> Filled:
    """Two entries share the key in question."""
    n = between(rng, 3, 4)
    entries = _entries(rng, n)
    first, last = sorted(several(rng, range(n), 2))
    key, value = entries[first][0], entries[last][1]
    entries[last] = (key, value)
    return Filled(
        text=f"l{_written(entries)}:!{key}",
        answer=value,
        rationale=f"{key}{entries[first][1]},{key}{value}",
        factors=_factors(n, n - 2, n - 1 - last),
    )


TEMPLATES = (
    NanoTemplate("nano/long_context/value", "long_context", _find("{key}", "{value}")),
    NanoTemplate("nano/long_context/entry", "long_context", _find('"{key}', "{key}{value}")),
    NanoTemplate("nano/long_context/key", "long_context", _find("#{value}", "{key}")),
    NanoTemplate("nano/long_context/last", "long_context", _last),
)

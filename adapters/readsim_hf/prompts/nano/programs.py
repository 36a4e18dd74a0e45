"""Code: the value of a one-line Python program on strings, such as `c'kolt'[1:3]`."""

import numpy as np

from readsim_hf.prompts.nano.draws import CONSONANTS, between, draw_one, word
from readsim_hf.prompts.nano.template import Filled, NanoTemplate


def _factors(functions: int, letters: int) -> dict[str, float]:
    """Number of functions, and letters in the program's strings."""
    return {"functions": functions, "letters": letters}


def _indexed(text: str) -> str:
    return "".join(f"{i}{letter}" for i, letter in enumerate(text))


def _slice(rng: np.random.Generator) -> Filled:
    """The rationale numbers the letters."""
    text = word(rng, 4, 6)
    start = between(rng, 0, len(text) - 2)
    stop = between(rng, start + 1, len(text))
    return Filled(
        text=f"c'{text}'[{start}:{stop}]",
        answer=text[start:stop],
        rationale=_indexed(text),
        factors=_factors(1, len(text)),
    )


def _reverse(rng: np.random.Generator) -> Filled:
    """Reversed, then perhaps cut; the rationale numbers the reversed letters."""
    text = word(rng, 3, 5)
    cut = between(rng, 1, len(text))
    tail = f"[:{cut}]" if cut < len(text) else ""
    return Filled(
        text=f"c'{text}'[::-1]{tail}",
        answer=text[::-1][:cut],
        rationale=_indexed(text[::-1]),
        factors=_factors(2 if tail else 1, len(text)),
    )


def _replace(rng: np.random.Generator) -> Filled:
    """The rationale goes letter by letter."""
    text = word(rng, 3, 5)
    old, new = draw_one(rng, text), draw_one(rng, CONSONANTS)
    steps = (f"{a}>{new}" if a == old else a for a in text)
    return Filled(
        text=f"c'{text}'.replace('{old}','{new}')",
        answer=text.replace(old, new),
        rationale=",".join(steps),
        factors=_factors(1, len(text)),
    )


def _repeat(rng: np.random.Generator) -> Filled:
    """The rationale does the product first, as Python does."""
    head, tail, times = word(rng, 2, 3), word(rng, 2, 2), between(rng, 2, 3)
    return Filled(
        text=f"c'{head}'+'{tail}'*{times}",
        answer=head + tail * times,
        rationale=f"{head}+{tail * times}",
        factors=_factors(2, len(head + tail)),
    )


def _join(rng: np.random.Generator) -> Filled:
    """The rationale lists the letters to join."""
    text, glue = word(rng, 3, 5), draw_one(rng, "-+*/._")
    return Filled(
        text=f"c'{glue}'.join('{text}')",
        answer=glue.join(text),
        rationale=" ".join(text),
        factors=_factors(1, len(text)),
    )


TEMPLATES = (
    NanoTemplate("nano/code/slice", "code", _slice),
    NanoTemplate("nano/code/reverse", "code", _reverse),
    NanoTemplate("nano/code/replace", "code", _replace),
    NanoTemplate("nano/code/repeat", "code", _repeat),
    NanoTemplate("nano/code/join", "code", _join),
)

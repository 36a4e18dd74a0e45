"""Long texts: facts among sentences that have nothing to do with them."""

from collections.abc import Sequence

import numpy as np

from readsim_hf.prompts.text.shared import pick
from readsim_hf.prompts.words import ADJECTIVES, ANIMALS, COLOURS, THINGS

_DOES = ("slept", "waited", "stood", "walked", "played", "rested", "ran", "sat")
_WHERE = ("under the stairs", "beside a wall", "in the rain", "by the window", "on the grass")
_WHEN = ("in the morning", "all day", "for an hour", "until noon", "after lunch", "before dark")


def filler(rng: np.random.Generator) -> str:
    """A sentence about no person and no place that a fact could be about."""
    if rng.integers(2):
        return (
            f"A {pick(COLOURS, rng)} {pick(ANIMALS, rng)} {pick(_DOES, rng)} "
            f"{pick(_WHERE, rng)} {pick(_WHEN, rng)}."
        )
    return (
        f"Somebody saw the {pick(ADJECTIVES, rng)} {pick(THINGS, rng)} {pick(_WHERE, rng)} "
        f"{pick(_WHEN, rng)}."
    )


def bury(facts: Sequence[str], words: int, rng: np.random.Generator) -> str:
    """The facts in their order, filler in between, about `words` words in all.

    The facts alone may be longer; then nothing is added.
    """
    room = words - sum(len(fact.split()) for fact in facts)
    added: list[str] = []
    while room > 0:
        added.append(filler(rng))
        room -= len(added[-1].split())
    total = len(facts) + len(added)
    places = set(rng.permutation(total)[: len(facts)].tolist())
    mine, others = iter(facts), iter(added)
    return " ".join(next(mine) if at in places else next(others) for at in range(total))

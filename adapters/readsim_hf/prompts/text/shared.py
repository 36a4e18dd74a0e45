"""What the scaffolds of several capabilities share: layouts, sentences, verbatim answers."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from readsim_hf.prompts.slots import Integer, Made
from readsim_hf.prompts.words import ADJECTIVES, ANIMALS, FRUITS, NAMES, PLACES, THINGS

T = TypeVar("T")

# The number of a layout: what is random about a text beside its content (orders, positions,
# filler). It is a slot, so that the text stays a function of the slot values.
LAYOUT = Integer(0, 2**31 - 1)
NOUNS = FRUITS + THINGS + ANIMALS
VERBS = ("found", "left", "painted", "sold", "lost", "repaired", "hid", "cleaned")
WHERE = ("near", "behind", "outside", "opposite")


def layout_rng(layout: int) -> np.random.Generator:
    """The generator of a layout."""
    return np.random.Generator(np.random.PCG64(layout))


def shuffled(items: Iterable[T], rng: np.random.Generator) -> list[T]:
    """The items in random order."""
    pool = list(items)
    return [pool[int(at)] for at in rng.permutation(len(pool))]


def pick(pool: Sequence[T], rng: np.random.Generator) -> T:
    """One of the pool."""
    return pool[int(rng.integers(len(pool)))]


def sentence(rng: np.random.Generator) -> str:
    """`Ada found the quiet lamp near the museum.`"""
    return (
        f"{pick(NAMES, rng)} {pick(VERBS, rng)} the {pick(ADJECTIVES, rng)} {pick(NOUNS, rng)} "
        f"{pick(WHERE, rng)} the {pick(PLACES, rng)}."
    )


def passage(least: int, most: int) -> Made:
    """Slot: a tuple of `least` to `most` sentences."""

    def make(rng: np.random.Generator) -> tuple[str, ...]:
        return tuple(sentence(rng) for _ in range(int(rng.integers(least, most + 1))))

    def valid(value: Any) -> bool:
        return (
            isinstance(value, tuple)
            and least <= len(value) <= most
            and all(isinstance(item, str) and item.endswith(".") for item in value)
        )

    return Made(make, valid)


def distinct_rows(least: int, most: int, *pools: Sequence[Any]) -> Made:
    """Slot: `least` to `most` tuples with a member of each pool; no two share the first member."""

    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], ...]:
        count = int(rng.integers(least, most + 1))
        first = shuffled(pools[0], rng)[:count]
        return tuple((item, *(pick(pool, rng) for pool in pools[1:])) for item in first)

    def valid(value: Any) -> bool:
        return (
            isinstance(value, tuple)
            and least <= len(value) <= most
            and all(
                isinstance(row, tuple)
                and len(row) == len(pools)
                and all(item in pool for item, pool in zip(row, pools, strict=True))
                for row in value
            )
            and len({row[0] for row in value}) == len(value)
        )

    return Made(make, valid)


def verbatim(answer: str) -> dict[str, Any]:
    """`expect` of the checker `regex`: the answer to the letter, upper and lower case included.

    Quotes around it, a code fence and blanks at the ends of lines are let pass.
    """
    body = r"[ \t]*\n".join(re.escape(line) for line in answer.splitlines())
    return {"pattern": rf"\A(?:```\w*\s*\n)?[\"'`]?{body}[\"'`]?(?:\s*```)?\s*\Z"}


def word_total(texts: Iterable[str]) -> float:
    """Words, as blanks separate them."""
    return float(sum(len(text.split()) for text in texts))

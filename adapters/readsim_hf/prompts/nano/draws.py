"""What several nano templates draw: a choice, letters, made-up words."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """An integer from low to high, both included."""
    return int(rng.integers(low, high + 1))


def draw_one(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of the items, each equally likely."""
    return items[int(rng.integers(len(items)))]


def several(rng: np.random.Generator, items: Sequence[T], n: int) -> list[T]:
    """n different positions of `items`, in a drawn order."""
    return [items[i] for i in rng.permutation(len(items))[:n]]


def draw_order(rng: np.random.Generator, items: Sequence[T]) -> list[T]:
    """All items in a drawn order."""
    return several(rng, items, len(items))


def word(rng: np.random.Generator, low: int, high: int) -> str:
    """A made-up word of low to high letters, consonants and vowels in turn."""
    n = between(rng, low, high)
    return "".join(draw_one(rng, VOWELS if i % 2 else CONSONANTS) for i in range(n))

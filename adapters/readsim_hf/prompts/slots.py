"""Typed slots: what may stand in a template's field, how it is drawn and how it is checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

import numpy as np

from readsim_hf.prompts.words import NAMES


class Slot(Protocol):
    """A type with a distribution."""

    def draw(self, rng: np.random.Generator) -> Any:
        """A value; a tuple where there are several."""
        ...

    def check(self, value: object) -> bool:
        """Whether `draw` could give this value."""
        ...


def is_whole(value: object, low: int, high: int) -> bool:
    """A whole number (no bool) from low to high, both included."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


@dataclass(frozen=True)
class Integer:
    """A whole number from low to high, both included."""

    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.low, self.high, endpoint=True))

    def check(self, value: object) -> bool:
        return is_whole(value, self.low, self.high)


@dataclass(frozen=True)
class Sized:
    """A positive whole number of `low` to `high` decimal digits, each length as likely."""

    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> int:
        digits = int(rng.integers(self.low, self.high, endpoint=True))
        return int(rng.integers(max(2, 10 ** (digits - 1)), 10**digits))

    def check(self, value: object) -> bool:
        return is_whole(value, max(2, 10 ** (self.low - 1)), 10**self.high - 1)


@dataclass(frozen=True)
class Integers:
    """`least` to `most` whole numbers from low to high; with `distinct`, no two alike."""

    least: int
    most: int
    low: int
    high: int
    distinct: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        count = int(rng.integers(self.least, self.most, endpoint=True))
        if self.distinct:
            drawn = self.low + rng.choice(self.high - self.low + 1, count, replace=False)
        else:
            drawn = rng.integers(self.low, self.high, count, endpoint=True)
        return tuple(int(value) for value in drawn)

    def check(self, value: object) -> bool:
        return (
            isinstance(value, tuple)
            and self.least <= len(value) <= self.most
            and all(is_whole(item, self.low, self.high) for item in value)
            and not (self.distinct and len(set(value)) < len(value))
        )


@dataclass(frozen=True)
class Choice:
    """One of the values."""

    values: Sequence[Any]

    def draw(self, rng: np.random.Generator) -> Any:
        return self.values[int(rng.integers(len(self.values)))]

    def check(self, value: object) -> bool:
        return value in self.values


@dataclass(frozen=True)
class Sample:
    """`least` to `most` different members of a pool, in random order."""

    pool: Sequence[Any]
    least: int
    most: int

    def draw(self, rng: np.random.Generator) -> tuple[Any, ...]:
        count = int(rng.integers(self.least, self.most, endpoint=True))
        return tuple(self.pool[int(at)] for at in rng.permutation(len(self.pool))[:count])

    def check(self, value: object) -> bool:
        return (
            isinstance(value, tuple)
            and self.least <= len(value) <= self.most
            and all(item in self.pool for item in value)
            and all(item not in value[:at] for at, item in enumerate(value))
        )


@dataclass(frozen=True)
class Day:
    """A day from first to last, both included."""

    first: date
    last: date

    def draw(self, rng: np.random.Generator) -> date:
        span = (self.last - self.first).days
        return self.first + timedelta(days=int(rng.integers(span, endpoint=True)))

    def check(self, value: object) -> bool:
        return isinstance(value, date) and self.first <= value <= self.last


@dataclass(frozen=True)
class Made:
    """A value with a structure of its own, drawn by a function of the generator."""

    make: Callable[[np.random.Generator], Any]
    valid: Callable[[Any], bool]

    def draw(self, rng: np.random.Generator) -> Any:
        return self.make(rng)

    def check(self, value: object) -> bool:
        return self.valid(value)


# A person's first name.
NAME = Choice(NAMES)

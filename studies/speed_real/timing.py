"""Measurements in turn: a busy machine hits both sides alike."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple


class Row(NamedTuple):
    """A line of the table: what, its value, the ratio, the target."""

    what: str
    measured: str
    ratio: str = ""
    target: str = ""


class Pair(NamedTuple):
    """Median seconds of both sides, and the median over the rounds of theirs / ours."""

    ours: float
    theirs: float
    ratio: float


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> Pair:
    """Both give seconds. The order changes from round to round; one round before is not counted."""
    ours()
    theirs()
    times = []
    for number in range(rounds):
        if number % 2:
            second = theirs()
            times.append((ours(), second))
        else:
            first = ours()
            times.append((first, theirs()))
    return Pair(
        median(first for first, _ in times),
        median(second for _, second in times),
        median(second / first for first, second in times),
    )

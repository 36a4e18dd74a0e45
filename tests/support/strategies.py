"""The strategies of `readsim.testing`, under the names the tests use."""

from hypothesis import settings

from readsim.testing.strategies import (
    BOUNDED_LINKS,
    BUDGET,
    FAMILIES,
    KINDS,
    LINKS,
    allocations,
    grids,
    parts,
    schedules,
    tasks,
    terms,
    worlds,
)

few = settings(max_examples=25)  # for tests in which an example is a whole world
shares = allocations

__all__ = [
    "BOUNDED_LINKS",
    "BUDGET",
    "FAMILIES",
    "KINDS",
    "LINKS",
    "few",
    "grids",
    "parts",
    "schedules",
    "shares",
    "tasks",
    "terms",
    "worlds",
]

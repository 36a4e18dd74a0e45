"""Which runs are made: shares of each decision, by name, in an order of which any part is balanced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from readsim.arrays import Array
from readsim.streams import generator

Kind = Literal["one-hot", "static", "two-phase"]

STEPS = 6  # decisions of a run, each followed by a probe
DRAW = 19  # seed of the mixtures, the same for every pair
SWITCHES = (2, 3, 4)  # after which decision a schedule changes, in turn
# What each budget has, in the order of running; 2, 3 and 8 are the sources of a static mixture.
PLACES: tuple[str, ...] = (
    *("one-hot", "2", "order", "one-hot", "8", "order"),
    *("3", "one-hot", "mixed order", "2"),
)


@dataclass(frozen=True)
class Design:
    """What a run is given. `shares` (STEPS, S): one row a decision; `held`: not to be fitted to."""

    name: str
    kind: Kind
    shares: tuple[tuple[float, ...], ...]
    budget: int
    held: bool


def make_designs(sources: Sequence[str], budgets: Sequence[int]) -> list[Design]:
    """Ten a budget, place by place over the budgets, so that whatever is done first is balanced.

    One-hot runs take the sources in turn, and once each has had its run they are uniform. A mixture is
    Dirichlet(1) on a random support. `order` is one source and then another, `mixed order` two
    mixtures of all. Every second one is held out: where place + budget's index is odd.
    """
    size, taken, out = len(sources), 0, []
    for place, what in enumerate(PLACES):
        for index, budget in enumerate(sorted(budgets)):
            rng = generator(DRAW, "data", index, place)
            kind: Kind = "static"
            after = SWITCHES[(place + index) % len(SWITCHES)]
            if what == "one-hot":
                single = taken < size
                first = second = np.eye(size)[taken] if single else np.full(size, 1.0 / size)
                kind = "one-hot" if single else "static"
                name = sources[taken] if single else "uniform"
                taken += 1
            elif what == "order":
                a, b = rng.permutation(size)[:2]
                first, second, kind = np.eye(size)[a], np.eye(size)[b], "two-phase"
                name = f"{sources[a]}-then-{sources[b]}"
            elif what == "mixed order":
                first, second, kind = (
                    _mixture(rng, size, size),
                    _mixture(rng, size, size),
                    "two-phase",
                )
                name = "mix-then-mix"
            else:
                first = second = _mixture(rng, min(int(what), size), size)
                name = f"mix-of-{what}"
            rows = [first if step < after else second for step in range(STEPS)]
            shares = tuple(tuple(row.tolist()) for row in rows)
            out.append(
                Design(f"{place}-{name}", kind, shares, budget, held=(place + index) % 2 == 1)
            )
    return out


def _mixture(rng: np.random.Generator, support: int, size: int) -> Array:
    """(size,): Dirichlet(1) on `support` random sources, rounded to three digits."""
    row = np.zeros(size)
    row[rng.permutation(size)[:support]] = np.round(rng.dirichlet(np.ones(support)), 3)
    out: Array = row / row.sum()
    return out

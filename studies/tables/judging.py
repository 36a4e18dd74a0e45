"""The statistics of the tables' claims, from profiles in points."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from readsim.allocators.registry import base_name
from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.summary.grid import Grid
from readsim.worlds import World
from studies.common.compared import best, by_task, place
from studies.tables.claims import ORDER
from studies.tables.sweep import WORLDS

NAMED = ("steerability", "math", "tool_use", "long_context")  # the paper's bottlenecks
LARGEST = 4  # gaps from student to teacher: our reading of "bottleneck" capabilities


@dataclass(frozen=True, eq=False)
class Profiles:
    """Final scores of B budgets, A methods, K capabilities, N seeds.

    students (B, A, N, K, K): of the student trained for the fourth axis, on the fifth; one (B, N, K) of
    the one run with an even requirement, if there is one; world where it is a preset.
    """

    budgets: list[int]
    methods: list[str]
    names: list[str]
    students: Array
    one: Array | None
    world: World | None

    @property
    def diagonal(self) -> Array:
        """D (B, A, N, K): on each capability, of the student trained for it."""
        out: Array = np.diagonal(self.students, axis1=-2, axis2=-1)
        return out

    @property
    def specialists(self) -> list[int]:
        """Places of the one-hot rows. Raises RunLogError if there is none."""
        found = [n for n, name in enumerate(self.methods) if base_name(name) == "one-hot"]
        if not found:
            raise RunLogError(f"no one-hot runs: the allocators are {', '.join(self.methods)}")
        return found

    @property
    def read(self) -> Array:
        """D of ReAD (B, N, K)."""
        return self.diagonal[:, place(self.methods, "read")]

    def best_specialist(self) -> Array:
        """D of the one-hot row with the highest mean over seeds, by budget and capability (B, N, K)."""
        rows = self.diagonal[:, self.specialists]
        out = np.empty_like(rows[:, 0])
        for b, k in np.ndindex(out.shape[0], out.shape[2]):
            out[b, :, k] = best(rows[b, :, :, k])
        return out

    def ahead(self) -> Array:
        """ReAD minus the best specialist (B, N, K)."""
        return self.read - self.best_specialist()

    def one_ahead(self) -> Array | None:
        """The one run minus the best specialist (B, N, K)."""
        return None if self.one is None else self.one - self.best_specialist()


def effects_of(found: Profiles) -> dict[str, Array]:
    """Claim -> one effect per seed (N,). What the runs do not allow is left out."""
    ahead, growth = found.ahead(), found.diagonal[-1] - found.diagonal[0]
    out = {"best-in-every-column": ahead.min(axis=(0, 2))}
    single = found.one_ahead()
    if found.one is not None and single is not None:
        students = found.students[:, found.specialists].mean(axis=(1, 3))
        out["one-run-in-every-column"] = single.min(axis=(0, 2))
        out["one-run-over-students"] = (found.one - students).min(axis=(0, 2))
    if found.world is not None:
        out["bottlenecks-by-gap"] = _apart(ahead, _largest_gaps(found))
    if set(NAMED) < set(found.names):
        out["bottlenecks-by-name"] = _apart(ahead, [found.names.index(name) for name in NAMED])
    if len(found.budgets) > 1:
        least = growth.min(axis=-1)
        rows = least[found.specialists]
        out["tokens-help-all"] = growth.mean(axis=-1).min(axis=0)
        out["read-more-consistent"] = least[place(found.methods, "read")] - best(rows)
        margins = ahead.mean(axis=-1)
        out["margin-grows"] = margins[-1] - margins[0]
    return out


def _largest_gaps(found: Profiles) -> list[int]:
    """The capabilities furthest from their teacher before training."""
    world = found.world
    assert world is not None
    places = [world.capabilities.index(name) for name in found.names]
    gap = (world.ceiling - world.start)[places]
    return [int(at) for at in np.argsort(-gap, kind="stable")[:LARGEST]]


def _apart(ahead: Array, chosen: list[int]) -> Array:
    """Mean over the chosen capabilities minus mean over the others, mean over budgets: (N,)."""
    inside = np.isin(np.arange(ahead.shape[-1]), chosen)
    out: Array = (ahead[..., inside].mean(axis=-1) - ahead[..., ~inside].mean(axis=-1)).mean(axis=0)
    return out


def order_effects(found: Mapping[str, Profiles]) -> dict[tuple[str, str], Array]:
    """The rank correlation of the methods between the paper's two pairs, if both are there."""
    if not set(WORLDS) <= set(found):
        return {}
    from scipy.stats import spearmanr

    one, other = (found[name] for name in WORLDS)
    if (one.methods, one.budgets) != (other.methods, other.budgets):
        raise RunLogError(f"{one.methods} and {other.methods}: the pairs have other methods")
    first, second = (profiles.diagonal.mean(axis=-1) for profiles in (one, other))
    budgets, _, seeds = first.shape
    rank = [
        [float(spearmanr(first[b, :, n], second[b, :, n]).statistic) for n in range(seeds)]
        for b in range(budgets)
    ]
    return {("same-order", ORDER): np.array(rank).mean(axis=0)}


def over_specialists(grid: Grid) -> Array:
    """Smallest over tasks and budgets of the best static mixture minus the specialist: (N,)."""
    score = by_task(grid, "score")
    a, b = (place(grid.allocators, name) for name in ("oracle-static", "one-hot"))
    out: Array = (score[:, a] - score[:, b]).min(axis=(0, 2))
    return out

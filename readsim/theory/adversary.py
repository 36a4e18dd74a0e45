"""Where a statement "for all allocations" is tested: corners, edges, draws, and a search for the worst point.

A uniform draw from the simplex never meets a corner, and with many sources hardly an edge, where rules that
clip, gate or switch do what they do nowhere else. So every check starts from `hard_points`, and
`find_worst` looks for the largest violation. A search can refute; where it finds nothing it has only failed
to refute.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from readsim.arrays import Array

EDGE_SHARES = (0.5, 0.3, 0.15, 0.1, 0.05, 0.02, 0.01)
MOST_EDGES = 40


def hard_points(size: int, draws: int = 24, seed: int = 0) -> Array:
    """Points (P, size) of the simplex: all corners, the centre, points of edges, sparse and even draws.

    Up to 40 points of edges: all pairs at all shares for few sources, a sample of them for many.
    """
    rng, corner = np.random.default_rng(seed), np.eye(size)
    between = [
        (1 - share) * corner[i] + share * corner[j]
        for i, j in combinations(range(size), 2)
        for share in (*EDGE_SHARES, *(1 - s for s in EDGE_SHARES[1:]))
    ]
    kept = rng.permutation(len(between))[:MOST_EDGES]
    drawn = [rng.dirichlet(np.full(size, (0.2, 1.0, 3.0)[n % 3])) for n in range(draws)]
    rows = [*corner, np.full(size, 1 / size), *(between[n] for n in kept), *drawn]
    return np.array(rows)


def find_worst(
    violation: Callable[[Array], Array],
    starts: Array,
    *,
    rounds: int = 10,
    tries: int = 8,
    seed: int = 0,
) -> tuple[Array, float]:
    """The point of the simplex with the largest `violation` found, and that violation, from `starts` (P, n).

    `violation` maps (P, n) to (P,). Each round moves mass of the best point between random pairs of
    entries, whole entries among them, so that faces are met exactly; moves get smaller where none helps.
    """
    rng = np.random.default_rng(seed)
    values = violation(starts)
    best, value = starts[int(np.argmax(values))], float(np.max(values))
    n, reach = starts.shape[1], 1.0
    for _ in range(rounds if n > 1 else 0):
        moved = np.repeat(best[None], tries, axis=0)
        for row in moved:
            i = int(rng.choice(np.flatnonzero(row > 0)))
            j = (i + int(rng.integers(1, n))) % n
            amount = row[i] if rng.random() < 0.25 else row[i] * reach * rng.random()
            row[i] -= amount
            row[j] += amount
        values = violation(moved)
        if values.max() > value:
            best, value = moved[int(np.argmax(values))], float(values.max())
        else:
            reach *= 0.5
    return best, value


def point_text(point: Array, names: Sequence[str] = ()) -> str:
    """A point in few characters: `[0.3, 0.7, 0]`, or by the names of its entries `[web 0.3, code 0.7]`."""
    if names:
        named = zip(names, point, strict=True)
        return "[" + ", ".join(f"{n} {v:.3g}" for n, v in named if v) + "]"
    return "[" + ", ".join(f"{v:.3g}" for v in point) + "]"

"""Four seeds of Aioli's graphs against the fifth: errors, intervals, and what gain families disagree on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from readsim.arrays import Array
from studies.aioli.graphs import CHOICE, TOKENS, Graphs, fit

OTHER = replace(CHOICE, gain="exponential")
TIMES = 5.0


class LeftOut(NamedTuple):
    """Errors (S, K) of the fitted world and of the mean of four seeds on the fifth; `half` (S, K) of a 95 %
    interval; `apart` (K,) by how much two gain families differ on thirds, and their worst `misfit`."""

    world: Array
    mean: Array
    half: Array
    apart: Array
    misfit: float


def without(graphs: Graphs, seed: int) -> LeftOut:
    """Fit to all seeds but the one in place `seed`."""
    rest = np.delete(graphs.drop, seed, axis=0)
    mean, n = rest.mean(axis=0), len(rest)
    kept = Graphs(graphs.names, rest)
    worlds = [fit(kept, choice).world for choice in (CHOICE, OTHER)]
    matrices = [world.transfer_matrix(TOKENS) for world in worlds]
    s = len(graphs.names)
    thirds = [world.static_profile(np.full(s, 1.0 / s), TOKENS) for world in worlds]
    pooled = rest.var(axis=0, ddof=1).mean()
    half = student_t.ppf(0.975, (n - 1) * mean.size) * np.sqrt(pooled * (1.0 + 1.0 / n))
    return LeftOut(
        matrices[0] - graphs.drop[seed],
        mean - graphs.drop[seed],
        np.full_like(mean, half),
        np.abs(thirds[0] - thirds[1]),
        max(float(np.abs(matrix - mean).max()) for matrix in matrices),
    )


def effects(found: Sequence[LeftOut]) -> dict[str, ArrayLike]:
    """One number a left-out seed, by claim."""
    return {
        "left-out": [_rms(each.mean) - _rms(each.world) for each in found],
        "cover": [float((np.abs(e.world) <= e.half).mean()) - 0.85 for e in found],
        "mixture-not-identified": [float(e.apart.max()) - TIMES * e.misfit for e in found],
    }


def _rms(off: Array) -> float:
    return float(np.sqrt(np.mean(off**2)))

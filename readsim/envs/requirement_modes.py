"""What a run is told that its task requires: the truth, or one of four ways to be wrong about it.

The true requirement is the beneficial part of the utility's sensitivity, r = [g]_+ / |[g]_+|_1 with
g = grad_p U(p); for a linear utility it is the weights, wherever the student is.

`oracle`      r of the present profile, anew at each step
`stale`       r of the first profile, kept (identified once and reused)
`noisy:C`     drawn once from Dirichlet(C r + 1 / V): the smaller C, the worse
`permuted`    r of the first profile, its entries moved round: every capability gets another's
`uniform`     1 / V
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.backend import Backend
from readsim.errors import ConfigError, unknown
from readsim.worlds.task import Task

MODES = ("oracle", "stale", "noisy:C", "permuted", "uniform")


def positive_part(gradient: Array) -> Array:
    """[g]_+ / |[g]_+|_1 of g (V,); uniform where nothing is positive."""
    useful = np.maximum(gradient, 0.0)
    if not useful.sum() > 0:
        return np.full(len(gradient), 1.0 / len(gradient))
    shares: Array = useful / useful.sum()
    return shares


def parse_mode(mode: str) -> tuple[str, float]:
    """`"noisy:20"` -> `("noisy", 20.0)`, `"stale"` -> `("stale", 0.0)`. Raises for what is no mode."""
    name, _, number = mode.partition(":")
    if name != "noisy" or not number:
        if mode not in MODES or name == "noisy":
            raise unknown("requirement", mode, MODES)
        return mode, 0.0
    try:
        concentration = float(number)
    except ValueError as error:
        raise ConfigError(f"requirement {mode!r}: expected a number after 'noisy:'") from error
    if not 0 < concentration < np.inf:
        raise ConfigError(f"requirement {mode!r}: the concentration must be above 0 and finite")
    return name, concentration


def requirement_under(mode: str, gradient: Array, rng: np.random.Generator) -> Array:
    """The requirement (V,) that a run with this mode starts with, from g (V,) at its first profile."""
    name, concentration = parse_mode(mode)
    true, v = positive_part(gradient), len(gradient)
    if name == "uniform":
        return np.full(v, 1.0 / v)
    if name == "permuted":
        return np.roll(true, int(rng.integers(1, v)) if v > 1 else 0)
    if name == "noisy":
        drawn: Array = rng.dirichlet(concentration * true + 1.0 / v)
        return drawn
    return true


class RequirementMode:
    """What a run of a task is told under a mode; `shown` (K,) are the visible capabilities.

    Profiles are whole (K,), or of the visible capabilities alone (V,): then hidden ones count as 0.
    """

    def __init__(self, mode: str, task: Task, shown: NDArray[np.bool_]) -> None:
        self._fresh = parse_mode(mode)[0] == "oracle"
        self._mode, self._task, self._shown = mode, task, shown

    @classmethod
    def of(cls, mode: str | None, task: Task, backend: Backend) -> "RequirementMode | None":
        """For the runs of a backend; None without a mode: then the task's own requirement holds."""
        if mode is None:
            return None
        hidden = backend.hidden
        return cls(mode, task, np.array([c not in hidden for c in backend.capabilities]))

    def first(self, profile: Array, rng: np.random.Generator) -> Array:
        """At the start of a run."""
        return requirement_under(self._mode, self._gradient(profile), rng)

    def next(self, profile: Array, before: Array) -> Array:
        """After a step, when it was `before`."""
        return positive_part(self._gradient(profile)) if self._fresh else before

    def _gradient(self, profile: Array) -> Array:
        whole = profile
        if len(profile) < len(self._shown):
            whole = np.zeros(len(self._shown))
            whole[self._shown] = profile
        gradient: Array = self._task.gradient(whole)[self._shown]
        return gradient


def cosine_stability(requirements: Sequence[Array]) -> float:
    """Mean cosine over all pairs of requirements (n, V), n >= 2: 1 where all are equal."""
    rows = _pairs(requirements)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float(np.mean([unit[i] @ unit[j] for i, j in combinations(range(len(rows)), 2)]))


def top_stability(requirements: Sequence[Array], top: int = 3) -> float:
    """Mean Jaccard overlap of the `top` capabilities over all pairs, ties by index."""
    best = [set(np.argsort(-r, kind="stable")[:top].tolist()) for r in _pairs(requirements)]
    return float(np.mean([len(a & b) / len(a | b) for a, b in combinations(best, 2)]))


def _pairs(requirements: Sequence[Array]) -> Array:
    rows = np.array(requirements, dtype=np.float64)
    if len(rows) < 2:
        raise ConfigError(f"{len(rows)} requirements: stability is over pairs, give at least 2")
    return rows

"""The finite set of allocations a bandit chooses from."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from readsim.arrays import Array
from readsim.files.checked import Checked, number, numbers, whole


@dataclass(frozen=True)
class CandidateConfig(Checked):
    """Sizes of the candidate set.

    grid    weights of the first of two sources in a pair
    top     sparse actions use the `top` sources of the prior
    delta   mass moved between two sources in a local perturbation
    """

    grid: tuple[float, ...] = numbers((0.25, 0.5, 0.75), "code", above=0.0, below=1.0)
    top: int = whole(3, "code", low=1, high=100)
    delta: float = number(0.25, "inferred", above=0.0, high=1.0)


def sparse_actions(prior: Array, config: CandidateConfig) -> Array:
    """One-hots of the top sources, then pairs of them on the grid: (A, S)."""
    top = np.sort(np.argsort(-prior, kind="stable")[: config.top])
    rows = [np.eye(len(prior))[i] for i in top]
    for i, j in combinations(top, 2):
        for weight in config.grid:
            row = np.zeros(len(prior))
            row[i], row[j] = weight, 1.0 - weight
            rows.append(row)
    return np.array(rows)


def local_moves(previous: Array, delta: float) -> Array:
    """`previous` with up to `delta` moved from one source that has mass to another: (A, S)."""
    s = len(previous)
    givers = np.flatnonzero(previous > 1e-9)
    moved = np.minimum(delta, previous[givers])
    identity = np.eye(s)
    steps = identity[None, :, :] - identity[givers][:, None, :]  # (G, S, S): giver -> receiver
    rows = previous + moved[:, None, None] * steps
    keep = np.arange(s)[None, :] != givers[:, None]
    out: Array = np.maximum(rows[keep], 0.0)
    return out


def sparse_set(prior: Array, config: CandidateConfig | None = None) -> Array:
    """Uniform and the sparse actions, no doubles: what does not depend on the last step (A, S)."""
    uniform = np.full((1, len(prior)), 1.0 / len(prior))
    return _distinct(np.concatenate([uniform, sparse_actions(prior, config or CandidateConfig())]))


def _distinct(rows: Array) -> Array:
    rows = rows / rows.sum(axis=1, keepdims=True)
    _, first = np.unique(np.round(rows, 9), axis=0, return_index=True)
    out: Array = rows[np.sort(first)]
    return out


def candidate_set(prior: Array, previous: Array, config: CandidateConfig | None = None) -> Array:
    """Stay, uniform, sparse actions and local moves around `previous`; no doubles: (A, S).

    The order is deterministic (stay first), each row sums to 1 within 1e-9.
    """
    chosen = config or CandidateConfig()
    moves = local_moves(previous, chosen.delta)
    return _distinct(np.concatenate([previous[None], sparse_set(prior, chosen), moves]))

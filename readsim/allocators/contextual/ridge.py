"""What a linear model sees of a context and an allocation, and ridge regression that grows row by row."""

from typing import NamedTuple, TypedDict

import numpy as np

from readsim.allocators.base import Setup
from readsim.allocators.losses import losses, of_sources
from readsim.arrays import Array

_CONSTANT = 1e-9  # rewards whose deviation is this small compared with their size are all equal


class Rows(TypedDict):
    """What is kept of n rows x (d,) with rewards y: sums only, a plain dict that can be saved."""

    count: int
    mean: float  # of y
    spread: float  # sum of (y - mean)^2
    gram: Array  # (d, d) sum of x x'
    total: Array  # (d,) sum of x
    moment: Array  # (d,) sum of x (y - mean)


class Posterior(NamedTuple):
    """The model: y is about `level` + theta . x, known to within multiples of `scale` |x|_V^-1."""

    theta: Array  # (d,) in reward units
    factor: Array  # (d, d) L, lower, with L L' = V
    level: float  # reward units
    scale: float  # reward units

    def mean(self, x: Array) -> Array:
        """mu (n,) of rows x (n, d), in reward units."""
        out: Array = self.level + x @ self.theta
        return out

    def width(self, x: Array) -> Array:
        """scale sqrt(x' V^-1 x) (n,) of rows x (n, d), in reward units."""
        half = np.linalg.solve(self.factor, x.T)
        out: Array = self.scale * np.sqrt(np.einsum("dn,dn->n", half, half))
        return out

    def draw(self, rng: np.random.Generator, spread: float) -> Array:
        """A theta (d,) from N(theta, (spread scale)^2 V^-1)."""
        normal = rng.standard_normal(len(self.theta))
        away = np.linalg.solve(self.factor.T, normal)
        out: Array = self.theta + spread * self.scale * away
        return out


def no_rows(size: int) -> Rows:
    """Before the first row, with d = `size` features."""
    return {
        "count": 0,
        "mean": 0.0,
        "spread": 0.0,
        "gram": np.zeros((size, size)),
        "total": np.zeros(size),
        "moment": np.zeros(size),
    }


def with_rows(rows: Rows, x: Array, y: Array) -> Rows:
    """`rows` and x (n, d), y (n,), n >= 1; in any split and order but for rounding."""
    count = rows["count"] + len(y)
    mean = rows["mean"] + float((y - rows["mean"]).sum()) / count
    off, shift = y - mean, rows["mean"] - mean
    return {
        "count": count,
        "mean": mean,
        "spread": rows["spread"] + rows["count"] * shift**2 + float(off @ off),
        "gram": rows["gram"] + x.T @ x,
        "total": rows["total"] + x.sum(axis=0),
        "moment": rows["moment"] + shift * rows["total"] + x.T @ off,
    }


def fitted(rows: Rows, ridge: float, *, standardise: bool) -> Posterior:
    """The model with V = ridge I + sum x x', theta = V^-1 sum x (y - level).

    Standardised, `level` and `scale` are mean and standard deviation of the rewards so far (scale 1
    while all are equal: then theta is 0 and no choice depends on it); else they are 0 and 1.

    By Cholesky, anew each time: d^3 / 3 for d = S + 4 is less than a Sherman-Morrison update takes in
    Python, and no error adds up. Checked against dense inverses for ridge from 1e-6 to 1e6; where the
    rows are fewer than d, V is as near to singular as `ridge` is small compared with them.
    """
    v = rows["gram"] + ridge * np.eye(len(rows["total"]))
    factor = np.asarray(np.linalg.cholesky(v), dtype=np.float64)
    moment, level, scale = rows["moment"], rows["mean"], 1.0
    if not standardise:
        moment, level = moment + level * rows["total"], 0.0
    elif (deviation := (rows["spread"] / max(rows["count"], 1)) ** 0.5) > _CONSTANT * abs(level):
        scale = deviation
    theta = np.linalg.solve(factor.T, np.linalg.solve(factor, moment))
    return Posterior(theta, factor, level, scale)


def error_shares(setup: Setup, profile: Array) -> Array:
    """Each source's share of the required loss, r_i loss_i over its sum: (n, V) -> (n, S).

    Shares have no unit: they mean the same for scores and for losses in nats. Zeros where nothing
    is lost.
    """
    mass = np.maximum(losses(setup, profile), 0.0) * setup.requirement
    by_source = np.array([of_sources(setup, row) for row in mass])
    total = by_source.sum(axis=1, keepdims=True)
    shares: Array = np.divide(by_source, total, out=np.zeros_like(by_source), where=total > 0.0)
    return shares


def linear_features(
    setup: Setup, profile: Array, budget_left: Array, allocation: Array, *, curvature: bool
) -> Array:
    """Rows [alpha ; alpha . prior ; alpha . errors ; rho ; |alpha|^2]: (n, S + 4), each in [0, 1].

    profile (n, V), budget_left (n,), allocation (n, S); a single row of the first two serves all
    allocations. Without `curvature` |alpha|^2 is left out: (n, S + 3).

    alpha            what a token of each source brings; it holds the constant, for its sum is 1
    alpha . prior    one coefficient for all sources: what is required pays more (or less), which says
                     something about a source before it was tried. A sum of the alphas, so it is the
                     ridge that divides the credit between it and them
    alpha . errors   the same of what is required and still wrong (`error_shares`): returns that move
                     with the profile
    rho              the budget left. It is the same for all candidates and decides nothing, but
                     returns fall in a run, and without it that is blamed on what was tried late
    |alpha|^2        one coefficient for the curvature within a step. A mean that is linear in alpha
                     plus a width, which is convex, has its maximum at a corner of the candidates'
                     hull: with `curvature` False no mixture inside it is ever chosen, neither
                     "stay" nor uniform included

    alpha times rho or the profile, source by source, would be S features more each: a run of 20
    decisions cannot fill them.
    """
    n = len(allocation)
    columns = [
        allocation,
        allocation @ setup.prior,
        (allocation * error_shares(setup, profile)).sum(axis=1),
        np.broadcast_to(budget_left, n),
    ]
    if curvature:
        columns.append(np.square(allocation).sum(axis=1))
    return np.column_stack(columns)

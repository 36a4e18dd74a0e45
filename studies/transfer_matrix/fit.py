"""Least squares: the gains, helps and harms of a potential world with the measured changes."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from readsim.arrays import Array
from readsim.worlds.gains import Gain, gain
from readsim.worlds.links import Saturating
from studies.transfer_matrix.measured import Measured

FAMILIES = ("exponential", "hill", "log", "power:0.5")
PRIOR = (
    1.0  # sd of what help, and harm, bring at the largest budget: keeps them from cancelling out
)
MARGIN = 0.02  # between the best mean score and a ceiling that the teacher does not give
INSIDE = 0.003  # a score on a bound is fitted as this far from it
ROUNDS, STEP, CLOSE = 60, 0.7, 1e-10  # Gauss-Newton
SCALES = 13  # first looked at, from a third of the smallest budget to ten times the largest
DIGITS = 3  # of a scale: the coefficients are those of the rounded one, on every machine


class Bounds(NamedTuple):
    """start, floor, ceiling: each (K,)."""

    start: Array
    floor: Array
    ceiling: Array


class Fit(NamedTuple):
    """One gain family with (S,) scales, (S, K) coefficients; `loss` is the sum of squares / se^2."""

    family: str
    scale: Array
    help: Array
    harm: Array
    loss: float


def bounds_of(measured: Measured) -> Bounds:
    """The ceiling is the teacher's score, or a margin above the best mean of a student."""
    start = measured.vector("start")
    best = start + np.maximum(measured.matrix.max(axis=(0, 1)), 0.0)
    high = np.maximum(measured.vector("teacher"), best + MARGIN)
    return Bounds(start, measured.vector("floor"), np.minimum(high, 1.0))


def fit(measured: Measured, families: tuple[str, ...] = FAMILIES) -> Fit:
    """The family that leaves the least error; scales are each source's own."""
    return min((_fit_family(measured, family) for family in families), key=lambda f: f.loss)


def _fit_family(measured: Measured, family: str) -> Fit:
    bounds, budgets = bounds_of(measured), np.array(measured.budgets, dtype=np.float64)
    rows = []
    for i in range(len(measured.sources)):
        problem = _Row(family, budgets, bounds, measured.matrix[:, i], measured.error[:, i])
        rows.append(problem.solve())
    scale, help_, harm, loss = zip(*rows, strict=True)
    return Fit(family, np.array(scale), np.array(help_), np.array(harm), float(sum(loss)))


class _Row:
    """One source: its scale by a search in one dimension, its coefficients by least squares.

    wanted, error   (B, K)
    """

    def __init__(
        self, family: str, budgets: Array, bounds: Bounds, wanted: Array, error: Array
    ) -> None:
        self.curve: Gain = gain(family)
        self.linear = family.startswith("power")
        self.budgets, self.error = budgets, error
        self.link = Saturating(*bounds)
        self.start = bounds.start
        low, high = bounds.floor + INSIDE, bounds.ceiling - INSIDE
        near = np.minimum(low, bounds.start), np.maximum(high, bounds.start)
        self.score = np.clip(bounds.start + wanted, *near)

    def solve(self) -> tuple[float, Array, Array, float]:
        """(scale, help (K,), harm (K,), loss)."""
        least, most = np.log(self.budgets[0] / 3.0), np.log(self.budgets[-1] * 10.0)
        grid = np.linspace(least, most, SCALES)
        values = [self.cells(at)[2] for at in grid]
        best = int(np.argmin(values))
        found = minimize_scalar(
            lambda at: self.cells(at)[2],
            bounds=(grid[max(best - 1, 0)], grid[min(best + 1, SCALES - 1)]),
            method="bounded",
            options={"xatol": 1e-4},
        )
        at = found.x if found.fun < values[best] else grid[best]
        scale = float(f"{np.exp(at):.{DIGITS}g}")
        return scale, *self.cells(np.log(scale))

    def cells(self, log_scale: float) -> tuple[Array, Array, float]:
        """help (K,), harm (K,), both >= 0, and the loss with the prior's part, for one scale."""
        x = self.budgets / np.exp(log_scale)
        u = self.curve.value(x)
        v = x if self.linear else x - u
        part = np.stack([u, -v])  # (2, B)
        ridge = np.array([u[-1], v[-1]]) / PRIOR
        at = np.zeros((2, self.score.shape[1]))
        for _ in range(ROUNDS):
            z = part.T @ at
            slope = np.maximum(self.link.slope(z), 1e-6)
            weight = (slope / self.error) ** 2  # (B, K)
            target = z + (self.score - self.link.value(z)) / slope
            move = STEP * (non_negative(part, ridge, weight, target) - at)
            at = at + move
            if np.abs(move).max() < CLOSE:
                break
        off = (self.link.value(part.T @ at) - self.score) / self.error
        loss = float((off**2).sum() + ((ridge[:, None] * at) ** 2).sum())
        return at[0], at[1], loss


def non_negative(part: Array, ridge: Array, weight: Array, target: Array) -> Array:
    """argmin over a >= 0 (2, K) of sum_B weight (a . part - target)^2 + (ridge a)^2, column by column.

    With two unknowns the minimum is the free one or lies on one of the axes.
    """
    (f, g), (r, s) = part[:, :, None], ridge**2
    ff, gg = (weight * f * f).sum(0) + r, (weight * g * g).sum(0) + s
    fg = (weight * f * g).sum(0)
    ft, gt = (weight * f * target).sum(0), (weight * g * target).sum(0)
    det = ff * gg - fg * fg
    free = np.stack([gg * ft - fg * gt, ff * gt - fg * ft]) / det
    zero = np.zeros_like(ft)
    first = np.stack([np.maximum(ft / ff, 0.0), zero])
    second = np.stack([zero, np.maximum(gt / gg, 0.0)])
    on_first = first[0] * ft >= second[1] * gt  # what each axis takes off the sum of squares
    edge = np.where(on_first, first, second)
    return np.where((free >= 0.0).all(axis=0), free, edge)

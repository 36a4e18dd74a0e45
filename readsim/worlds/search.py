"""Numeric search for the best point of a simplex: for worlds without a closed form.

Screen a fixed set of points, climb from the best few by sequential quadratic programming, and
polish by moving mass between pairs. The last step is what makes kinks (broken lines) and infinite
slopes (power laws) exact: for separable kinks a point that no pair improves is a local optimum.

`climb` and `polish` also take several simplices side by side, the `phases` of a schedule.
"""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Protocol

import numpy as np

from readsim.arrays import Array
from readsim.worlds.task import Task
from readsim.worlds.utility import parse_utility

LEAST = 1e-9  # share that keeps derivatives off the infinite slope of the power family
RANDOM_POINTS = 256
TOP = 8  # single sources of which all pairs are screened
STARTS = 4  # climbs where the objective is not concave
CALLS = 100  # evaluations of a climb; on kinks more bring nothing, the polish does
APART = 0.3  # least L1 distance between two starts
WIDEST, NARROWEST = 0.01, 1e-10  # masses moved by the polish


class AllocationProblem(Protocol):
    """The noise-free profile of a constant allocation."""

    def profiles(self, shares: Array) -> Array:
        """(R, S) -> (R, K)."""
        ...

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        """Profile (K,) and its derivatives (S, K) at shares (S,)."""
        ...


def best_shares(
    problem: AllocationProblem,
    rough: AllocationProblem,
    task: Task,
    s: int,
    *,
    spend_all: bool,
    concave: bool,
) -> Array:
    """argmax of the task's utility over shares (S,) with sum 1, or at most 1 without `spend_all`.

    Leaving tokens unspent is one more source that does nothing, so both cases are a simplex. `rough`
    is a cheap likeness of `problem` (or `problem` itself) for the screen and the first climbs.
    """
    m = s if spend_all else s + 1

    def value(points: Array) -> Array:
        return task.utility(problem.profiles(points[..., :s]))

    def best(points: list[Array]) -> Array:
        both = [p for point in points for p in (_without_dust(point), point)]
        return both[int(np.argmax(value(np.array(both))))]

    points, values = _screen(lambda p: task.utility(rough.profiles(p[..., :s])), m)
    order = np.argsort(-values, kind="stable")
    spread = max(float(values.max() - values.min()), 1e-12)
    starts = apart(points[order], 1 if concave else STARTS)
    found = best([points[order[0]], *(climb(rough, task, start, s, spread) for start in starts)])
    if rough is not problem:
        found = best([found, climb(problem, task, found, s, spread)])
    if parse_utility(task.kind)[0] == "capped":
        found = best([found, _climb_capped(problem, task, found, s, spread)])
    return best([polish(value, found)])[:s]


def _screen(value: Callable[[Array], Array], m: int) -> tuple[Array, Array]:
    """Corners, uniform, mixtures of two good corners, fixed random points: (R, m), and their values."""
    corners = np.eye(m)
    worth = value(corners)
    top = np.argsort(-worth, kind="stable")[:TOP]
    shares = [(i, j, w) for i in top for j in top if i != j for w in (0.5, 0.75)]
    pairs = [w * corners[i] + (1.0 - w) * corners[j] for i, j, w in shares]
    draws = np.random.default_rng(0).standard_exponential((RANDOM_POINTS, m))
    draws[::2] **= 4  # every second point is nearly sparse
    draws /= draws.sum(axis=1, keepdims=True)
    others = np.array([np.full(m, 1.0 / m), *pairs, *draws])
    return np.concatenate([corners, others]), np.concatenate([worth, value(others)])


def apart(points: Array, count: int) -> list[Array]:
    """The first `count` points that are not close to an earlier one."""
    kept: list[Array] = []
    for point in points:
        if all(np.abs(point - other).sum() > APART for other in kept):
            kept.append(point)
        if len(kept) == count:
            break
    return kept


def _without_dust(point: Array) -> Array:
    cleaned = np.where(point <= 10 * LEAST, 0.0, point)
    out: Array = cleaned / cleaned.sum()
    return out


class _Enough(Exception):
    """Stops a climb whose line search gets nowhere, as on a kink."""


def climb(
    problem: AllocationProblem, task: Task, start: Array, s: int, spread: float, phases: int = 1
) -> Array:
    """Sequential quadratic programming from near `start`; the best point that it saw: (m,).

    The problem has `s` of the m entries; each of `phases` equal parts of the point sums to 1.
    """
    from scipy.optimize import LinearConstraint, minimize

    m = len(start)
    best, highest, calls = start, -np.inf, 0

    def objective(point: Array) -> tuple[float, Array]:
        nonlocal best, highest, calls
        profile, slopes = problem.jacobian(np.maximum(point[:s], LEAST))
        value = float(task.utility(profile)) / spread
        off = np.abs(point.reshape(phases, -1).sum(axis=1) - 1.0)
        if value > highest and off.max() < 1e-9:
            best, highest = point.copy(), value
        calls += 1
        if calls > CALLS:
            raise _Enough
        gradient = np.zeros(m)
        gradient[:s] = slopes @ task.gradient(profile)
        return -value, -gradient / spread

    with suppress(_Enough):
        minimize(
            objective,
            0.9 * start + 0.1 * phases / m,
            jac=True,
            method="SLSQP",
            bounds=[(LEAST, 1.0)] * m,
            constraints=LinearConstraint(
                np.kron(np.eye(phases), np.ones((1, m // phases))), 1.0, 1.0
            ),
            options={"maxiter": CALLS, "ftol": 1e-13},
        )
    parts = np.clip(best, 0.0, 1.0).reshape(phases, -1)
    out: Array = (parts / parts.sum(axis=1, keepdims=True)).ravel()
    return out


def _climb_capped(
    problem: AllocationProblem, task: Task, start: Array, s: int, spread: float
) -> Array:
    """`climb` for utilities sum_j w_j min(p_j, C), smooth as max w.t with t_j <= p_j, t_j <= C: (m,)."""
    from scipy.optimize import LinearConstraint, NonlinearConstraint, minimize

    m = len(start)
    wanted = np.flatnonzero(task.weights > 0.0)
    weights = np.concatenate([np.zeros(m), task.weights[wanted] / spread])
    cap = parse_utility(task.kind)[1]

    def objective(point: Array) -> tuple[float, Array]:
        return -float(weights @ point), -weights

    def room(point: Array) -> Array:
        profile: Array = problem.profiles(np.maximum(point[None, :s], LEAST))[0, wanted]
        return profile - point[m:]

    def slopes(point: Array) -> Array:
        out = np.zeros((len(wanted), len(point)))
        out[:, :s] = problem.jacobian(np.maximum(point[:s], LEAST))[1][:, wanted].T
        out[:, m:] = -np.eye(len(wanted))
        return out

    first = np.concatenate([start, np.zeros(len(wanted))])
    first[m:] = np.minimum(room(first), cap)
    total = np.concatenate([np.ones(m), np.zeros(len(wanted))])
    result = minimize(
        objective,
        first,
        jac=True,
        method="SLSQP",
        bounds=[(LEAST, 1.0)] * m + [(-np.inf, cap)] * len(wanted),
        constraints=[
            LinearConstraint(total[None], 1.0, 1.0),
            NonlinearConstraint(room, 0.0, np.inf, jac=slopes),
        ],
        options={"maxiter": CALLS, "ftol": 1e-13},
    )
    point = np.clip(result.x[:m], 0.0, 1.0)
    out: Array = point / point.sum()
    return out


def polish(
    value: Callable[[Array], Array], point: Array, phases: int = 1, rounds: float = inf
) -> Array:
    """Move mass from one entry to another while that helps, in smaller and smaller amounts: (m,).

    Mass stays within its one of `phases` equal parts of the point. It ends when nothing helps, or
    after `rounds`.
    """
    m = len(point)
    if m == phases:
        return point
    part = np.arange(m) // (m // phases)
    giver, receiver = np.nonzero((part[:, None] == part) & ~np.eye(m, dtype=np.bool_))
    moves = np.eye(m)[receiver] - np.eye(m)[giver]
    best, step = float(value(point[None])[0]), WIDEST
    while step > NARROWEST and rounds > 0:
        rounds -= 1
        tried = np.maximum(point + np.minimum(step, point)[giver, None] * moves, 0.0)
        values = value(tried)
        if values.max() > best:
            best, point = float(values.max()), tried[int(np.argmax(values))]
            step = min(2.0 * step, WIDEST)
        else:
            step *= 0.25
    return point

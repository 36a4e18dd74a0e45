"""The best static allocation of a world: closed form where there is one, numeric elsewhere.

In order-free worlds no policy, adaptive or not, can end higher (Lemma L1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds.checks import check_budget
from readsim.worlds.gains import GainBank
from readsim.worlds.task import Task
from readsim.worlds.world import STEPS, World

BISECTIONS = 200
DIFFERENCE = 1e-5  # step of central differences in allocation units
LEAST_SHARE = 1e-9  # keeps numeric search off the infinite slope of the power family
STARTS = 8


@dataclass(frozen=True, eq=False)
class Optimum:
    """`allocation` (S,) sums to `spent`, 1 unless stopping early is better and was allowed.

    `multiplier` is dU/d(budget) per token; `method` is `water-filling` or `numeric`.
    """

    allocation: Array
    utility: float
    multiplier: float
    method: str

    @property
    def spent(self) -> float:
        """The share of the budget that is spent."""
        return float(self.allocation.sum())


def water_fill(gains: GainBank, weight: Array, scale: Array, budget: float) -> tuple[Array, float]:
    """argmax sum_i weight_i u_i(b_i / scale_i) with b >= 0, sum b = budget: (b (S,), lambda).

    Proposition 4.5: weight_i u_i'(b_i / scale_i) / scale_i = lambda where b_i > 0, <= lambda elsewhere.
    b_i(lambda) comes from the inverse slopes, lambda from bisection; on a flat or straight piece any
    split is optimal and the one between the two ends of the last bracket is taken.
    """
    if not (weight > 0).any():
        return np.full(len(weight), budget / len(weight)), 0.0

    def tokens(multiplier: float) -> Array:
        with np.errstate(divide="ignore", over="ignore"):
            b: Array = scale * gains.inverse_slope(multiplier * scale / weight)
        return np.where(weight > 0, b, 0.0)

    low, high = -400.0, 50.0 + float(np.log((weight / scale).max()))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if tokens(np.exp(middle)).sum() > budget:
            low = middle
        else:
            high = middle
    few, many = tokens(np.exp(high)), tokens(np.exp(low))
    gap = float(many.sum() - few.sum())
    missing = budget - float(few.sum())
    b = few + (many - few) * min(missing / gap, 1.0) if gap > 0.0 else few
    left = budget - float(b.sum())
    if left > 1e-9 * budget:  # every useful source is flat: lambda = 0, the rest is worth nothing
        return b + left * weight / weight.sum(), 0.0
    return b * (budget / b.sum()), float(np.exp(high))


def optimum(
    world: World, task: Task, budget: float, *, steps: int = STEPS, spend_all: bool = True
) -> Optimum:
    """The constant allocation with the highest noise-free utility of `task` after `budget` tokens.

    `steps` matters in `flow` and `artifact` worlds only. With `spend_all=False` tokens may be left
    unspent (Lemma L5: with harm this can be better).

    Raises ConfigError for a budget that is not positive or passes the world's horizon.
    """
    if not (np.isfinite(budget) and budget > 0):
        raise ConfigError(f"budget = {budget!r}: expected a number of tokens > 0")
    check_budget(world, budget)
    additive = world.order_free and world.link == "identity" and not world.harm.any()
    if additive and task.kind == "linear":
        b, multiplier = water_fill(
            world.gains, world.help @ task.weights, world.scale_tokens, budget
        )
        profile = world.start + world.gains.value(b / world.scale_tokens) @ world.help
        return Optimum(b / budget, float(task.utility(profile)), multiplier, "water-filling")
    value = _potential_value if world.order_free else _simulated_value
    return _search(value(world, task, budget, steps), len(world.sources), spend_all, budget)


Objective = Callable[[Array], tuple[float, Array]]


def _potential_value(world: World, task: Task, budget: float, steps: int) -> Objective:
    rate = budget / world.scale_tokens

    def objective(allocation: Array) -> tuple[float, Array]:
        x = allocation * rate
        z = world.potential.latent(x)
        profile = world.link_function.value(z)
        per_capability = task.gradient(profile) * world.link_function.slope(z)
        slope: Array = rate * (world.potential.latent_slope(x) @ per_capability)
        return float(task.utility(profile)), slope

    return objective


def _simulated_value(world: World, task: Task, budget: float, steps: int) -> Objective:
    moves = DIFFERENCE * np.eye(len(world.sources))

    def objective(allocation: Array) -> tuple[float, Array]:
        batch = np.concatenate([allocation[None], allocation + moves, allocation - moves])
        values = task.utility(world.static_profile(np.maximum(batch, 0.0), budget, steps))
        s = len(allocation)
        # at the edge of the simplex the backward move was cut to 0: divide by the real distance
        width = DIFFERENCE + np.minimum(allocation, DIFFERENCE)
        return float(values[0]), (values[1 : s + 1] - values[s + 1 :]) / width

    return objective


def _search(objective: Objective, s: int, spend_all: bool, budget: float) -> Optimum:
    """Best of sequential quadratic programmes from several starts, every vertex, and (if allowed) 0."""
    from scipy.optimize import LinearConstraint, minimize

    vertices = list(np.maximum(np.eye(s), LEAST_SHARE) / (1.0 + (s - 1) * LEAST_SHARE))
    vertices.sort(key=lambda a: -objective(a)[0])
    top = np.mean(vertices[: max(2, s // 4)], axis=0)
    starts = [np.full(s, 1.0 / s), top, *[0.5 / s + 0.5 * v for v in vertices[:STARTS]]]
    found = list(vertices)
    if not spend_all:
        found.append(np.full(s, LEAST_SHARE))
    scale = max(abs(objective(starts[0])[0]), 1e-3)
    for start in starts:
        result = minimize(
            lambda a: (-objective(a)[0] / scale, -objective(a)[1] / scale),
            start,
            jac=True,
            method="SLSQP",
            bounds=[(LEAST_SHARE, 1.0)] * s,
            constraints=LinearConstraint(np.ones((1, s)), 1.0 if spend_all else 0.0, 1.0),
            options={"maxiter": 300, "ftol": 1e-14},
        )
        a = np.clip(result.x, 0.0, 1.0)
        a[a <= 10 * LEAST_SHARE] = 0.0
        total = a.sum()
        found.append(a / total if spend_all or total > 1.0 else a)
    best = max(found, key=lambda a: objective(a)[0])
    best = np.where(best <= 10 * LEAST_SHARE, 0.0, best)
    if spend_all:
        best = best / best.sum()
    value, slope = objective(np.maximum(best, LEAST_SHARE))
    # every coordinate is at least LEAST_SHARE inside the search; report the value at the answer
    value = objective(best)[0]
    used = float(best.sum())
    multiplier = float(best @ slope / used / budget) if used > 0 else 0.0
    return Optimum(best, value, multiplier, "numeric")

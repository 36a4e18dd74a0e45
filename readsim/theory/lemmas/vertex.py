"""Lemma on vertices: with Dp = G^T alpha exactly and no spillover price a one-hot allocation is optimal.

With prices R is concave and piecewise linear; its maximum is a linear programme and may be a mixture.
"""

import numpy as np

from readsim.arrays import Array
from readsim.envs.reward import proxy_reward
from readsim.theory.result import PaperStatement, Result


def best_vertex(local: Array, requirement: Array, prices: Array) -> float:
    """max_i R(e_i) of a local matrix (S, K)."""
    return float(proxy_reward(local, requirement, prices, 0.0).max())


def linear_programme(local: Array, requirement: Array, prices: Array) -> tuple[float, Array]:
    """max r . (G^T a) - prices . d with d >= -G^T a, d >= 0, a on the simplex: value, a (S,)."""
    from scipy.optimize import linprog

    s, k = local.shape
    # the solver's tolerances are absolute: changes of 1e-7 would be 0 to it
    size = max(float(np.abs(local).max()), np.finfo(np.float64).tiny)
    unit = local / size
    done = linprog(
        np.concatenate([-(unit @ requirement), prices]),
        A_ub=np.hstack([-unit.T, -np.eye(k)]),
        b_ub=np.zeros(k),
        A_eq=np.concatenate([np.ones(s), np.zeros(k)])[None],
        b_eq=np.ones(1),
    )
    if done.fun is None:
        raise ArithmeticError(f"linear programme of the best allocation: {done.message}")
    return -float(done.fun) * size, np.asarray(done.x, dtype=np.float64)[:s]


def check(local: Array, requirement: Array, prices: Array, subject: str) -> Result:
    """What a mixture earns beyond the best one-hot allocation, reward units."""
    value, mixture = linear_programme(local, requirement, prices)
    return Result(
        statement=PaperStatement.VERTICES,
        subject=subject,
        measure="best mixture minus best one-hot allocation, reward units",
        statistic=value - best_vertex(local, requirement, prices),
        bound=1e-9 * float(np.abs(local).max()),
        sense="<=",
        advice="the spillover price pays for a mixture",
        detail={"mixture": mixture},
    )

"""The exponential law of losses over mixtures, L_j(w) = c_j + exp(k_j + t_j . w), and its optimum."""

from typing import NamedTuple

import numpy as np

from readsim.allocators.shaping import within_caps
from readsim.arrays import Array

STARTS = (-6.0, -3.0, -1.0)  # ln of the first exp(k), in units of the losses' spread
STEEPEST = 40.0  # exponents are held within this


class Law(NamedTuple):
    """c (V,), k (V,), t (V, S)."""

    c: Array
    k: Array
    t: Array

    def losses(self, mixtures: Array) -> Array:
        """(n, V) of (n, S)."""
        exponent = np.clip(self.k + mixtures @ self.t.T, -STEEPEST, STEEPEST)
        out: Array = self.c + np.exp(exponent)
        return out


def huber(error: Array, delta: float) -> tuple[Array, Array]:
    """Huber's loss, e^2 / 2 within delta and delta (|e| - delta / 2) beyond it, and its slope."""
    slope = np.clip(error, -delta, delta)
    return slope * (error - 0.5 * slope), slope


def fit_law(mixtures: Array, losses: Array, delta: float) -> Law:
    """Huber fit of each column of losses (n, V), the best of several starts.

    `delta` is in the losses' own unit. A column that does not vary gets t = 0.
    """
    fitted = [_fit_one(mixtures, y, delta) for y in losses.T]
    c, k, t = zip(*fitted, strict=True)
    return Law(np.array(c), np.array(k), np.array(t))


def _fit_one(mixtures: Array, y: Array, delta: float) -> tuple[float, float, Array]:
    from scipy.optimize import minimize

    s, sd = mixtures.shape[1], float(y.std())
    if sd == 0.0:
        return float(y.mean()) - np.exp(-STEEPEST), -STEEPEST, np.zeros(s)
    z = (y - y.mean()) / sd

    def objective(flat: Array) -> tuple[float, Array]:
        power = np.exp(np.clip(flat[1] + mixtures @ flat[2:], -STEEPEST, STEEPEST))
        value, slope = huber(flat[0] + power - z, delta / sd)
        pull = slope * power
        return float(value.sum()), np.concatenate([[slope.sum(), pull.sum()], mixtures.T @ pull])

    best = None
    for first in STARTS:
        start = np.concatenate([[float(z.min()), first], np.zeros(s)])
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    offset, k, t = float(best.x[0]), float(best.x[1]), np.asarray(best.x[2:])
    return float(y.mean()) + sd * offset, k + np.log(sd), t


def best_mixture(law: Law, weights: Array, prior: Array, kl: float, caps: Array) -> Array:
    """argmin_w sum_j weights_j L_j(w) + kl KL(w || prior), w on the simplex, w <= caps: (S,).

    A convex problem: exponentials of linear functions and a relative entropy. Solved by sequential
    quadratic programming with exact slopes. weights, kl >= 0; prior > 0 where kl > 0; sum caps >= 1.
    """
    from scipy.optimize import LinearConstraint, minimize

    scale = float(np.abs(weights @ (law.losses(np.eye(len(prior))) - law.c[None]).T).max()) or 1.0
    scale = max(scale, kl) or 1.0

    def objective(w: Array) -> tuple[float, Array]:
        power = weights * np.exp(np.clip(law.k + law.t @ w, -STEEPEST, STEEPEST))
        value, slope = float(power.sum()), power @ law.t
        if kl > 0.0:
            ratio = np.log(np.maximum(w, 1e-12) / prior)
            value += kl * float(w @ ratio)
            slope = slope + kl * (ratio + 1.0)
        return value / scale, slope / scale

    start = within_caps(np.full(len(prior), 1.0 / len(prior)), caps)
    found = minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, float(cap)) for cap in caps],
        constraints=LinearConstraint(np.ones((1, len(prior))), 1.0, 1.0),
        options={"maxiter": 500, "ftol": 1e-14},
    )
    w = np.clip(np.asarray(found.x), 0.0, caps)
    return within_caps(w / w.sum(), caps)

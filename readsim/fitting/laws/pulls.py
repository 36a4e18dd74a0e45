"""Sources pull hidden skills, one after the other: the law that knows in which order a run was trained.

    z_0 = 0,   z_t = star_t + (z_{t-1} - star_t) exp(-R_t)
    R_t = sum_s x_ts F_sm,   star_t = sum_s x_ts F_sm a_sm / R_t
    wanted_j = c_j + spread_j sum_m z_Tm B_mj

x_ts are the tokens of decision t on source s, F > 0 how fast a source pulls skill m, a_sm where to. With
every a = 1 the order makes no difference, and z is 1 - exp(-sum F x); a source with another a undoes what
the others taught, as far as it is trained after them and with nothing of them beside it. Constant shares
give the same z in one decision as in many. There is one skill a source. What is minimised:

    sum_j mean_n ((made_nj - wanted_nj) / spread_j)^2 + EFFECT sum B^2
        + K mean (RATE (ln F - first)^2 + TARGET (a - 1)^2)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array

PathPredictor = Callable[
    [Array], Array
]  # of x (m, T, S), tokens in units of the largest run: (m, K)
REACH, OTHERS = (
    0.2,
    3.0,
)  # the first 1 / F of the skill's own source; ln of how much less others pull
EFFECT, RATE, TARGET = 0.03, 1e-3, 0.03
ITERATIONS = 300
SMALL = 1e-4  # R below which h is its series


class PullParameters(NamedTuple):
    """ln F (S, M), a (S, M), B (M, K), c (K,) in spreads above the mean."""

    rate: Array
    target: Array
    effect: Array
    offset: Array


def skills(path: Array, rate: Array, target: Array) -> Array:
    """z (n, T + 1, M) along paths (n, T, S); `rate` is ln F."""
    f = np.exp(rate)
    total, pulled = path @ f, path @ (f * target)
    left, inside = np.exp(-total), _inside(total)
    z = np.zeros((len(path), path.shape[1] + 1, f.shape[1]))
    for t in range(path.shape[1]):
        z[:, t + 1] = z[:, t] * left[:, t] + pulled[:, t] * inside[:, t]
    return z


def pulls(path: Array, wanted: Array, weight: Array) -> PathPredictor:
    """Fit to paths (n, T, S), padded with decisions of 0 tokens; wanted and weight (n, K) as other laws."""
    from scipy.optimize import minimize

    problem = _Problem(path, wanted, weight)
    found = minimize(
        problem.value,
        problem.first(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20},
    )
    parts = problem.parts(np.asarray(found.x))

    def predict(at: Array) -> Array:
        return problem.made(skills(at, parts.rate, parts.target)[:, -1], parts)

    return predict


class _Problem:
    """The objective and its gradient; `flat` is (ln F, a, B, c)."""

    def __init__(self, path: Array, wanted: Array, weight: Array) -> None:
        self.path = path
        self.s, self.k = path.shape[2], wanted.shape[1]
        there = np.where(np.isfinite(wanted), weight, 0.0)
        self.known = there / np.maximum(there.sum(axis=0), np.finfo(float).tiny)
        self.wanted = np.where(np.isfinite(wanted), wanted, 0.0)
        self.middle = (self.known * self.wanted).sum(axis=0)
        sd = np.sqrt((self.known * (self.wanted - self.middle) ** 2).sum(axis=0))
        self.spread = np.where(sd > 0.0, sd, 1.0)
        self.start = np.full((self.s, self.s), -np.log(REACH) - OTHERS)
        self.start[np.diag_indices(self.s)] += OTHERS

    def first(self) -> Array:
        """No effect of any skill, every capability at its mean."""
        s = self.s
        return np.concatenate(
            [self.start.ravel(), np.ones(s * s), np.zeros(s * self.k), np.zeros(self.k)]
        )

    def parts(self, flat: Array) -> PullParameters:
        """The parameters in their shapes."""
        s, k = self.s, self.k
        a, b, c, d = np.split(flat, np.cumsum([s * s, s * s, s * k]))
        return PullParameters(a.reshape(s, s), b.reshape(s, s), c.reshape(s, k), d)

    def made(self, skill: Array, parts: PullParameters) -> Array:
        """What skills (n, M) come to, (n, K)."""
        out: Array = self.middle + self.spread * (parts.offset + skill @ parts.effect)
        return out

    def value(self, flat: Array) -> tuple[float, Array]:
        """What is minimised, and its gradient."""
        parts, path = self.parts(flat), self.path
        f = np.exp(np.clip(parts.rate, -14.0, 14.0))
        total, pulled = path @ f, path @ (f * parts.target)
        left, inside = np.exp(-total), _inside(total)
        z = skills(path, np.log(f), parts.target)
        error = (self.made(z[:, -1], parts) - self.wanted) / self.spread
        by_t = 2.0 * self.known * error
        by_z = by_t @ parts.effect.T
        by_total, by_pulled = np.empty_like(total), np.empty_like(total)
        for t in reversed(range(path.shape[1])):
            by_pulled[:, t] = by_z * inside[:, t]
            slope = pulled[:, t] * _slope(total[:, t], left[:, t], inside[:, t])
            by_total[:, t] = by_z * (slope - z[:, t] * left[:, t])
            by_z = by_z * left[:, t]
        to_f = np.tensordot(path, by_total, ((0, 1), (0, 1)))
        to_fa = np.tensordot(path, by_pulled, ((0, 1), (0, 1)))
        moved, off, cells = parts.rate - self.start, parts.target - 1.0, self.k / self.start.size
        loss = float((self.known * error**2).sum()) + EFFECT * float((parts.effect**2).sum())
        loss += cells * float((RATE * moved**2 + TARGET * off**2).sum())
        gradient = (
            (to_f + to_fa * parts.target) * f + 2.0 * cells * RATE * moved,
            to_fa * f + 2.0 * cells * TARGET * off,
            z[:, -1].T @ by_t + 2.0 * EFFECT * parts.effect,
            by_t.sum(axis=0),
        )
        return loss, np.concatenate([each.ravel() for each in gradient])


def _inside(total: Array) -> Array:
    """h(R) = (1 - exp(-R)) / R."""
    near = total < SMALL
    safe = np.where(near, 1.0, total)
    out: Array = np.where(near, 1.0 - total / 2.0, -np.expm1(-safe) / safe)
    return out


def _slope(total: Array, left: Array, inside: Array) -> Array:
    """h'(R)."""
    near = total < SMALL
    out: Array = np.where(near, -0.5 + total / 3.0, (left - inside) / np.where(near, 1.0, total))
    return out

"""Lemma: what Eq. (6) learns. With DU = g . Dp + e, E[e | Dp] = 0, Sigma = E[Dp Dp^T]:

    E(DU - r . Dp)^2 = (r - g)^T Sigma (r - g) + const,

so without entropy the requirement is the Sigma-norm projection of g on the simplex: for Sigma = s^2 I
it is [g - theta]_+, not [g]_+ / sum. The entropy term of Eq. (6), added as a penalty lambda_H H(r),
pulls to corners: beyond lambda_H = 2 lambda_max(Sigma) every local minimum is one-hot, on small Sigma
sometimes the wrong one. That is sufficient, not necessary: `entropy` minimises. Standardising Dp and
DU makes lambda_H comparable over tasks.
"""

from itertools import combinations

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError


def simplex_projection(g: Array) -> Array:
    """argmin |r - g| over the simplex: [g - theta]_+ with theta set by sum = 1 (Duchi et al. 2008)."""
    ordered = np.sort(g)[::-1]
    theta = (np.cumsum(ordered) - 1.0) / np.arange(1, len(g) + 1)
    last = int(np.flatnonzero(ordered > theta)[-1])
    out: Array = np.maximum(g - theta[last], 0.0)
    return out


def sigma_projection(g: Array, sigma: Array) -> Array:
    """argmin (r - g)^T Sigma (r - g) over the simplex, Sigma (K, K) positive definite, exactly.

    All supports are tried: 2^K small solves, K <= 12. Raises ConfigError beyond.
    """
    k = len(g)
    if k > 12:
        raise ConfigError(f"K = {k}: supports are enumerated up to 12")
    best: Array = np.eye(k)[0]
    value = np.inf
    for size in range(1, k + 1):
        for support in map(list, combinations(range(k), size)):
            a = np.zeros((size + 1, size + 1))
            a[:size, :size] = sigma[np.ix_(support, support)]
            a[:size, size] = a[size, :size] = 1.0
            solved = np.linalg.solve(a, np.append((sigma @ g)[support], 1.0))[:size]
            r = np.zeros(k)
            r[support] = solved
            loss = float((r - g) @ sigma @ (r - g))
            if solved.min() >= -1e-12 and loss < value:
                best, value = r, loss
    return best


def objective(r: Array, g: Array, sigma: Array, entropy: float) -> Array:
    """(r - g)^T Sigma (r - g) + lambda_H H(r) over (..., K), H in nats; 0 log 0 = 0."""
    apart = r - g
    with np.errstate(divide="ignore", invalid="ignore"):
        h = -np.where(r > 0, r * np.log(r), 0.0).sum(axis=-1)
    out: Array = np.einsum("...i,ij,...j->...", apart, sigma, apart) + entropy * h
    return out


def corner_entropy(sigma: Array) -> float:
    """2 lambda_max(Sigma): above this lambda_H every local minimum is one-hot."""
    return 2.0 * float(np.linalg.eigvalsh(sigma)[-1])

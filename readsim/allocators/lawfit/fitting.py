"""The law that most papers on data mixing fit: y = e + exp(x . t), by robust least squares."""

import numpy as np

from readsim.arrays import Array

STEPS = 100  # damped Gauss-Newton steps of a fit; most end sooner
LARGEST = 50.0  # exponents are cut here, so that a wild trial step gives a large loss, not infinity


def law(params: Array, x: Array) -> Array:
    """e + exp(x . t) for params (..., 1 + P) = (e, t) and x (N, P): (..., N).

    x may have leading axes of its own, to be broadcast with those of the params but the last.
    """
    out: Array = params[..., :1] + _power(params, x)
    return out


def _power(params: Array, x: Array) -> Array:
    """exp(x . t)."""
    out: Array = np.exp(np.minimum(params[..., 1:] @ x.swapaxes(-1, -2), LARGEST))
    return out


def huber(residual: Array, delta: float) -> Array:
    """r^2 / 2 up to delta, delta (|r| - delta / 2) beyond."""
    size = np.abs(residual)
    out: Array = np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))
    return out


def fit_law(
    x: Array,
    y: Array,
    starts: Array,
    *,
    delta: float,
    low: Array | float = -np.inf,
    high: Array | float = np.inf,
    logs: bool = False,
) -> tuple[Array, Array]:
    """Least Huber loss of e + exp(x . t) - y for J targets y (J, N): params (J, 1 + P), loss (J,).

    x (N, P) is shared, or (J, N, P).

    `starts` (J, G, 1 + P) are descended from side by side, each by Levenberg-Marquardt on the
    re-weighted squares of its residuals within the box [low, high]; the best end is kept. With
    `logs` residuals are those of the logarithms, for positive laws and targets.
    """
    at = np.clip(starts, low, high)
    target = y[:, None, :]
    rows = x if x.ndim == 2 else x[:, None]

    def errors(params: Array) -> Array:
        value = law(params, x)
        out: Array = np.log(np.maximum(value, 1e-300)) - target if logs else value - target
        return out

    if logs:
        target = np.log(target)
    residual = errors(at)
    loss = huber(residual, delta).sum(axis=-1)
    damping = np.full(loss.shape, 1e-3)
    width = at.shape[-1]
    for _ in range(STEPS):
        value = _power(at, x)[..., None]
        slopes = np.concatenate([np.ones_like(value), value * rows], axis=-1)  # (J, G, N, 1 + P)
        if logs:
            slopes /= np.maximum(at[..., :1] + value[..., 0], 1e-300)[..., None]
        weight = np.minimum(1.0, delta / np.maximum(np.abs(residual), 1e-300))
        gradient = np.einsum("jgnp,jgn->jgp", slopes, weight * residual)
        stuck = ((at <= low) & (gradient > 0.0)) | ((at >= high) & (gradient < 0.0))
        free = np.where(stuck, 0.0, 1.0)
        slopes *= free[..., None, :]
        square = np.einsum("jgnp,jgnq->jgpq", slopes * weight[..., None], slopes)
        scale = np.maximum(np.einsum("jgpp->jgp", square), 1e-12) * damping[..., None]
        square[..., np.arange(width), np.arange(width)] += scale
        step = np.linalg.solve(square, (gradient * free)[..., None])[..., 0]
        trial = np.clip(at - step, low, high)
        found = errors(trial)
        better = huber(found, delta).sum(axis=-1)
        accept = better < loss
        gained = np.where(accept, loss - better, 0.0)
        at = np.where(accept[..., None], trial, at)
        residual = np.where(accept[..., None], found, residual)
        loss = np.where(accept, better, loss)
        damping = np.clip(np.where(accept, damping * 0.2, damping * 5.0), 1e-15, 1e12)
        if (gained <= 1e-13 * loss).all() and (accept | (damping > 1e8)).all():
            break
    best = loss.argmin(axis=1)
    each = np.arange(len(loss))
    return at[each, best], loss[each, best]

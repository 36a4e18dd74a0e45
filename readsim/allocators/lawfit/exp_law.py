"""The law that most papers on data mixing fit: y = e + exp(x . t), by robust least squares."""

import numpy as np

from readsim.arrays import Array, Mask

STEPS = 100  # damped Gauss-Newton steps of a fit; most end sooner
LARGEST = 50.0  # exponents are cut here, so that a wild trial step gives a large loss, not infinity
TINY = 1e-300


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


def fit_exp_law(
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
    at, target = np.clip(starts, low, high), np.log(y) if logs else y

    def errors(params: Array) -> Array:
        value = law(params, x)
        shown = np.log(np.maximum(value, TINY)) if logs else value
        out: Array = shown - target[:, None]
        return out

    residual = errors(at)
    loss = huber(residual, delta).sum(axis=-1)
    damping = np.full(loss.shape, 1e-3)
    for _ in range(STEPS):
        gradient, square = _normal_equations(at, x, residual, delta, logs)
        stuck = ((at <= low) & (gradient > 0.0)) | ((at >= high) & (gradient < 0.0))
        trial = np.clip(at - _damped(gradient, square, stuck, damping), low, high)
        found = errors(trial)
        better = huber(found, delta).sum(axis=-1)
        accept = better < loss
        gained = np.where(accept, loss - better, 0.0)
        at = np.where(accept[..., None], trial, at)
        residual = np.where(accept[..., None], found, residual)
        loss = np.where(accept, better, loss)
        damping = np.clip(np.where(accept, damping * 0.2, damping * 5.0), 1e-10, 1e12)
        if (gained <= 1e-13 * loss).all() and (accept | (damping > 1e8)).all():
            break
    best, each = loss.argmin(axis=1), np.arange(len(loss))
    return at[each, best], loss[each, best]


def _normal_equations(
    at: Array, x: Array, residual: Array, delta: float, logs: bool
) -> tuple[Array, Array]:
    """Gradient (J, G, 1 + P) of the Huber loss, and J' w J (J, G, 1 + P, 1 + P) of its squares."""
    power = _power(at, x)[..., None]
    rows = x if x.ndim == 2 else x[:, None]
    slopes = np.concatenate([np.ones_like(power), power * rows], axis=-1)  # (J, G, N, 1 + P)
    if logs:
        slopes /= np.maximum(at[..., None, :1] + power, TINY)
    weight = np.minimum(1.0, delta / np.maximum(np.abs(residual), TINY))
    gradient = np.einsum("jgnp,jgn->jgp", slopes, weight * residual)
    return gradient, np.einsum("jgnp,jgnq->jgpq", slopes * weight[..., None], slopes)


def _damped(gradient: Array, square: Array, stuck: Mask, damping: Array) -> Array:
    """The step (J, G, 1 + P) of Levenberg and Marquardt; none in what is `stuck` at its bound."""
    free = np.where(stuck, 0.0, 1.0)
    square = square * free[..., None, :] * free[..., None]
    size = np.einsum("jgpp->jgp", square)
    size = np.maximum(size, 1e-10 * size.max(axis=-1, keepdims=True) + 1e-30)
    diagonal = np.arange(size.shape[-1])
    square[..., diagonal, diagonal] += np.where(stuck, 1.0, size * damping[..., None])
    step = np.linalg.solve(square, (gradient * free)[..., None])
    return np.asarray(step[..., 0], dtype=np.float64)

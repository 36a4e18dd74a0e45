"""Repairs of an ensemble's uncertainty: what brings it nearer to Assumption C.1 (calibration).

A bootstrap deviation sees that the members disagree, not that all are wrong together. Held-out
transitions, on which the members were not trained, show both.
"""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError

REPAIRS = ("none", "residual", "conformal")
HELD_OUT = 0.1  # share of the offline pool that a repair keeps from the ensemble


def residual_variance(error: Array, sigma: Array) -> float:
    """What sigma^2 lacks on held-out rows: [mean error^2 - mean sigma^2]_+, reward units squared.

    `error` (n,) is reward - mu. The noise of the measured reward is in it, so it errs upwards.
    """
    if not len(error):
        raise ConfigError("residual variance: at least one held-out transition is needed")
    return max(float(np.mean(np.square(error)) - np.mean(np.square(sigma))), 0.0)


def with_residual(sigma: Array, variance: float) -> Array:
    """sqrt(sigma^2 + variance): the residual-variance term added."""
    out: Array = np.sqrt(np.square(sigma) + variance)
    return out


def conformal_kappa(error: Array, sigma: Array, delta: float) -> float:
    """The smallest kappa that covers a new exchangeable pair with probability >= 1 - delta.

    Split conformal prediction (Vovk et al. 2005; Lei et al. 2018): the ceil((n + 1)(1 - delta))-th
    smallest of the scores |error| / sigma; infinity where n is too small for delta. A score is 0
    where error and sigma both are, infinity where only sigma is.

    Raises ConfigError for a delta outside (0, 1), a negative sigma or unequal lengths.
    """
    if not 0 < delta < 1:
        raise ConfigError(f"delta = {delta!r}: expected a probability between 0 and 1")
    scores = np.sort(standard_errors(error, sigma))
    rank = int(np.ceil((len(scores) + 1) * (1.0 - delta) - 1e-12))
    return float(scores[rank - 1]) if rank <= len(scores) else np.inf


def standard_errors(error: Array, sigma: Array) -> Array:
    """|error| / sigma over any axes; 0 / 0 is 0."""
    size, scale = np.abs(np.asarray(error)), np.asarray(sigma)
    if size.shape != scale.shape or (scale < 0).any():
        raise ConfigError(f"errors {size.shape}, sigma {scale.shape}: equal shapes, sigma >= 0")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = size / scale
    return np.where(size == 0, 0.0, ratio)

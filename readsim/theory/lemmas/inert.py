"""Lemma on inert terms: what cannot change a choice.

Affine calibration: for a > 0 the argmax of a mu + b + kappa a sigma is that of mu + kappa sigma. If mu
alone is rescaled the effective kappa is kappa / a. With a <= 0 the proxy points the wrong way.
Equal costs: if all actions of a step cost the same, -lambda_c c_t / B is a constant of that step.
"""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory.result import PaperStatement, Result
from readsim.theory.witness import Decision


def effective_kappa(kappa: float, slope: float) -> float:
    """kappa / a. Raises ConfigError for a <= 0."""
    if not slope > 0:
        raise ConfigError(f"calibration slope {slope}: the proxy is not aligned with the utility")
    return kappa / slope


def calibrated_choice(
    mu: Array, sigma: Array, kappa: float, slope: float = 1.0, shift: float = 0.0
) -> int:
    """argmax of the calibrated upper confidence bound, mu and sigma both in utility units."""
    return int(np.argmax(slope * mu + shift + kappa * slope * sigma))


def check(
    decisions: Sequence[Decision], subject: str, slopes: Sequence[float] = (0.1, 10.0)
) -> Result:
    """Share of decisions that a positive calibration slope, or a cost all pay, would change: 0."""
    changed = [
        calibrated_choice(d.mu, d.sigma, d.kappa, slope, shift)
        != calibrated_choice(d.mu, d.sigma, d.kappa)
        for d in decisions
        if not np.isnan(d.kappa)
        for slope, shift in [(slope, 0.0) for slope in slopes] + [(1.0, -0.01)]
    ]
    return Result(
        statement=PaperStatement.INERT_TERMS,
        subject=subject,
        measure="share of choices that a calibration a > 0 or a common cost changes",
        statistic=float(np.mean(changed)) if changed else np.nan,
        bound=0.0,
        sense="<=",
        advice="calibration matters through stopping, kappa or a <= 0 only",
    )

"""By how much a fitted world misses what a run measures, as its file says it."""

import json
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.conformal import widening_of
from readsim.fitting.law import Fitted
from readsim.fitting.weights import binomial_variance
from readsim.worlds.world import World

KEY = "misfit"
Z95, TINY = 1.959964, 1e-12


class Misfit(NamedTuple):
    """sd (K,) in profile units such that 1.96 sd holds 95 % of runs; correlation (K, K) of capabilities."""

    sd: Array
    correlation: Array

    @property
    def covariance(self) -> Array:
        """(K, K)."""
        out: Array = self.sd[:, None] * self.correlation * self.sd
        return out


def misfit_of(fitted: Fitted, items: Array | None) -> Misfit:
    """From the held-out rows of the law. What items (n, K) explain is measurement, not misfit.

    Without items, the measurement noise of the fitted runs is in it: an upper bound.
    """
    missed = fitted.held_out - fitted.targets
    there = np.isfinite(missed)
    weight = fitted.cell_weight
    filled = np.where(there, missed, 0.0)
    size = np.sqrt((weight * filled**2).sum(axis=0) / np.maximum(weight.sum(axis=0), TINY))
    size = np.where(size > 0.0, size, TINY)
    factor = widening_of(np.abs(missed) / size, weight, fitted.groups).factor / Z95
    variance = (factor * size) ** 2
    if items is not None:
        noise = binomial_variance(fitted.targets, items, fitted.world.scale.low)
        variance = np.maximum(variance - noise.mean(axis=0), 0.0)
    turned = filled / np.maximum(np.sqrt((filled**2).sum(axis=0)), TINY)
    correlation = turned.T @ turned
    np.fill_diagonal(correlation, 1.0)
    return Misfit(np.sqrt(variance), correlation)


def misfit_text(misfit: Misfit) -> str:
    """For the world's provenance."""
    parts = {"sd": misfit.sd, "correlation": misfit.correlation}
    return json.dumps({k: [float(f"{x:.4g}") for x in v.ravel()] for k, v in parts.items()})


def misfit_in(world: World) -> Misfit | None:
    """What a world's file says; None where it says nothing. Raises ConfigError for what cannot be."""
    text = world.provenance.get(KEY)
    if text is None:
        return None
    k = len(world.capabilities)
    try:
        told = json.loads(text)
        sd, correlation = np.array(told["sd"], float), np.array(told["correlation"], float)
        if sd.shape != (k,) or not (np.isfinite(sd).all() and (sd >= 0.0).all()):
            raise ValueError(f"sd of shape {sd.shape}: {k} numbers >= 0 are needed")
        if correlation.shape != (k * k,) or not (np.abs(correlation) <= 1.0 + 1e-9).all():
            raise ValueError(f"correlation: {k} x {k} numbers from -1 to 1 are needed")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(f"provenance of world {world.name!r}: {KEY}: {error}") from error
    return Misfit(sd, correlation.reshape(k, k))

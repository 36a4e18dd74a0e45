"""Losses, which most data-mixing rules are written in, from the profiles that probes show."""

import numpy as np

from readsim.allocators.base import Setup
from readsim.arrays import Array


def losses(setup: Setup, profile: Array) -> Array:
    """(..., V): error rates 1 - p where profiles are scores, else the losses themselves, in nats."""
    return 1.0 - profile if setup.scores else -profile


def required(setup: Setup, values: Array) -> Array:
    """Values (..., V) times V r: what a rule that weighs all domains alike sees of a task.

    The published rules know no requirement; with equal requirements this changes nothing.
    """
    out: Array = values * setup.requirement * len(setup.requirement)
    return out


def of_sources(setup: Setup, values: Array) -> Array:
    """(S,) from (V,): a source has the value of the capability of its name.

    A source without one has the mean of all (of `required` values: the mean over the task).
    """
    mean = float(values.mean())
    named = dict(zip(setup.capabilities, values.tolist(), strict=True))
    return np.array([named.get(name, mean) for name in setup.sources])

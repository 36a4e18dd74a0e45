"""The curriculum: how much of each difficulty bucket, from how much of the budget is spent."""

import math
from typing import Literal, get_args

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

Curriculum = Literal["on", "off", "reversed"]

# Easy, medium, hard at the start and at the end of the budget.
START = (0.5, 0.4, 0.1)
END = (0.15, 0.35, 0.5)


def bucket_mix(spent_fraction: float, curriculum: Curriculum = "on") -> Array:
    """Shares (3,) of easy, medium and hard prompts, which sum to 1.

    q = (1 - u) (.5, .4, .1) + u (.15, .35, .5) with u the spent fraction of the budget, clipped to
    [0, 1]. `reversed` runs from the last mix to the first, `off` is a third each throughout.

    Raises ConfigError for a fraction that is not a number, UnknownNameError for the curriculum.
    """
    if curriculum not in get_args(Curriculum):
        raise unknown("curriculum", curriculum, get_args(Curriculum))
    if math.isnan(spent_fraction):
        raise ConfigError(f"spent fraction: {spent_fraction}, expected a number from 0 to 1")
    if curriculum == "off":
        return np.full(3, 1 / 3)
    u = min(max(float(spent_fraction), 0.0), 1.0)
    if curriculum == "reversed":
        u = 1 - u
    return (1 - u) * np.array(START) + u * np.array(END)

"""How far a measured run may be from what a world predicts, and in words where that is known from."""

import re
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.write import Trained
from readsim.report.world.export import RUNS
from readsim.worlds.world import World

FITTED = (
    "Predictions here are those of the world's shared curves alone; `readsim fit`, `predict` and `design` "
    "average several laws, so that their numbers and intervals differ a little. Intervals are the "
    "prediction plus or minus 1.96 times the error that the fit made on runs it had not seen: 95 % of runs "
    "like those would be measured within, if errors are normal. They hold for mixtures and budgets like "
    "those runs, and are too small outside."
)
INDEPENDENT = (
    "The interval of utility takes the errors of capabilities as independent of each other."
)
KNOWN = (
    "Intervals are where the measured test score of one run would lie 95 % of the time if this world were "
    "the truth: they come from {}, and say nothing of how well the world's equations and numbers match any "
    "model."
)


class Spread(NamedTuple):
    """`error` (K,): standard deviation of a prediction, or None where the test items and the spread between
    runs say it. `sentences` tell a reader what the intervals mean."""

    error: Array | None
    sentences: list[str]

    def change_sd(self, world: World, profile: Array) -> Array:
        """Of a measured change from the start to `profile` (..., K)."""
        if self.error is not None:
            return np.broadcast_to(self.error, profile.shape)
        return world.probe("test").difference_deviation(world.start, profile)


def spread_of(world: World) -> Spread:
    """From the held-out error that a fit wrote into the world, else from the world's own noise."""
    error = held_out_error(world)
    if error is not None:
        return Spread(error, [FITTED, INDEPENDENT])
    varied = bool(world.efficiency_sd.any() or world.process_sd.any())
    sources = ["the number of its test items"]
    if varied:
        sources.append(f"the spread between runs ({RUNS} drawn ones)")
    few = [c for c, n in zip(world.capabilities, world.test_items, strict=True) if n == 0]
    sentences = [KNOWN.format(" and ".join(sources))]
    if few and not varied:
        sentences.append(f"Measured exactly, so without an interval: {', '.join(few)}.")
    return Spread(None, sentences)


def held_out_error(world: World) -> Array | None:
    """RMSE (K,) in profile units of predictions of runs that the fit had not seen, as `readsim fit` writes it
    into the provenance; None for a world that says nothing of it, or of other capabilities."""
    parts = [rf"{re.escape(name)} (\S+)" for name in world.capabilities]
    found = re.fullmatch(r"in \w+: " + ", ".join(parts), world.provenance.get("held_out_rmse", ""))
    try:
        error = np.array([float(text) for text in found.groups()]) if found else None
    except ValueError:
        return None
    if error is None or not np.isfinite(error).all() or (error < 0).any():
        return None
    scaled: Array = error / Trained.of_world(world).scale.per_unit
    return scaled

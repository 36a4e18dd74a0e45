"""Where the prior of `level` comes from: the sizes of effects in drawn worlds.

theta (S, 3) of each visible capability is fitted to noise-free profiles of one-hots, the uniform and random
mixtures at each of 20 steps, in the latent sum of `readsim.allocators.level.effects`; its sum after the
budget, over the room to the teacher or to the floor, is the size of the effect.
"""

from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.table import Table

from readsim.allocators.level.effects import CURVES, LEAST_ROOM, Bend, growth
from readsim.arrays import Array
from readsim.cli.common import progress
from readsim.cli.output import Terminal
from readsim.streams import generator
from readsim.worlds import World
from readsim.worlds.prior import draw_world

FIRST = 20_000
BUDGET, SCALES = 60e6, (1 / 3, 1.0, 2.5)
STEPS, MIXTURES = 20, 24
EDGES = (-0.35, -0.05, 0.05, 0.35, 1.0)  # between the six classes
RIDGE = 1e-4
NEAREST = 0.98  # of the room: a profile that has used it all has no latent sum


def latent(change: Array, room: Bend) -> Array:
    """z with bend(z) = change, both of the same shape."""
    up = -room.up * np.log1p(-np.minimum(change / room.up, NEAREST))
    down = room.down * np.log1p(-np.minimum(-change / room.down, NEAREST))
    return np.where(change > 0.0, up, down)


def world_effects(world: World, budget: float, rng: np.random.Generator) -> pd.DataFrame:
    """One row an effect: its kind (own, cross, unmatched) and size; `rms` is the fit's error,
    `misfit` the same over the room up."""
    s = len(world.sources)
    mixtures = np.concatenate(
        [np.eye(s), np.full((1, s), 1 / s), rng.dirichlet(np.ones(s), MIXTURES)]
    )
    parts = [mixtures * budget / STEPS] * STEPS
    profiles = np.array([world.profile_after(parts[: t + 1], budget) for t in range(STEPS)])
    paces = world.learning_rate.of_steps(STEPS)
    shares = (np.cumsum(paces) / paces.sum())[:, None, None] * mixtures
    features = growth(shares).reshape(STEPS * len(mixtures), -1)
    square = features.T @ features / len(features) + RIDGE * np.eye(s * CURVES)
    rows = []
    for j in world.visible_columns:
        up = max(float(world.ceiling[j] - world.start[j]), LEAST_ROOM)
        room = Bend(np.array(up), np.array(max(float(world.start[j]), LEAST_ROOM)))
        change = (profiles[..., j] - world.start[j]).ravel()
        theta = np.linalg.solve(square, features.T @ latent(change, room) / len(features))
        rms = float(np.sqrt(((room.value(features @ theta) - change) ** 2).mean()))
        name = world.capabilities[j]
        for source, total in zip(world.sources, theta.reshape(s, CURVES).sum(axis=1), strict=True):
            other = "cross" if name in world.sources else "unmatched"
            size = total / float(room.up if total > 0.0 else room.down)
            rows.append(("own" if source == name else other, size, rms, rms / up))
    return pd.DataFrame(rows, columns=["kind", "size", "rms", "misfit"])


def class_shares(effects: pd.DataFrame) -> pd.DataFrame:
    """How often an effect of each kind (rows) is of each class (columns)."""
    classes = np.digitize(effects["size"].to_numpy(), EDGES)
    return pd.crosstab(effects["kind"], classes, normalize="index").reindex(
        columns=range(len(EDGES) + 1), fill_value=0.0
    )


def main(
    worlds: Annotated[int, typer.Option(min=1, help="This many worlds are drawn.")] = 300,
) -> None:
    """Measure how large the effects of drawn worlds are."""
    console = Terminal()
    found = []
    with progress(Terminal(stderr=True)) as bar:
        job = bar.add_task("worlds", total=worlds)
        for seed in range(FIRST, FIRST + worlds):
            rng = generator(seed, "data")
            budget = BUDGET * float(rng.choice(SCALES))
            found.append(world_effects(draw_world("broad", seed), budget, rng))
            bar.advance(job)
    effects = pd.concat(found, ignore_index=True)
    shown = Table("kind", *(f"class {n}" for n in range(len(EDGES) + 1)))
    for kind, row in class_shares(effects).iterrows():
        shown.add_row(str(kind), *(f"{x:.3f}" for x in row))
    console.print(shown)
    misfit = float(np.sqrt((effects["misfit"] ** 2).mean()))
    console.print(
        f"error of the fit, median: {effects['rms'].median():.4f}; over the room up, rms: {misfit:.3f}"
    )

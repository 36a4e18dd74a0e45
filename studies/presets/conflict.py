"""`conflict`: a drawn table of effects with the statistics of Skill-It's graph, not that graph."""

import numpy as np

from readsim.arrays import Array
from readsim.worlds import World
from readsim.worlds.effects import world_from_effects
from studies.presets.published import (
    SKILL_IT,
    SKILL_IT_HARM,
    SKILL_IT_HELP,
    SKILL_IT_MIRROR,
    SKILL_IT_NEGATIVE,
)
from studies.presets.tables import CEILING, START, average_and_focus

SEED = 2
SKILLS = 8
WITHIN_ROW = 0.35  # sd of what is not the source's own tendency
COUPLINGS = np.linspace(-0.5, 1.5, 201)


def mirror_correlation(table: Array) -> float:
    """Correlation of T_ij with T_ji over i != j."""
    off = ~np.eye(len(table), dtype=np.bool_)
    return float(np.corrcoef(table[off], table.T[off])[0, 1])


def two_sided(latent: Array) -> Array:
    """Off-diagonal ranks of `latent` (K, K) mapped to exponential tails; the diagonal is 1.

    The lowest SKILL_IT_NEGATIVE of the entries become harms of mean size SKILL_IT_HARM, the others
    helps of mean size SKILL_IT_HELP, exactly.
    """
    off = ~np.eye(len(latent), dtype=np.bool_)
    count = int(off.sum())
    negative = int(np.round(SKILL_IT_NEGATIVE * count))

    def tail(n: int, mean: float) -> Array:
        quantiles = -np.log1p(-(np.arange(n) + 0.5) / n)
        out: Array = quantiles * (mean / quantiles.mean())
        return out

    values = np.concatenate(
        [-tail(negative, SKILL_IT_HARM)[::-1], tail(count - negative, SKILL_IT_HELP)]
    )
    table = np.eye(len(latent))
    table[off] = values[np.argsort(np.argsort(latent[off], kind="stable"), kind="stable")]
    return table


def draw_table(seed: int = SEED, k: int = SKILLS) -> Array:
    """Effects (K, K): latent_ij = row_i - coupling * row_j + noise_ij, mapped by `two_sided`.

    A source tends to help or to harm all others (row_i); with a positive coupling, sources that help
    are hard to help. The coupling is the one on a grid at which `mirror_correlation` comes nearest
    to SKILL_IT_MIRROR.
    """
    rng = np.random.default_rng(seed)
    row = rng.standard_normal(k)
    noise = WITHIN_ROW * rng.standard_normal((k, k))
    tables = [two_sided(row[:, None] - c * row[None, :] + noise) for c in COUPLINGS]
    distance = [abs(mirror_correlation(table) - SKILL_IT_MIRROR) for table in tables]
    return tables[int(np.argmin(distance))]


def conflict() -> World:
    """The world."""
    names = tuple(f"skill_{i + 1}" for i in range(SKILLS))
    world = world_from_effects(
        draw_table(),
        names,
        names,
        name="conflict",
        tokens=30e6,
        start=START,
        ceiling=CEILING,
        unit="relative",
        provenance={
            "effects": f"ours: drawn, seed {SEED}; share below 0, mean help, mean harm, correlation "
            f"of T with its transpose and dominance of the source follow the {SKILL_IT}"
        },
    )
    return world.replace(
        description=(
            "Eight skills, of which most sources harm most others. For: negative transfer and the "
            "price of the reward, Eq. (9), on what fell."
        ),
        tasks=average_and_focus(names),
    )

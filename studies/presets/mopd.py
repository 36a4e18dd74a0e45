"""`mopd-qwen3.5-9b`: three teachers distilled into one student, from the reported rows of DN-MOPD.

Li et al. 2026, DN-MOPD evaluation records (arXiv 2609.35347, LiXin97/DN-MOPD), CC BY 4.0. Their domain
scores are the means of two benchmarks each: math of AIME 25 and 26, code of LiveCodeBench v5 and v6,
if (instruction following) of IFEval and IFBench; Qwen3.5 9B, 16,384 tokens a reply.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from readsim.arrays import Array
from readsim.worlds import World

NAMES = ("math", "code", "if")
UPDATE = 1e6  # tokens that an update is counted as; the records have no token counts
START = (60.15, 53.15, 58.1)
THIRDS = (1 / 3, 1 / 3, 1 / 3)
NORMALISED = (4 / 9, 4 / 9, 1 / 9)


class Row(NamedTuple):
    """One trained student: shares of the domains, updates, scores, and half of a change's 95 % interval:
    as reported where `paired`, else about as wide as those of its domain."""

    shares: tuple[float, float, float]
    updates: int
    scores: tuple[float, float, float]
    half: tuple[float, float, float]
    paired: tuple[bool, bool, bool] = (False, False, False)


USUAL = (1.9, 2.0, 1.0)
ROWS = {
    "single-math": Row((1, 0, 0), 80, (64.2, 51.55, 58.55), (1.94, 2.0, 1.0), (True, False, False)),
    "single-code": Row((0, 1, 0), 80, (62.25, 54.8, 58.4), USUAL),
    "single-if": Row((0, 0, 1), 80, (59.35, 50.65, 61.8), USUAL),
    "single-if-160": Row((0, 0, 1), 160, (58.775, 51.25, 62.87), USUAL),
    "label-routed": Row(THIRDS, 80, (59.25, 54.7, 61.2), (1.59, 2.015, 0.97), (True,) * 3),
    "label-routed-160": Row(THIRDS, 160, (60.415, 54.965, 62.77), USUAL),
    "domain-normalised": Row(
        NORMALISED, 80, (63.3, 53.85, 61.6), (1.915, 1.805, 0.985), (True,) * 3
    ),
    "domain-normalised-160": Row(NORMALISED, 160, (64.475, 54.585, 63.075), USUAL),
}
# Rows that are no allocation of this world: (math, code, if).
BESIDE = {
    "uniform pool, 80 updates": (61.5, 52.95, 59.5),
    "dynamic router, 80 updates": (59.95, 53.45, 61.0),
    "offline SFT on the teachers' replies": (64.45, 59.35, 64.2),
    "average merge of the teachers": (63.85, 52.45, 60.25),
    "task-arithmetic merge of the teachers": (63.85, 53.05, 64.7),
}
# What `least_squares_fit` finds, rounded: effects help where ALONE is positive and harm elsewhere.
EFFECT = np.array([[0.115, 0.207, 0.0183], [0.0329, 0.062, 0.01], [0.0188, 0.0031, 0.0492]])
ALONE = np.array([[1, -1, 1], [1, 1, 1], [-1, -1, 1]])  # signs of the changes of single teachers
SCALE = np.array([181.0, 110.0, 7.89])  # updates
LIMIT = np.array([0.0218, 0.0222, 0.05])


def mopd() -> World:
    """A world of three sources, which no row but those of ROWS was fitted to."""
    change = {
        name: ", ".join(f"{v - s:+.2g}" for v, s in zip(scores, START, strict=True))
        for name, scores in BESIDE.items()
    }
    beside = "; ".join(f"{name} {text}" for name, text in change.items())
    return world_of(EFFECT, SCALE, LIMIT).replace(
        description=(
            "Three RL experts of Qwen3.5 9B distilled on-policy into one student, fitted to eight "
            "reported students. For: single teachers do not add up (all three together bring math -0.9, "
            "and alone +4.1, +2.1, -0.8), and a quieter loud domain mends it; what interference that "
            "saturates can say."
        ),
        provenance={
            "scores": "paper: Li et al. 2026, DN-MOPD evaluation records, arXiv 2609.35347, LiXin97/DN-MOPD, "
            "CC BY 4.0; a domain is the mean of two benchmarks",
            "effects": "inferred: fitted to 24 changes of eight students (one teacher alone, label-routed, "
            "domain-normalised, 80 and 160 updates) with 15 numbers",
            "not_identified": "inferred: ceilings (ours: 0.70, 0.62, 0.70), scales of math and code, and "
            "which of help and harm makes up a small effect: too few rows. An effect alone is known to about "
            "2 points; of nine, one alone has a reported interval",
            "shares": "ours: label-routed is thirds of the updates, domain-normalised the same with if a "
            "quarter as loud; an update counts as 1M tokens",
            "misses": "ours: instruction following after 80 label-routed updates is 1.1 points too high "
            "here, just outside its interval; the other 23 changes lie inside. Fitted without the limit of "
            "interference, math after 80 label-routed updates is outside, too (2.2 points too high); the sum "
            "of squares of all is 31.7 then and 24.9 with the limit's three numbers: weak evidence for it",
            "beside": f"paper: not allocations of this world, change of math, code, if: {beside}",
        },
    )


def world_of(effect: Array, scale: Array, limit: Array | None) -> World:
    """The world of nine effects (S, K), scales (S,) in updates and limits (K,), or no limit."""
    return World(
        name="mopd-qwen3.5-9b",
        sources=NAMES,
        capabilities=NAMES,
        dynamics="potential",
        link="saturating",
        start=np.array(START) / 100.0,
        floor=np.zeros(3),
        ceiling=np.array([0.70, 0.62, 0.70]),
        gain=("exponential",) * 3,
        scale_tokens=scale * UPDATE,
        help=np.where(ALONE > 0, effect, 0.0),
        harm=np.where(ALONE < 0, effect, 0.0),
        interference_limit=np.zeros(0) if limit is None else limit,
        horizon=200.0 * UPDATE,
        tasks={
            "average": {"requirement": dict.fromkeys(NAMES, 1.0)},
            **{own: {"requirement": dict.fromkeys(NAMES, 0.2) | {own: 0.6}} for own in NAMES},
        },
        provenance={},
    )


def misses(world: World, row: Row) -> Array:
    """By how many half intervals (K,) the world's scores are above the row's."""
    told = 100.0 * world.static_profile(np.array(row.shares), row.updates * UPDATE)
    out: Array = (told - row.scores) / row.half
    return out


def least_squares_fit(limited: bool = True) -> World:
    """Least squares on ROWS, changes in standard errors, with a weak pull (.3 standard deviations) of all
    logarithms to .04 (effects), 40, 40 and 15 updates (scales) and .05 (limits)."""
    first = np.log([0.04] * 9 + [40.0, 40.0, 15.0] + [0.05] * (3 if limited else 0))

    def at(logs: Array) -> World:
        v = np.exp(logs)
        return world_of(v[:9].reshape(3, 3), v[9:12], v[12:] if limited else None)

    def off(logs: Array) -> Array:
        world = at(logs)
        rows = [1.96 * misses(world, row) for row in ROWS.values()]
        return np.concatenate([*rows, 0.3 * (logs - first)])

    return at(least_squares(off, first, diff_step=[1e-3], max_nfev=60).x)

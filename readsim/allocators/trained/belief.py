"""What a run has shown of its sources: a Kalman filter for each capability, for N runs at once.

The state of capability j is its level and what each source would bring to it per share of the budget (at the
peak learning rate), [l_j, e_1j, ..., e_Sj]. A step with shares a_i of the budget, each times its pace, moves

    l_j <- l_j + sum_i a_i e_ij,      e_ij <- e_ij + noise of variance (turn s_j)^2 a_i,

and a probe shows l_j plus noise: effects fade, and only those that are trained. Probe errors of a run share
its item sample, which is part of l_j here; what is left is new in each probe, the share `fresh` of the
variance. s_j is the gap to the teacher plus .05. The nine numbers of `Prior` are trained with the network.

All functions take the array module `xp`, numpy or torch, and change nothing in place.
"""

from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array

Tensor = Any  # an array of `xp`
TILT = 0.5
TINY = 1e-8  # of a variance: probes without noise
PRIOR = (
    ("own", 0.6),  # what the source of its name brings, over the gap
    ("own_sd", 0.6),
    ("other_gap_sd", 0.2),  # another source, over the gap, and over the level that it may harm
    ("other_level_sd", 0.2),
    ("turn", 0.5),
    ("drift", 0.03),  # of the level itself, over s, in a whole budget
    ("fresh", 0.2),
    ("unmatched", 0.1),  # what a source brings to the capabilities, where none has its name
    ("unmatched_sd", 0.4),
)


class Known(NamedTuple):
    """What is known before the first step, of N runs. A teacher that nobody measured is guessed."""

    match: Tensor  # (N, S, V) 1 where source and capability have one name
    requirement: Tensor  # (N, V)
    shares: Tensor  # (N, S) the requirement as shares of the sources, `tilted`
    teacher: Tensor  # (N, V)
    teacher_known: Tensor  # (N, 1)
    item_variance: Tensor  # (N, V) 1 / items, 0 for an exact probe
    lowest: Tensor  # (N, 1) of scores
    losses: Tensor  # (N, 1) 1 for negated losses
    pools: Tensor  # (N, S) distinct tokens over the budget, at most 10
    exponent: Tensor  # (N, 1) of the utility (sum r min(p, cap)^e)^(1/e): 1 where it is linear
    cap: Tensor  # (N, 1)
    paces: Tensor  # (N, T) of each step's tokens
    start: Tensor  # (N, V) first probe


def tilted(shares: Array, match: Array, lots: Array) -> Array:
    """Shares (N, S) in which sources that no capability is named after differ by chance, as `lots` (N, S) say
    (standard normal): a network that treats all sources alike would never try one before another."""
    out = shares * np.where(match.sum(-1) > 0, 1.0, np.exp(TILT * lots))
    total: Array = out / out.sum(-1, keepdims=True)
    return total


class Belief(NamedTuple):
    """Means and covariances: level (N, V), effect (N, V, S), their variances and covariances."""

    level: Tensor
    effect: Tensor
    level_var: Tensor  # (N, V)
    cross: Tensor  # (N, V, S) of level and effects
    effect_cov: Tensor  # (N, V, S, S)


def noise(xp: Any, known: Known, profile: Tensor) -> Tensor:
    """Variance (N, V) of one probe of `profile`: binomial for scores, 1 / items nats for losses."""
    spread = xp.clip((profile - known.lowest) * (1.0 - profile), 1e-3, None)
    return known.item_variance * (spread * (1.0 - known.losses) + known.losses)


def scale(xp: Any, known: Known) -> Tensor:
    """s (N, V)."""
    return xp.clip(known.teacher - known.start, 0.0, None) + 0.05


def begin(xp: Any, known: Known, prior: Tensor) -> Belief:
    """Before the first step. `prior` (9,) holds logarithms of the numbers of `PRIOR`."""
    own, own_sd, gap_sd, level_sd, _, _, fresh, alone, alone_sd = xp.exp(prior)
    gap = (scale(xp, known) - 0.05)[:, :, None]
    height = xp.abs(known.start)[:, :, None]
    match = xp.swapaxes(known.match, 1, 2)
    # a source without a capability of its name teaches one that is not known
    lonely = (1.0 - xp.clip(match.sum(1), None, 1.0))[:, None, :]
    effect = gap * (match * own + lonely * alone)
    spread = (match * own_sd * gap) ** 2 + (lonely * alone_sd * gap) ** 2
    other = (1.0 - match) * ((gap_sd * gap) ** 2 + (level_sd * height) ** 2)
    level_var = fresh * noise(xp, known, known.start) + TINY
    eye = xp.eye(known.match.shape[1], dtype=known.match.dtype)
    return Belief(
        level=known.start,
        effect=effect,
        level_var=level_var,
        cross=xp.zeros_like(effect),
        effect_cov=(spread + other + TINY)[..., None] * eye,
    )


def learn(xp: Any, known: Known, prior: Tensor, old: Belief, a: Tensor, profile: Tensor) -> Belief:
    """After a step with `a` (N, S), shares of the budget times their pace, that ended at `profile` (N, V)."""
    _, _, _, _, turn, drift, fresh, _, _ = xp.exp(prior)
    s = scale(xp, known)
    row = a[:, None, :]
    level = old.level + (old.effect * row).sum(-1)
    moved = (old.effect_cov * a[:, None, None, :]).sum(-1)  # (N, V, S)
    level_var = old.level_var + (2.0 * old.cross * row).sum(-1) + (moved * row).sum(-1)
    level_var = level_var + (drift * s) ** 2 * a.sum(-1)[:, None]
    cross = old.cross + moved
    eye = xp.eye(a.shape[1], dtype=a.dtype)
    effect_cov = old.effect_cov + ((turn * s) ** 2)[..., None, None] * row[..., None] * eye
    total = level_var + fresh * noise(xp, known, profile) + TINY
    error = (profile - level) / total
    return Belief(
        level=level + level_var * error,
        effect=old.effect + cross * error[..., None],
        level_var=level_var * (1.0 - level_var / total),
        cross=cross * (1.0 - level_var / total)[..., None],
        effect_cov=effect_cov - cross[..., :, None] * (cross / total[..., None])[..., None, :],
    )

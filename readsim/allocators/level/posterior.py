"""Levels of all capabilities given what probes showed: a Gaussian for each, its prior by classes of effects.

Each capability's theta (S x 3) is Gaussian, given Gaussian stand-ins for the priors of its effects ("sites").
The sites follow by expectation propagation (Minka 2001, arXiv 1301.2294): what the data say of one effect
meets the six classes, and the moments of that mixture replace the site. The bend is linearised where the
round before ended.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.allocators.level.effects import (
    ALIKE,
    CURVES,
    LEAST_ROOM,
    Bend,
    Classes,
    effect_classes,
    growth,
)
from readsim.arrays import Array, Mask

ITEMS, PAIRING = 64.0, 0.85  # of a probe that nothing is known of
EXACT = 1e5  # items that a probe without noise counts as
MISFIT = (
    0.05  # of the room up: the model's own error, by world .01 (median) to .09 (rms) in drawn ones
)
STRENGTH = (
    8.0  # of what is first thought of the noise, in measurements; those of the run soon outweigh it
)
SHIFT = 1.0 + 2.0 * PAIRING / (
    1.0 - PAIRING
)  # shared error of a split with items of its own: see Probed
DAMPING = 0.7
LEAST_SLOPE = 0.05
SLACK = 1.0  # relative error of each source's part: what runs differ by and what the model lacks


class Probed(NamedTuple):
    """The probes of N runs: change (N, n, V) since the first one, after the shares (N, n, S) of the budget.

    Those of a run have the error of its first probe in common, so that their errors have the covariance
    s^2 (I + shared 11'), shared = 1; of another split, whose items have their own luck, it is `SHIFT`.
    """

    shares: Array
    change: Array
    shared: float = 1.0


class LevelPosterior(NamedTuple):
    """theta of V capabilities: mean (V, D) and covariance (V, D, D), D = 3 S; room (V,) up and down.

    `noise` is the variance of a probe's error over what was first thought.
    """

    mean: Array
    covariance: Array
    room: Bend
    noise: float

    def of(self, chosen: Mask) -> "LevelPosterior":
        """That of some capabilities, `chosen` (V,)."""
        room = Bend(self.room.up[chosen], self.room.down[chosen])
        return LevelPosterior(self.mean[chosen], self.covariance[chosen], room, self.noise)


class _Sites(NamedTuple):
    """Gaussian stand-ins of the effects' priors: precision (V, S, 3, 3), precision times mean (V, S, 3)."""

    precision: Array
    shift: Array


def level_posterior(
    evidence: Sequence[Probed],
    first: Array,
    teacher: Array,
    own: Mask,
    lowest: float | None,
    items: Array,
    rounds: int = 2,
) -> LevelPosterior:
    """What is known of all levels, from the first probe (V,), the teacher (V,) and the evidence.

    own      (V, S): which source has the name of the capability
    lowest   the lowest score; None for negated losses, which have no floor: the room below is then
             taken to be that to the teacher
    items    (V,) of a probe; 0 where it is exact

    A row's error is that of the probe and of the model itself, `MISFIT` of the room to the teacher: without
    it exact probes, and losses that fall faster than any of the curves, would count as proof of effects that
    are not there.

    A round costs V inverses of 3 S x 3 S.
    """
    up = np.maximum(teacher - first, LEAST_ROOM)
    room = Bend(up, up if lowest is None else np.maximum(first - lowest, LEAST_ROOM))
    classes = effect_classes(room, own)
    mean, spread = classes.moments
    precision, _ = _inverse(spread)
    sites = _Sites(precision, _times(precision, mean))
    found = LevelPosterior(mean.reshape(len(first), -1), _whole(spread), room, 1.0)
    if not evidence:
        return found
    likely = np.clip(first, 0.05, 0.95)
    variance = np.ones_like(first) if lowest is None else likely * (1.0 - likely)
    variance = variance * (1.0 - PAIRING) / np.where(items > 0.0, items, EXACT) + (MISFIT * up) ** 2
    for _ in range(rounds):
        rows = [_linear(found, e) for e in evidence]
        facts = _summed(rows)
        found = _updated(found, sites, facts, variance)
        found = found._replace(noise=_noise(found, rows, variance))
        sites = _refined(found, sites, classes)
    return _updated(found, sites, facts, variance)


class _Rows(NamedTuple):
    """Linear regression of N runs: inputs (V, N, n, D), targets (V, N, n), weight of the shared error."""

    inputs: Array
    targets: Array
    common: float


def _linear(found: LevelPosterior, evidence: Probed) -> _Rows:
    """`change = bend(z)` around the z that is now thought."""
    shares, change, shared = evidence
    runs, n = shares.shape[:2]
    features = growth(shares).reshape(runs * n, -1)
    bend = Bend(found.room.up[:, None], found.room.down[:, None])
    z = found.mean @ features.T
    slope = np.maximum(bend.slope(z), LEAST_SLOPE)
    targets = change.reshape(runs * n, -1).T - bend.value(z) + slope * z
    inputs = (slope[..., None] * features).reshape(len(z), runs, n, -1)
    return _Rows(inputs, targets.reshape(len(z), runs, n), shared / (1.0 + shared * n))


def _summed(rows: Sequence[_Rows]) -> tuple[Array, Array]:
    """X' W X (V, D, D) and X' W t (V, D), W = (I + shared 11')^-1 in each run, over all runs."""
    v, d = len(rows[0].inputs), rows[0].inputs.shape[-1]
    square, cross = np.zeros((v, d, d)), np.zeros((v, d))
    for x, t, common in rows:
        flat, sums = x.reshape(v, -1, d), x.sum(axis=2)
        turned = sums.swapaxes(1, 2)
        square = square + flat.swapaxes(1, 2) @ flat - common * (turned @ sums)
        cross = cross + _times(flat.swapaxes(1, 2), t.reshape(v, -1))
        cross = cross - common * _times(turned, t.sum(axis=2))
    return square, cross


def _updated(
    found: LevelPosterior, sites: _Sites, facts: tuple[Array, Array], variance: Array
) -> LevelPosterior:
    weight = 1.0 / (variance * found.noise)
    precision = facts[0] * weight[:, None, None] + _whole(sites.precision)
    covariance: Array = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    mean = _times(covariance, facts[1] * weight[:, None] + sites.shift.reshape(len(weight), -1))
    return found._replace(mean=mean, covariance=covariance)


def _noise(found: LevelPosterior, rows: Sequence[_Rows], variance: Array) -> float:
    """Expected whitened residual variance over `variance`, with the first guess as STRENGTH rows."""
    total, count = STRENGTH, STRENGTH
    for x, t, common in rows:
        v, d = len(x), x.shape[-1]
        flat, sums = x.reshape(v, -1, d), x.sum(axis=2)
        rest = t - _times(flat, found.mean).reshape(t.shape)
        spread = ((flat @ found.covariance) * flat).sum(axis=(1, 2))
        of_sums = ((sums @ found.covariance) * sums).sum(axis=(1, 2))
        squares = (rest**2).sum(axis=(1, 2)) + spread
        squares -= common * ((rest.sum(axis=2) ** 2).sum(axis=1) + of_sums)
        total += float((squares / variance).sum())
        count += t.size
    return float(np.clip(total / count, 0.02, 50.0))


def _refined(found: LevelPosterior, sites: _Sites, classes: Classes) -> _Sites:
    """The sites by the moments of (what the data say of an effect) x (its classes)."""
    v, s = sites.shift.shape[:2]
    inner, _ = _inverse(_blocks(found.covariance))
    said = inner - sites.precision  # by the data alone (the cavity); positive but for rounding
    pull = _times(inner, found.mean.reshape(v, s, CURVES)) - sites.shift
    lean = _times(classes.precision, classes.mean)  # (G, V, 3)
    spread, volume = _inverse(classes.precision[:, :, None] + said)
    joint = lean[:, :, None] + pull
    mean = _times(spread, joint)  # (G, V, S, 3)
    fit = (joint * mean).sum(axis=-1) - np.log(volume)
    fit -= (classes.log_volume + (lean * classes.mean).sum(axis=-1))[..., None]
    weights = np.moveaxis(class_weights(0.5 * np.moveaxis(fit, 0, -1), classes), -1, 0)
    middle = (weights[..., None] * mean).sum(axis=0)
    off = mean - middle
    tilted = (weights[..., None, None] * (spread + off[..., None] * off[..., None, :])).sum(axis=0)
    wide = 0.01 / np.maximum(found.room.up, found.room.down) ** 2
    precision = _at_least(_inverse(tilted)[0] - said, wide[:, None, None])
    shift = _times(precision + said, middle) - pull
    return _Sites(
        DAMPING * precision + (1.0 - DAMPING) * sites.precision,
        DAMPING * shift + (1.0 - DAMPING) * sites.shift,
    )


def class_weights(fit: Array, classes: Classes) -> Array:
    """Probabilities (V, S, G) of the classes from log likelihoods (V, S, G), rows exchanging what they know.

    With probability ALIKE an effect has the class of its row, else one of its own: exact belief
    propagation on that tree of one row.
    """
    likely = np.exp(fit - fit.max(axis=-1, keepdims=True))
    alone = (classes.weights * likely).sum(axis=-1, keepdims=True)
    said = np.log(ALIKE * likely + (1.0 - ALIKE) * alone) * classes.coupled[..., None]
    others = said.sum(axis=0) - said
    row = classes.weights * np.exp(others - others.max(axis=-1, keepdims=True))
    row /= row.sum(axis=-1, keepdims=True)
    shared = ALIKE * row + (1.0 - ALIKE) * classes.weights
    out = np.where(classes.coupled[..., None], shared, classes.weights) * likely
    return np.asarray(out / out.sum(axis=-1, keepdims=True))


def improvement(
    found: LevelPosterior, shares: Array, anchor: Array, requirement: Array
) -> tuple[Array, Array]:
    """r . (level after shares - level after the anchor): mean and standard deviation, each (A,).

    `shares` (A, S) and `anchor` (S,) are sums over the whole run. The mean is over the posterior (three
    Gauss-Hermite points); the deviation is of the linearised bend, with SLACK for each source's part.
    Capabilities count as independent.
    """
    rows = np.concatenate([anchor[None], shares])
    features = growth(rows).reshape(len(rows), -1)
    z = found.mean @ features.T  # (V, 1 + A)
    half = features @ found.covariance
    spread = np.maximum((half * features).sum(axis=-1), 0.0)
    wide = np.sqrt(3.0 * spread)
    bend = Bend(found.room.up[:, None], found.room.down[:, None])
    level = (4.0 * bend.value(z) + bend.value(z + wide) + bend.value(z - wide)) / 6.0
    slope = bend.slope(z)
    first, variance = slope[:, :1], slope**2 * spread
    variance = variance + variance[:, :1] - 2.0 * slope * first * (half @ features[0])
    parts = (found.mean[:, None] * features).reshape(*z.shape, -1, CURVES).sum(axis=-1)
    parts *= slope[..., None]
    variance += SLACK**2 * ((parts - parts[:, :1]) ** 2).sum(axis=-1)
    gain = requirement @ (level - level[:, :1])
    deviation = np.sqrt(np.maximum(requirement**2 @ variance, 0.0))
    return gain[1:], deviation[1:]


def _times(matrix: Array, vector: Array) -> Array:
    """Matrix times vector over leading axes."""
    out: Array = (matrix @ vector[..., None])[..., 0]
    return out


def _inverse(matrix: Array) -> tuple[Array, Array]:
    """The inverses (..., 3, 3) and determinants (...) of symmetric positive 3 x 3 matrices, by cofactors."""
    a, b, c = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2]
    d, e, f = matrix[..., 1, 1], matrix[..., 1, 2], matrix[..., 2, 2]
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    volume = a * aa + b * bb + c * cc
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    out = np.stack([aa, bb, cc, bb, dd, ee, cc, ee, ff], axis=-1) / volume[..., None]
    return out.reshape(matrix.shape), volume


def _at_least(matrix: Array, least: Array) -> Array:
    """The symmetric matrices with no eigenvalue below `least`."""
    values, vectors = np.linalg.eigh(matrix)
    out: Array = (vectors * np.maximum(values, least)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return out


def _whole(blocks: Array) -> Array:
    """(V, S, 3, 3) on the diagonal of (V, 3 S, 3 S)."""
    v, s = blocks.shape[:2]
    out = np.zeros((v, s, CURVES, s, CURVES))
    each = np.arange(s)
    out[:, each, :, each, :] = blocks.swapaxes(0, 1)
    return out.reshape(v, s * CURVES, s * CURVES)


def _blocks(matrix: Array) -> Array:
    """The diagonal blocks (V, S, 3, 3) of (V, 3 S, 3 S)."""
    v, s = matrix.shape[0], matrix.shape[1] // CURVES
    each = np.arange(s)
    out: Array = matrix.reshape(v, s, CURVES, s, CURVES)[:, each, :, each, :].swapaxes(0, 1)
    return out

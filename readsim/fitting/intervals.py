"""How sure a fit is: bootstrap intervals of what can be read off it, and what the data cannot tell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.build import world_of
from readsim.fitting.cross_validation import candidates
from readsim.fitting.identified import identified
from readsim.fitting.law import Fitted
from readsim.fitting.network import Network
from readsim.fitting.solve import SEARCH, FittedNetwork, minimise, solve
from readsim.streams import generator
from readsim.worlds.world import World

RESAMPLES, REFIT = 40, 200
STEP = 0.01  # of the share that an effect is stated for
Z95 = 1.959964
EDGE = 1e-9
ALIKE = (
    1.25  # times the error of the best law: another one that misses by no more may be true as well
)


class Interval(NamedTuple):
    """An estimate and its 95 % interval, arrays of one shape."""

    value: Array
    low: Array
    high: Array

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether the data say anything of it: a finite interval."""
        out: NDArray[np.bool_] = np.isfinite(self.low) & np.isfinite(self.high)
        return out

    @property
    def spans_zero(self) -> NDArray[np.bool_]:
        """Whether 0 is inside."""
        out: NDArray[np.bool_] = (self.low <= 0.0) & (self.high >= 0.0)
        return out


@dataclass(frozen=True, eq=False)
class FitIntervals:
    """In profile units. effect (S, K): of one more percent of the source, see `effect_intervals`.

    start and ceiling (K,) are the fitted bounds, the interval endless where the runs do not speak of them
    (`readsim.fitting.identified`); `mixture` (S,) and `budget` are where effects hold.
    """

    effect: Interval
    start: Interval
    ceiling: Interval
    mixture: Array
    budget: float


def effect_intervals(world: World, mixture: Array, budget: float) -> Array:
    """(S, K): change of the profile when a source's share rises by STEP and the others shrink in
    proportion, at shares `mixture` (S,) of `budget` tokens. A source with all tokens has none: 0."""
    s = len(mixture)
    left = 1.0 - mixture
    more = np.minimum(STEP, left)
    shrink = np.where(left > EDGE, (left - more) / np.maximum(left, EDGE), 1.0)
    moved = mixture * shrink[:, None]
    moved[range(s), range(s)] = mixture + more
    after, before = world.profile_after([moved * budget]), world.profile_after([mixture * budget])
    out: Array = after - before
    return out


def resampled(fitted: Fitted, count: int, seed: int, tick: Callable[[], None]) -> Iterator[World]:
    """Worlds fitted to groups of rows drawn with replacement, each from another member's solution."""
    groups = fitted.groups[fitted.order.rows]
    names = np.unique(groups)
    for b in range(count):
        drawn = generator(seed, "bootstrap", b).integers(0, len(names), len(names))
        counts = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        weight = counts[np.searchsorted(names, groups), None]
        if fitted.data.weight is not None:
            weight = weight * fitted.data.weight
        data = replace(fitted.data, weight=np.broadcast_to(weight, fitted.data.bad.shape))
        tick()
        if not (data.known.sum(axis=0) > 0.5).all():
            continue  # a capability whose only measurements were not drawn
        world = _refit(fitted, fitted.solutions[b % len(fitted.solutions)], data.weight)
        yield world


def _refit(fitted: Fitted, solution: FittedNetwork, weight: Array | None) -> World:
    """The world of one member with start and E free again, on weighted rows."""
    data, parts = replace(fitted.data, weight=weight), solution.parts
    share = np.clip(parts.rest / np.maximum(data.least, EDGE), EDGE, 1.0 - EDGE)
    flat = solution.flat[-(parts.feeds.size + parts.help.size * (1 + fitted.choice.harm)) :]
    free = [np.log(share) - np.log1p(-share), flat]
    if data.start is None:
        free.insert(0, parts.offset)
    network = Network(data, fitted.choice, solution.network.first)
    found = minimise(network, np.concatenate(free), REFIT)
    world = fitted.world
    return world_of(
        fitted.order.given(found.parts),
        fitted.choice,
        world.sources,
        world.capabilities,
        fitted.unit,
        "resampled",
        world.scale.lowest,
    )


def other_laws(fitted: Fitted) -> tuple[Array, Array, Array]:
    """What other gain families and links make of all rows: starts (L, K), ceilings (L, K) and squared errors
    (L, K); the fitted world comes first."""
    scores = not fitted.data.logs
    families = dict(candidates(fitted.data.x.shape[1], scores))
    gains = {fitted.choice.gain, "log", *families["gain"]}
    links = {fitted.choice.link, *(("saturating", "logistic") if scores else ())}
    world, worlds = fitted.world, [fitted.world]
    for gain, link in product(sorted(gains), sorted(links)):
        if (gain, link) != (fitted.choice.gain, fitted.choice.link):
            choice = replace(fitted.choice, gain=gain, link=link)
            [found] = solve(fitted.data, choice, members=1, seed=0, iterations=SEARCH)
            parts, names = fitted.order.given(found.parts), (world.sources, world.capabilities)
            worlds.append(world_of(parts, choice, *names, fitted.unit, "other", world.scale.lowest))
    missed = np.stack([w.profile_after([fitted.tokens]) - fitted.targets for w in worlds])
    square = (fitted.cell_weight * np.nan_to_num(missed) ** 2).sum(axis=1)
    return np.stack([w.start for w in worlds]), np.stack([w.ceiling for w in worlds]), square


def fit_intervals(
    fitted: Fitted,
    *,
    count: int = RESAMPLES,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> FitIntervals:
    """Intervals: the estimate plus or minus 1.96 bootstrap standard deviations.

    Those of start and ceiling also reach over the other gain families and links that miss the rows of a
    capability by at most ALIKE times as much (root mean square) as the one that misses them least: between
    the runs these say the same, but not where no run came.
    """
    total = fitted.tokens.sum(axis=1)
    trained = total > 0.0
    mixture = (fitted.tokens[trained] / total[trained, None]).mean(axis=0)
    budget = float(np.median(total[trained]))
    worlds = list(resampled(fitted, count, seed, tick))
    speaks = identified(fitted)

    def interval(of: Callable[[World], Array]) -> Interval:
        value = of(fitted.world)
        half = Z95 * np.std([of(w) for w in worlds], axis=0, ddof=1)
        return Interval(value, value - half, value + half)

    starts, ceilings, square = other_laws(fitted)
    alike = square <= ALIKE**2 * square.min(axis=0)
    alike[0] = True

    def bound(own: Interval, others: Array, known: NDArray[np.bool_]) -> Interval:
        below = np.where(alike, others, np.inf).min(axis=0) - (own.value - own.low)
        above = np.where(alike, others, -np.inf).max(axis=0) + (own.high - own.value)
        return Interval(own.value, np.where(known, below, -np.inf), np.where(known, above, np.inf))

    return FitIntervals(
        interval(lambda w: effect_intervals(w, mixture, budget)),
        bound(interval(lambda w: w.start), starts, speaks.start),
        bound(interval(lambda w: w.ceiling), ceilings, speaks.ceiling),
        mixture,
        budget,
    )

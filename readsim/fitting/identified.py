"""Whether the runs speak of starts and ceilings at all.

A bound is identified where another value fits the runs clearly worse. Runs of one length say nothing of it:
any start and ceiling can be traded for steeper or flatter curves. Runs of several lengths are asked: the law
is fitted again with the bound held where it would be if the way to it were half or twice as long (a start: a
quarter of the way up or down), and must miss the capability's rows by so much more that
n ln(SSE' / SSE) > 3.84 (a likelihood ratio of one degree of freedom, 95 %) and SSE' > 1.05 SSE, for both.
A row before training, with 0 tokens, is a measurement of the start: it needs no such test.
Where twice as long leads past what a score or a loss can be, the bound is held at the end of that range: a
fit whose bound leans on the end of the range is not told it by the runs.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.heads import start_of_offset
from readsim.fitting.law import Fitted
from readsim.fitting.network import Data, Network
from readsim.fitting.solve import minimise, predict_profiles

LIKELIHOOD, LEAST = 3.84, 1.05
ONE_LENGTH, SHORT = 2.0, 4.0  # of the longest run over the shortest
LONGER, SHORTER = 2.0, 0.5
REFIT = 200
INSIDE = 1e-3  # of what is left to gain: how near to 0, or to the best run, a bound is held

Known = NDArray[np.bool_]


class IdentifiedBounds(NamedTuple):
    """Which starts (K,) and ceilings (K,) the runs speak of."""

    start: Known
    ceiling: Known


def identified(fitted: Fitted) -> IdentifiedBounds:
    """See the module. A start that was given is known, and so is one that was measured: at 0 tokens."""
    k = len(fitted.world.capabilities)
    total = fitted.tokens.sum(axis=1)
    low, high = float(total.min()), float(total.max())
    given = fitted.data.start is not None
    start = (np.isfinite(fitted.targets) & (fitted.cell_weight > 0.0))[total == 0.0].any(axis=0)
    start |= given
    ceiling = np.zeros(k, dtype=np.bool_)
    if low * ONE_LENGTH > high:
        return IdentifiedBounds(start, ceiling)
    data, parts = fitted.data, fitted.solutions[0].parts
    here = data.start
    if here is None:
        here = start_of_offset(fitted.choice.link, parts.offset, parts.rest)
    before = _missed(fitted, replace(data, start=here, rest=parts.rest))
    places = np.argsort(fitted.order.capabilities)
    way = data.least - parts.rest
    ends = [data.least - way * f for f in (SHORTER, LONGER)]
    worse = [
        _worse(fitted, before, replace(data, start=here, rest=np.maximum(e, INSIDE * data.least)))
        for e in ends
    ]
    ceiling = (worse[0] & worse[1])[places]
    if not start.all() and low * SHORT <= high:
        span = here - parts.rest
        worse = []
        for f in (-0.25, 0.25):
            moved = np.maximum(here + f * span, data.least * (1.0 + INSIDE))
            moved = moved if data.logs else np.minimum(moved, 1.0 - INSIDE)
            worse.append(_worse(fitted, before, replace(data, start=moved, rest=parts.rest)))
        start = start | (worse[0] & worse[1])[places]
    return IdentifiedBounds(start, ceiling)


def _missed(fitted: Fitted, data: Data) -> Array:
    """Squared error of each capability (K,), canonical order, with start and ceiling held."""
    solution, choice = fitted.solutions[0], fitted.choice
    size = solution.parts.feeds.size + solution.parts.help.size * (1 + choice.harm)
    network = Network(data, choice, solution.network.first)
    flat = np.concatenate([np.zeros(data.bad.shape[1]), solution.flat[-size:]])
    found = minimise(network, flat, REFIT)
    bad = predict_profiles(found.parts, choice, data.x)
    shown = np.log(np.maximum(bad, INSIDE**4)) if data.logs else bad
    out: Array = (data.known * (shown - data.wanted) ** 2).sum(axis=0)
    return out


def _worse(fitted: Fitted, before: Array, data: Data) -> Known:
    ratio = _missed(fitted, data) / np.maximum(before, np.finfo(float).tiny)
    rows = np.isfinite(data.bad).sum(axis=0)
    out: Known = (rows * np.log(np.maximum(ratio, INSIDE)) > LIKELIHOOD) & (ratio > LEAST)
    return out

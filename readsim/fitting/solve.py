"""Fit one choice: several restarts that share start and ceiling, averaged into one set of curves.

The objective has many equally good minima. Their average in t is again a law of the same form, with
the curves of all members side by side, and predicts better than any of them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.heads import head, start_of_offset
from readsim.fitting.network import FARTHEST, Data, LawConfig, LawParameters, Network
from readsim.streams import generator
from readsim.worlds.gains import gain

ITERATIONS, SEARCH, POLISH = 800, 300, 100  # of L-BFGS: a member, one while searching, one tied
OTHERS, SHARED = 6.0, 3.0  # ln of how much less other sources feed an own curve, all a shared one
SPREAD = (0.7, 0.3)  # of the first ln F and ln A
FIRST_HELP, FIRST_HARM = 0.5, 1e-3  # of all curves together; of each


class FittedNetwork(NamedTuple):
    """A fitted network: `flat` minimises `network`."""

    network: Network
    flat: Array

    @property
    def parts(self) -> LawParameters:
        """Its parameters."""
        return self.network.parts(self.flat)


def first_feeds(sources: int, choice: LawConfig, rng: np.random.Generator) -> Array:
    """ln F (S, M): the first S curves are each a source's own, the rest belong to all."""
    near = -np.log(choice.reach)
    out: Array = near - SHARED + SPREAD[0] * rng.standard_normal((sources, choice.curves))
    own = min(sources, choice.curves)
    out[:, :own] += SHARED - OTHERS
    out[range(own), range(own)] = near
    return out


def _first(data: Data, choice: LawConfig, rng: np.random.Generator) -> tuple[Network, Array]:
    network = Network(data, choice, first_feeds(data.x.shape[1], choice, rng))
    k, m = network.k, network.m
    help_ = np.log(FIRST_HELP / m) + SPREAD[1] * rng.standard_normal(m * k)
    offset = np.log(np.nanmax(data.bad, axis=0)) if data.logs else np.zeros(k)
    flat = [] if data.start is not None else [offset]
    flat += [np.zeros(k), network.first.ravel(), help_]
    if choice.harm:
        flat.append(np.full(m * k, np.log(FIRST_HARM)))
    return network, np.concatenate(flat)


def minimise(network: Network, flat: Array, iterations: int) -> FittedNetwork:
    """L-BFGS-B from `flat`."""
    from scipy.optimize import minimize

    found = minimize(
        network.value,
        flat,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-FARTHEST, FARTHEST)] * len(flat),
        options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20, "ftol": 1e-13},
    )
    return FittedNetwork(network, np.asarray(found.x))


def solve(
    data: Data,
    choice: LawConfig,
    *,
    members: int,
    seed: int,
    iterations: int = ITERATIONS,
    tick: Callable[[], None] | None = None,
) -> list[FittedNetwork]:
    """`members` restarts; with more than one all share their mean start and E."""
    out = []
    for r in range(members):
        out.append(minimise(*_first(data, choice, generator(seed, "data", r)), iterations))
        if tick is not None:
            tick()
    if members == 1:
        return out
    rest = np.mean([s.parts.rest for s in out], axis=0)
    offset = np.mean([s.parts.offset for s in out], axis=0)
    start = data.start
    if start is None:
        start = start_of_offset(choice.link, offset, rest)
    tied = replace(data, start=start, rest=rest)
    polished = []
    for s in out:
        flat = s.flat if data.start is not None else s.flat[len(rest) :]
        polished.append(minimise(Network(tied, choice, s.network.first), flat, POLISH))
    return polished


def average(solutions: list[FittedNetwork]) -> LawParameters:
    """The curves of all members side by side, help and harm divided by their number."""
    parts = [s.parts for s in solutions]
    return LawParameters(
        np.mean([p.offset for p in parts], axis=0),
        np.mean([p.rest for p in parts], axis=0),
        np.hstack([p.feeds for p in parts]),
        np.vstack([p.help for p in parts]) / len(parts),
        np.vstack([p.harm for p in parts]) / len(parts),
    )


def predict_profiles(parts: LawParameters, choice: LawConfig, x: Array) -> Array:
    """`bad` (n, K) of scaled tokens x (n, S)."""
    y = x @ parts.feeds
    u = gain(choice.gain).value(y)
    spent = y if choice.gain.startswith("power") else y - u
    t = u @ parts.help - spent @ parts.harm
    return head(choice.link, t, parts.offset, parts.rest).bad

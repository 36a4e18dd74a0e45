"""The numbers of several worlds as arrays whose last axis is the world: what `ManyWorlds` computes with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds.flow import FlowTerms
from readsim.worlds.gains import harm_grows_with_tokens
from readsim.worlds.links import LINKS, TINY
from readsim.worlds.terms.answer_format import formats_of
from readsim.worlds.terms.learning_rate import KINDS
from readsim.worlds.world import World

FAMILIES = ("exponential", "log", "hill", "power", "broken")
HALF = 0.5  # exponent of `power` without one


# Matrices, and the terms that read them: left out where no world has one of these.
LARGE = {
    "brought": {"repetition"},
    "help_change": {"drift"},
    "unpractised": {"forgetting", "rehearsal"},
    "written": {"formats"},
    "shift": {"formats"},
}


@dataclass(frozen=True, eq=False)
class WorldStack:
    """Arrays by name, (..., W); `terms` names those that any world has on. Made by `stack_worlds`.

    S, K and V are the same in all worlds, `visible` (V, W) are the places of what probes show.
    """

    numbers: dict[str, NDArray[Any]]
    terms: frozenset[str]

    def take(self, worlds: NDArray[np.int64]) -> "WorldStack":
        """The worlds at these places (N,), one for each of N runs."""
        taken = {name: v.take(worlds, axis=-1) for name, v in self.numbers.items()}
        return WorldStack(taken, self.terms)

    def put(self, runs: NDArray[np.int64], other: "WorldStack") -> None:
        """Replace the numbers of these runs by those of `other`, which has as many worlds."""
        for name, value in self.numbers.items():
            value[..., runs] = other.numbers[name]


def stack_worlds(worlds: Sequence[World]) -> WorldStack:
    """The numbers of worlds with equal numbers of sources, capabilities and visible capabilities.

    Raises ConfigError naming the world that does not fit: other sizes, another scale, shared gain curves
    (`feeds`), tabulated ones, or the artifact's dynamics.
    """
    first = worlds[0]
    for world in worlds:
        _check_fits(world, first)
    count = max(len(world.formats) for world in worlds)
    columns = [_numbers(world) | _formats(world, count) for world in worlds]
    numbers = {
        name: np.stack([np.asarray(column[name]) for column in columns], axis=-1)
        for name in columns[0]
    }
    some = {
        "pools": np.isfinite(numbers["pool"]).any(),
        "limit": np.isfinite(numbers["limit"]).any(),
        "overtraining": np.isfinite(numbers["overtraining_tokens"]).any(),
        "repetition": numbers["brought"].any(),
        "forgetting": np.isfinite(numbers["forgetting_tokens"]).any(),
        "rehearsal": np.isfinite(numbers["rehearsal_share"]).any(),
        "gates": numbers["gate_height"].any(),
        "drift": np.isfinite(numbers["drift_tokens"]).any(),
        "process": numbers["process_sd"].any(),
        "formats": count > 0,
        "schedule": not all(world.learning_rate.is_constant for world in worlds),
        "efficiency": numbers["efficiency_sd"].any(),
        "bias": numbers["bias"].any() or (numbers["slope"] != 1.0).any(),
    }
    terms = frozenset(name for name, is_on in some.items() if is_on)
    unused = [name for name, needed in LARGE.items() if not terms & needed]
    if np.array_equal(numbers["harm_through_gain"], numbers["harm"]):
        unused.append("harm_through_gain")
    return WorldStack({n: v for n, v in numbers.items() if n not in unused}, terms)


def _check_fits(world: World, first: World) -> None:
    def refuse(why: str) -> None:
        raise ConfigError(f"worlds: {world.name!r} {why}")

    sizes = [(*w.shape, len(w.visible)) for w in (world, first)]
    if sizes[0] != sizes[1]:
        named = [f"{s} sources, {k} capabilities, {v} of them visible" for s, k, v in sizes]
        refuse(
            f"has {named[0]}; the first one, {first.name!r}, has {named[1]}. Runs of one environment have "
            "equal sizes: in `random:prior=...` give sources, capabilities and hidden=0"
        )
    if world.scale != first.scale:
        refuse(f"has profiles on another scale than {first.name!r}: {world.scale}, {first.scale}")
    if world.dynamics == "artifact" or world.feeds.size:
        what = "the artifact's dynamics" if world.dynamics == "artifact" else "shared gain curves"
        refuse(f"has {what}: it runs alone only, with `world`")
    for family in world.gain:
        if family.partition(":")[0] not in FAMILIES:
            refuse("has tabulated gain curves: it runs alone only, with `world`")


def _numbers(world: World) -> dict[str, Any]:
    rate, harm = world.rate(), world.harm
    straight = np.array([[harm_grows_with_tokens(f)] for f in world.gain])
    terms = world._flow_terms()
    best = world.help.max(axis=0)
    wasted = np.where(np.isfinite(world.pool_tokens), world.repetition_harm, 0.0)[:, None]
    span = world.ceiling - (world.floor if world.is_score else world.start)
    schedule = world.learning_rate
    return {
        "rate": rate,
        "efficiency_sd": world.efficiency_sd,
        "family": np.array([FAMILIES.index(f.partition(":")[0]) for f in world.gain]),
        "power": np.array([float(f.partition(":")[2] or HALF) for f in world.gain]),
        "help": world.help,
        "harm": harm,
        "harm_through_gain": np.where(straight, 0.0, harm),
        "substeps": 1 if world.cumulative else world.substeps,
        "pool": world.pool_tokens * rate,
        "limit": world.interference_limit,
        "overtraining_tokens": world.overtraining_tokens,
        "span": span,
        "per_token": 1.0 / rate,
        "brought": wasted * world.help,
        "link": LINKS.index(world.link),
        "start": world.start,
        **_bounds(world),
        **_gates(terms),
        "drift_tokens": terms.drift_tokens,
        "help_change": 0.0 * harm if terms.help_after is None else terms.help_after - world.help,
        "forgetting_tokens": world.forgetting_tokens,
        "unpractised": 1.0 - world.help / np.where(best > 0.0, best, 1.0),
        "rehearsal_share": world.rehearsal_share,
        "process_sd": world.process_sd,
        "kind": KINDS.index(schedule.kind),
        "warmup": schedule.warmup,
        "end": schedule.end,
        "decay": schedule.decay,
        "last": float(schedule.rate(1.0)),
        "items": world.items,
        "test_items": world.test_items,
        "bias": world.probe_bias,
        "slope": world.probe_slope,
        "pairing": world.pairing,
        "visible": np.array(world.visible_columns),
    }


def _bounds(world: World) -> dict[str, Array]:
    """What the links compute with, finite for each of them: `up` and `down` are rooms (K,) with a sign,
    start less bound; `lift` and `steep` are the logistic link's (`readsim.worlds.links`)."""
    floor = world.floor if world.is_score else world.start - 1.0
    span = np.maximum(world.ceiling - floor, TINY)
    place = np.clip((world.start - floor) / span, TINY, 1.0 - 1e-12)
    return {
        "up": world.start - np.maximum(world.ceiling, world.start + TINY),
        "down": world.start - np.minimum(floor, world.start - TINY),
        "bottom": floor,
        "reach": span,
        "lift": np.log(place) - np.log1p(-place),
        "steep": 1.0 / (place * (1.0 - place) * span),
    }


def _gates(terms: FlowTerms) -> dict[str, Array]:
    """As in `Flow`: the factor is middle + height tanh((p - threshold) steepness), 1 without a gate."""
    gated = terms.gate_needs >= 0
    return {
        "gate_from": np.where(gated, terms.gate_needs, 0).astype(np.int64),
        "gate_threshold": terms.gate_threshold,
        "gate_height": np.where(gated, 0.5 * (1.0 - terms.gate_low), 0.0),
        "gate_middle": np.where(gated, 0.5 * (1.0 + terms.gate_low), 1.0),
        "gate_steepness": 0.5 / terms.gate_width,
    }


def _formats(world: World, count: int) -> dict[str, Array]:
    """`count` formats, those beyond the world's own without effect."""
    s, k = world.shape
    written, shift, tokens = np.zeros((s, count)), np.zeros((count, k)), np.ones(count)
    own = formats_of(world.formats, world.sources, world.capabilities)
    if own is not None:
        n = len(own.tokens)
        written[:, :n], shift[:n], tokens[:n] = own.written, own.shift, own.tokens
    return {"written": written, "shift": shift, "format_tokens": tokens}

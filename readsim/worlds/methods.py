"""Worlds whose sources are pairs of a capability and a method of distillation, `math@gkd`.

`readsim fit` makes one of runs of several methods: what a token of math counts for under a method, on each
gain curve, is a row of `feeds`, which was measured. An allocator on such a world chooses methods too; a run
of one method lives in `of_method`.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from readsim.errors import WorldError, unknown
from readsim.worlds.world import OPTIONAL_VECTORS, World

AT = "@"


def methods_of(world: World) -> tuple[str, ...]:
    """The methods that sources are pairs with, in order; () unless all are."""
    found = [source.rpartition(AT)[2] for source in world.sources if AT in source]
    return tuple(dict.fromkeys(found)) if len(found) == len(world.sources) else ()


def of_method(world: World, method: str) -> World:
    """The world of one method: its sources, by the names of their capabilities.

    UnknownNameError for a method that the world has not, WorldError where dynamics name sources.
    """
    methods = methods_of(world)
    if method not in methods:
        raise unknown(f"method of world {world.name!r}", method, methods)
    if world.drift or world.formats:
        raise WorldError(f"world {world.name!r} has drift or formats: it has no world of a method")
    mine = np.array([source.rpartition(AT)[2] == method for source in world.sources])
    by_source = ["feeds"] if world.feeds.size else ["scale_tokens", "help", "harm"]
    by_source += [name for name, _, axis in OPTIONAL_VECTORS if axis == "S"]
    parts: dict[str, Any] = {name: getattr(world, name)[mine] for name in by_source}
    if not world.feeds.size:
        parts["gain"] = tuple(g for g, own in zip(world.gain, mine, strict=True) if own)
    names = [source for source, own in zip(world.sources, mine, strict=True) if own]
    told = {key: text for key, text in world.provenance.items() if key != "average"}
    return replace(
        world,
        name=f"{world.name}{AT}{method}",
        sources=tuple(source.rpartition(AT)[0] for source in names),
        provenance=told,
        **parts,
    )

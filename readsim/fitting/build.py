"""The world that a fitted network is."""

import numpy as np

from readsim.arrays import Array
from readsim.fitting.heads import start_of_offset
from readsim.fitting.network import LawConfig, LawParameters
from readsim.worlds.gains import gain
from readsim.worlds.world import World

SILENT = 1e-6  # a curve that moves no capability by more than this in t is left out
DIGITS = 7  # significant, of what the file holds


def rounded(values: Array) -> Array:
    """`DIGITS` significant digits."""
    out: Array = np.array([float(f"{v:.{DIGITS}g}") for v in values.ravel()]).reshape(values.shape)
    return out


def world_of(
    parts: LawParameters,
    choice: LawConfig,
    sources: tuple[str, ...],
    capabilities: tuple[str, ...],
    unit: float,
    name: str,
    lowest: float = 0.0,
) -> World:
    """`potential`, exact probes. Help and harm are t in score units: t times the link's own unit.

    Scores lie between `lowest`, which is the floor, and 1.
    """
    span = 1.0 - lowest
    start = 1.0 - span * start_of_offset(choice.link, parts.offset, parts.rest)
    ceiling = 1.0 - span * parts.rest
    if choice.link == "exponential":
        start, ceiling = start - 1.0, ceiling - 1.0
    unit_of_t = ceiling - start
    if choice.link == "logistic":
        above, room = start - lowest, ceiling - lowest
        unit_of_t = above * (1.0 - above / room)
    most = gain(choice.gain).value(parts.feeds.max(axis=0))
    spent = np.maximum(parts.feeds.max(axis=0), most)
    moves = np.maximum(most * parts.help.max(axis=1), spent * parts.harm.max(axis=1))
    heard = moves > min(SILENT, moves.max(initial=0.0) / 2.0)
    k, m = len(capabilities), int(heard.sum())
    return World(
        name=name,
        sources=sources,
        capabilities=capabilities,
        dynamics="potential",
        link=choice.link,
        start=start,
        floor=np.full(k, -np.inf if choice.link == "exponential" else lowest),
        ceiling=ceiling,
        gain=(choice.gain,) * m,
        scale_tokens=np.full(m, unit),
        feeds=rounded(parts.feeds[:, heard]),
        help=rounded(parts.help[heard] * unit_of_t),
        harm=rounded(parts.harm[heard] * unit_of_t),
        items=np.zeros(k),
        test_items=np.zeros(k),
    )

"""Worlds in which a mechanism of the paper is switched off."""

from dataclasses import replace

import numpy as np

from readsim.worlds import World


def isolated(world: World, name: str) -> World:
    """The world without effects of one capability on another."""
    own = np.diag(np.diag(world.help))
    return replace(world, name=name, help=own, harm=np.zeros_like(own))


def related(world: World, factor: float, name: str) -> World:
    """The world without harm, and with what one capability brings to others times `factor`."""
    own = np.diag(np.diag(world.help))
    help_ = own + factor * (world.help - own)
    return replace(world, name=name, help=help_, harm=np.zeros_like(own))


def sated(world: World, tokens: float, name: str) -> World:
    """`isolated`, with every curve flat after a few times `tokens`: nothing is scarce."""
    scale = np.full(len(world.sources), tokens)
    return replace(isolated(world, name), scale_tokens=scale)


def column_tasks(world: World) -> World:
    """The world with tasks that require one capability and nothing else: the columns of Table 1."""
    return replace(world, tasks={c: {"requirement": {c: 1.0}} for c in world.visible})


def straight(world: World, tokens: float, share: float, name: str) -> World:
    """`isolated` without saturation: `tokens` on one source close `share` of its gap, twice that twice."""
    own = np.diag(share * (world.ceiling - world.start))
    return replace(
        isolated(world, name),
        dynamics="separable",
        link="identity",
        gain=("power:1",) * len(world.sources),
        scale_tokens=np.full(len(world.sources), tokens),
        help=own,
        horizon=tokens,
    )

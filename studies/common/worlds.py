"""Worlds in which a mechanism of the paper is switched off, and their files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from readsim.runs.cell import folder_name
from readsim.worlds import World, save_world

ISOLATED = "read8-isolated"


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


def column_tasks(world: World, name: str) -> World:
    """The world with tasks that require one capability and nothing else: the columns of Table 1."""
    return replace(world, name=name, tasks={c: {"requirement": {c: 1.0}} for c in world.visible})


def straight(world: World, tokens: float, name: str) -> World:
    """`isolated` almost without saturation: over `tokens` on one source a slope falls by a fifth only.

    They close .18 of a gap: more would need a curve that ends above the teacher.
    """
    far = 5.0
    own = np.diag(0.18 * (world.ceiling - world.start) / (1.0 - np.exp(-1.0 / far)))
    return replace(
        isolated(world, name),
        dynamics="separable",
        link="identity",
        scale_tokens=np.full(len(world.sources), far * tokens),
        help=own,
    )


def made(world: World, folder: Path) -> str:
    """The path of the world's file in `folder`, written if it is not there with these numbers:
    what the cell of a run log names must be loadable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{folder_name(world.name)}.toml"
    save_world(world, path)
    return str(path)

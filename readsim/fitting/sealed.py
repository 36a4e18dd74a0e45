"""The average beside its world: `mine.average.npz` holds what `mine.toml` does not, and knows whose it is.

The file holds the runs, their held-out predictions and the weights of the laws: `readsim predict` and
`readsim design` fit the laws to them again, which takes a second, and get the same numbers. The world alone
stays a world for everything else.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from readsim.errors import ConfigError
from readsim.files import AnyPath
from readsim.fitting.average import Average, LawData, fit_laws
from readsim.fitting.averaged import on_law_scale
from readsim.fitting.guide import Guide
from readsim.tree_file import load_tree, save_tree
from readsim.worlds.files import world_from_dict, world_to_dict
from readsim.worlds.world import World

SUFFIX = ".average.npz"
VERSION = 1
LEFT_OUT = ("provenance", "name", "description", "tasks", "items", "test_items", "horizon")
ARRAYS = ("weights", "fold", "groups", "held_out", "sd")


def beside(world: AnyPath) -> Path:
    """Where the average of a world file is."""
    path = Path(world)
    return path.with_name(f"{path.stem}{SUFFIX}")


def seal_of(world: World) -> str:
    """A digest of what decides the profiles of a world."""
    data = {k: v for k, v in world_to_dict(world).items() if k not in LEFT_OUT}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def save_average(average: Average, path: AnyPath, guide: Guide | None = None) -> None:
    """Write it; `guide` is the one it was fitted with."""
    save_tree(path, _tree(average, guide))


def load_average(world: World, path: AnyPath) -> Average:
    """The average of `world` in the file `path`. Raises ConfigError where it belongs to another world."""
    tree = load_tree(path)
    if not isinstance(tree, dict) or tree.get("kind") != "readsim average":
        raise ConfigError(f"{path}: not the average of a fitted world")
    if tree["version"] > VERSION:
        raise ConfigError(f"{path}: version {tree['version']}; this readsim reads up to {VERSION}")
    if tree["seal"] != seal_of(world):
        raise ConfigError(
            f"{path} belongs to another world than {world.name!r}: fit again, or remove the file to "
            "predict from the world alone"
        )
    return _average(tree, world)


def average_of(world: World, name: str) -> tuple[Average | None, str]:
    """The average of a world that was read from the file or preset `name`, and what is to be said of it."""
    if "average" not in world.provenance:
        return None, ""
    path = beside(name)
    if not path.is_file():
        return (
            None,
            f"{path} is not there: the shared-curves law alone predicts, not the average of all",
        )
    return load_average(world, path), ""


def _tree(average: Average, guide: Guide | None) -> dict[str, Any]:
    runs = average.runs
    out: dict[str, Any] = {
        "kind": "readsim average",
        "version": VERSION,
        "seal": seal_of(average.world),
        "names": list(average.names),
        "unit": average.unit,
        "x": runs.x,
        "wanted": runs.wanted,
        "cells": runs.weight,
        **{name: np.asarray(getattr(average, name)) for name in ARRAYS},
    }
    if runs.path is not None:
        out["path"] = runs.path
    if guide is not None:
        out["trusts"] = None if runs.trusts is None else list(runs.trusts)
        out["guide"] = {
            "world": json.dumps(world_to_dict(guide.world)),
            "average": None if guide.average is None else _tree(guide.average, None),
            "sources": list(guide.sources),
            "capabilities": list(guide.capabilities),
        }
    return out


def _average(tree: dict[str, Any], world: World) -> Average:
    guide = None
    if (told := tree.get("guide")) is not None:
        other = world_from_dict(json.loads(told["world"]))
        inner = None if told["average"] is None else _average(told["average"], other)
        names = tuple(told["sources"]), tuple(told["capabilities"])
        guide = Guide(other, inner, *names, tree["unit"])
    losses = not world.is_score
    trusts = None if tree.get("trusts") is None else tuple(tree["trusts"])
    believed = on_law_scale(guide, tree["unit"], losses)
    cells = tree["x"], tree["wanted"], tree["cells"]
    runs = LawData(*cells, believed, trusts, tree.get("path"))
    arrays: dict[str, Any] = {name: tree[name] for name in ARRAYS}
    return Average(
        world=world,
        runs=runs,
        names=tuple(tree["names"]),
        unit=tree["unit"],
        laws=fit_laws(runs),
        **arrays,
    )

"""Every world file that ships with readsim, built from its sources and written."""

import re
from pathlib import Path
from typing import Annotated

import tomli_w
import typer

from readsim.tree_file import write_atomic
from readsim.worlds import World, world_to_dict
from studies.presets.conflict import conflict
from studies.presets.derived import (
    biased_probe,
    capacity_gap,
    cosine,
    finite_pools,
    hidden_safety,
    misaligned_r,
)
from studies.presets.designed import drift, forgetting, gateway, ideal
from studies.presets.mopd import mopd
from studies.presets.read8 import read8_worlds
from studies.presets.real_runs import format_shift, overtraining, real_run, rehearsal
from studies.presets.tables import artifact_toy, from_scratch, related_web
from studies.transfer_matrix.shipped import nano_measured

FOLDER = Path(__file__).parents[2] / "readsim" / "worlds" / "presets"


def build_presets() -> list[World]:
    """Every preset, in the order of the README."""
    llama, qwen = read8_worlds()
    return [
        llama,
        qwen,
        artifact_toy(),
        related_web(),
        from_scratch(),
        conflict(),
        gateway(),
        drift(),
        forgetting(),
        hidden_safety(llama),
        capacity_gap(llama),
        misaligned_r(llama),
        biased_probe(llama),
        finite_pools(llama),
        nano_measured(),
        cosine(llama),
        overtraining(),
        format_shift(),
        rehearsal(),
        real_run(),
        mopd(),
        ideal(),
    ]


def rows_on_one_line(toml: str) -> str:
    """The same TOML with each innermost list of numbers or names on one line."""
    return re.sub(
        r"\[\n([^\[\]{}]*?),?\n\s*\]",
        lambda m: "[" + re.sub(r",\s*\n\s*", ", ", m.group(1).strip()) + "]",
        toml,
    )


def save_preset(world: World, path: Path) -> None:
    """The world's file as presets are written. Raises RunLogError as `write_atomic`."""
    write_atomic(path, rows_on_one_line(tomli_w.dumps(world_to_dict(world))).encode())


def write(folder: Path) -> list[Path]:
    """One file a world; the paths."""
    paths = []
    for world in build_presets():
        path = folder / f"{world.name}.toml"
        save_preset(world, path)
        paths.append(path)
    return paths


def main(
    folder: Annotated[
        Path, typer.Argument(help="The presets are written into this folder.")
    ] = FOLDER,
) -> None:
    """Write every world file that ships with readsim."""
    for path in write(folder):
        print(path)

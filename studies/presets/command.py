"""Write every world file that ships with readsim."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.worlds import save_world
from studies.presets.build import build_presets, rows_on_one_line

FOLDER = Path(__file__).parents[2] / "readsim" / "worlds" / "presets"


def write(folder: Path) -> list[Path]:
    """One file a world; the paths."""
    paths = []
    for world in build_presets():
        path = folder / f"{world.name}.toml"
        save_world(world, path)
        path.write_text(rows_on_one_line(path.read_text(encoding="utf-8")), encoding="utf-8")
        paths.append(path)
    return paths


def main(
    folder: Annotated[Path, typer.Argument(help="Where; readsim/worlds/presets.")] = FOLDER,
) -> None:
    """Write every world file that ships with readsim."""
    for path in write(folder):
        print(path)

"""Write readsim/worlds/presets/*.toml, or another folder given as the only argument."""

import sys
from pathlib import Path

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


if __name__ == "__main__":
    for written in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(written)

"""Worlds that are made for a study, as files: what a run log's cell names must be loadable."""

from pathlib import Path

from readsim.worlds import World, save_world


def made(world: World, folder: Path) -> str:
    """The path of the world's file in `folder`, written if it is not there with these numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{world.name}.toml"
    save_world(world, path)
    return str(path)

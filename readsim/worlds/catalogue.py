"""Find a world: a preset by name, a file by path, or a drawn one."""

from importlib.resources import files
from pathlib import Path

from readsim.errors import WorldError, unknown
from readsim.files import suffix_of
from readsim.worlds.files import load_world_file
from readsim.worlds.methods import AT, of_method
from readsim.worlds.random import random_world_from_text
from readsim.worlds.world import World


def preset_names() -> tuple[str, ...]:
    """Names of the worlds that come with readsim."""
    folder = files("readsim.worlds") / "presets"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir()))


AnyWorld = World | str | Path


def load_world(world: AnyWorld) -> World:
    """The world itself, the preset of that name, `random:...`, or the file at that path; of a file of
    several methods `FILE@METHOD` is the world of one.

    Raises UnknownNameError with the nearest preset, or WorldError for a file that cannot be read.
    """
    if isinstance(world, World):
        return world
    text = str(world)
    names = preset_names()
    if text in names:
        return load_world_file(Path(str(files("readsim.worlds") / "presets" / f"{text}.toml")))
    if text == "random" or text.startswith("random:"):
        return random_world_from_text(text)
    path, (file, at, method) = Path(text), text.rpartition(AT)
    if at and suffix_of(Path(file)) in (".toml", ".json") and not path.exists():
        return of_method(load_world_file(Path(file)), method)
    if suffix_of(path) in (".toml", ".json", ".csv", ".tsv") or path.is_file():
        return load_world_file(path)
    if path.is_dir():
        raise WorldError(f"{text}: a folder; expected a .toml, .json or .csv file")
    raise unknown("world", text, [*names, "random"])

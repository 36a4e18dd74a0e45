"""World files: TOML or JSON, exact both ways, unknown keys are errors."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, WorldError, unknown
from readsim.files import AnyPath, read_settings, suffix_of
from readsim.tree_file import write_atomic
from readsim.worlds.world import OPTIONAL_VECTORS, World

SCHEMA = 1
_MATRICES = ("help", "harm")
_VECTORS = {"start": "K", "floor": "K", "ceiling": "K", "scale_tokens": "M"} | {
    name: axis for name, _, axis in OPTIONAL_VECTORS
}
_NUMBERS = ("horizon", "pairing")
_ENDLESS = {  # how infinity is written
    "forgetting_tokens": "never",
    "pool_tokens": "unlimited",
    "overtraining_tokens": "never",
    "interference_limit": "unlimited",
    "rehearsal_share": "never",
}
_NAMES = ("sources", "capabilities", "hidden")


def world_to_dict(world: World) -> dict[str, object]:
    """Plain lists, numbers and strings; fields at their default are left out."""
    out: dict[str, object] = {"schema": SCHEMA}
    defaults = {name: default for name, default, _ in OPTIONAL_VECTORS}
    for f in fields(World):
        value = getattr(world, f.name)
        if isinstance(value, np.ndarray):
            if f.name in defaults and (value == defaults[f.name]).all():
                continue
            if f.name == "floor" and not world.is_score:
                continue
            if f.name in ("harm", "feeds") and not value.any():
                continue
            out[f.name] = value.tolist()
        elif f.name == "gain":
            out["gain"] = value[0] if len(set(value)) == 1 else list(value)
        elif f.default is not MISSING and value == f.default:
            continue
        elif value or not isinstance(value, dict | tuple):
            out[f.name] = list(value) if isinstance(value, tuple) else value
    if world.drift:
        out["drift"] = {**world.drift, "help": np.asarray(world.drift["help"]).tolist()}
    for key, word in _ENDLESS.items():
        if key in out:
            out[key] = [v if np.isfinite(v) else word for v in getattr(world, key).tolist()]
    return out


def world_from_dict(data: Mapping[str, object]) -> World:
    """The world of a file's table. A number stands for a vector of that number.

    Raises WorldError naming the field; for a newer schema it says so.
    """
    _check_keys(data)
    names: dict[str, tuple[str, ...]] = {k: _names(k, data[k]) for k in _NAMES if k in data}
    sources = names.setdefault("sources", names["capabilities"])
    size = {"S": len(sources), "K": len(names["capabilities"])}
    size["M"] = _curves(data["feeds"]) if "feeds" in data else size["S"]
    if not all(size.values()):
        empty = next(
            n for k, n in (("K", "capabilities"), ("S", "sources"), ("M", "feeds")) if not size[k]
        )
        raise WorldError(f"{empty} = []: at least one name is needed")
    out: dict[str, Any] = {**{k: v for k, v in data.items() if k != "schema"}, **names}
    for key in ("name", "dynamics", "link", "description"):
        if not isinstance(out.get(key, ""), str):
            raise WorldError(f"{key} = {out[key]!r}: expected text")
    bounded = out["dynamics"] in ("potential", "flow")
    out.setdefault("link", "saturating" if bounded else "identity")
    out.setdefault("floor", -np.inf if out["link"] == "exponential" else 0.0)
    out.setdefault("harm", 0.0)
    shapes: dict[str, tuple[int, ...]] = {key: (size[axis],) for key, axis in _VECTORS.items()}
    shapes |= dict.fromkeys(_MATRICES, (size["M"], size["K"])) | dict.fromkeys(_NUMBERS, ())
    shapes["feeds"] = (size["S"], size["M"])
    for key, shape in shapes.items():
        if key in out:
            out[key] = _array(key, out[key], shape)
    out |= {key: float(out[key]) for key in _NUMBERS if key in out}
    gain = out.get("gain", "exponential")
    out["gain"] = (gain,) * size["M"] if isinstance(gain, str) else _names("gain", gain)
    for key in ("gates", "formats"):
        out[key] = tuple(_tables(key, out.get(key, [])))
    if not isinstance(out.get("schedule", {}), str | dict):
        raise WorldError(f"schedule = {out['schedule']!r}: expected a table, or the name of a kind")
    for key in ("drift", "provenance", "tasks"):
        out[key] = _table(key, out.get(key, {}))
    for name, spec in out["tasks"].items():
        _table(f"tasks.{name}", spec)
    return World(**out)


def _check_keys(data: Mapping[str, object]) -> None:
    known = [f.name for f in fields(World)]
    schema = data.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise WorldError(f"schema = {schema!r}: this readsim reads world files up to {SCHEMA}")
    for key in data:
        if key != "schema" and key not in known:
            raise WorldError(str(unknown("field", key, known)))
    for key in ("name", "capabilities", "dynamics", "start", "ceiling", "help", "scale_tokens"):
        if key not in data:
            raise WorldError(f"{key}: missing; a world needs it")


def _table(key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise WorldError(f"{key} = {value!r}: expected a table")
    return value


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise WorldError(f"{key} = {value!r}: expected a list of names")
    return tuple(value)


def _tables(key: str, value: object) -> list[dict[str, object]]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, dict) for v in value):
        raise WorldError(f"{key} = {value!r}: expected a list of tables")
    return list(value)


def _curves(feeds: object) -> int:
    """M, the length of the rows of `feeds`."""
    if not isinstance(feeds, list | tuple) or not feeds or not isinstance(feeds[0], list | tuple):
        raise WorldError("feeds: expected a matrix, a row for each source")
    return len(feeds[0])


def _array(key: str, value: object, shape: tuple[int, ...]) -> Array:
    if key in _ENDLESS:
        endless = isinstance(value, str) and value == _ENDLESS[key]
        value = np.inf if endless else value
    if isinstance(value, list) and key in _ENDLESS:
        value = [np.inf if v == _ENDLESS[key] else v for v in value]
    if not _numeric(value):
        word = f", or {_ENDLESS[key]!r}" if key in _ENDLESS else ""
        raise WorldError(f"{key} = {value!r}: expected numbers{word}")
    try:
        array = np.array(value, dtype=np.float64)
    except (OverflowError, ValueError) as error:
        raise WorldError(
            f"{key}: expected numbers in rows of equal length, got {value!r}"
        ) from error
    if array.ndim == 0 and shape:
        array = np.full(shape, float(array))
    if array.shape != shape:
        raise WorldError(
            f"{key}: shape {array.shape} where {shape} is needed (sources, capabilities)"
        )
    return array


def _numeric(value: object) -> bool:
    """Whether it is a number, or a list of such: no texts that look like one, no truth values."""
    if isinstance(value, list | tuple):
        return all(map(_numeric, value))
    return isinstance(value, Real | np.ndarray) and not isinstance(value, bool)


def save_world(world: World, path: AnyPath) -> None:
    """Write a `.toml` or `.json` file that `load_world_file` reads back exactly."""
    target = Path(path)
    data = world_to_dict(world)
    if target.suffix == ".json":
        text = json.dumps(data, indent=1, allow_nan=False)
    elif target.suffix == ".toml":
        import tomli_w

        text = tomli_w.dumps(data)
    else:
        raise WorldError(f"{str(path)!r}: a world file ends in .toml or .json")
    write_atomic(target, text.encode())


def load_world_file(path: AnyPath) -> World:
    """Read a `.toml` or `.json` world, or a `.csv` of effects that says how they were measured (see
    `world_from_csv`). Every message starts with the path."""
    source = Path(path)
    suffix = suffix_of(source)
    try:
        if suffix in (".csv", ".tsv"):
            from readsim.worlds.effects_csv import world_from_csv

            return world_from_csv(source)
        if suffix not in (".toml", ".json") and source.is_file():
            raise ConfigError(f"{source}: a world file ends in .toml, .json or .csv")
        data = read_settings(source)
    except ConfigError as error:
        raise WorldError(str(error)) from error
    try:
        return world_from_dict(data)
    except (ValueError, RecursionError) as error:
        raise WorldError(f"{source}: {error}") from error

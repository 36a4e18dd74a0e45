"""World files: TOML or JSON, exact both ways, unknown keys are errors."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.errors import WorldError, unknown
from readsim.worlds.world import OPTIONAL_VECTORS, World

SCHEMA = 1
_MATRICES = ("help", "harm")
_VECTORS = {"start": "K", "floor": "K", "ceiling": "K", "scale_tokens": "S"} | {
    name: axis for name, _, axis in OPTIONAL_VECTORS
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
            if f.name == "harm" and not value.any():
                continue
            out[f.name] = value.tolist()
        elif f.name == "gain":
            out["gain"] = value[0] if len(set(value)) == 1 else list(value)
        elif f.default is not MISSING and value == f.default:
            continue
        elif value or not isinstance(value, dict | tuple):
            out[f.name] = list(value) if isinstance(value, tuple) else value
    if "forgetting_tokens" in out:
        out["forgetting_tokens"] = [
            v if np.isfinite(v) else "never" for v in world.forgetting_tokens.tolist()
        ]
    return out


def world_from_dict(data: Mapping[str, object]) -> World:
    """The world of a file's table. A number stands for a vector of that number.

    Raises WorldError naming the field; for a newer schema it says so.
    """
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
    names: dict[str, object] = {key: _names(key, data[key]) for key in _NAMES if key in data}
    capabilities = names["capabilities"]
    sources = names.setdefault("sources", capabilities)
    assert isinstance(capabilities, tuple) and isinstance(sources, tuple)
    out: dict[str, object] = {**{k: v for k, v in data.items() if k != "schema"}, **names}
    size = {"K": len(capabilities), "S": len(sources)}
    out.setdefault(
        "link", "saturating" if data["dynamics"] in ("potential", "flow") else "identity"
    )
    out.setdefault("floor", -np.inf if out["link"] == "exponential" else 0.0)
    out.setdefault("harm", 0.0)
    for key, axis in _VECTORS.items():
        if key in out:
            out[key] = _array(key, out[key], (size[axis],))
    for key in _MATRICES:
        out[key] = _array(key, out[key], (size["S"], size["K"]))
    gain = out.get("gain", "exponential")
    out["gain"] = (gain,) * size["S"] if isinstance(gain, str) else _names("gain", gain)
    out["gates"] = tuple(_tables("gates", out.get("gates", [])))
    for key in ("drift", "provenance", "tasks"):
        if not isinstance(out.setdefault(key, {}), dict):
            raise WorldError(f"{key} = {out[key]!r}: expected a table")
    tasks = out["tasks"]
    assert isinstance(tasks, dict)
    for name, spec in tasks.items():
        if not isinstance(spec, dict):
            raise WorldError(f"tasks.{name} = {spec!r}: expected a table with `requirement`")
    for key in ("horizon", "pairing"):
        if key in out:
            out[key] = float(_array(key, out[key], ()))
    for key in ("name", "dynamics", "link", "description"):
        if not isinstance(out.get(key, ""), str):
            raise WorldError(f"{key} = {out[key]!r}: expected text")
    return World(**out)  # type: ignore[arg-type]  # every field was converted above


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise WorldError(f"{key} = {value!r}: expected a list of names")
    return tuple(value)


def _tables(key: str, value: object) -> list[dict[str, object]]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, dict) for v in value):
        raise WorldError(f"{key} = {value!r}: expected a list of tables")
    return list(value)


def _array(key: str, value: object, shape: tuple[int, ...]) -> Array:
    if isinstance(value, list) and "never" in value:
        value = [np.inf if v == "never" else v for v in value]
    if isinstance(value, bool) or isinstance(value, str):
        raise WorldError(f"{key} = {value!r}: expected numbers")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
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


def save_world(world: World, path: str | Path) -> None:
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
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def load_world_file(path: str | Path) -> World:
    """Read a `.toml` or `.json` world, or a `.csv` of effects. Every message starts with the path."""
    source = Path(path)
    if not source.is_file():
        raise WorldError(f"{source}: no such file")
    try:
        if source.suffix == ".csv":
            from readsim.worlds.effects import world_from_csv

            return world_from_csv(source)
        text = source.read_text(encoding="utf-8")
        if source.suffix == ".json":
            data = json.loads(text)
        elif source.suffix == ".toml":
            data = tomllib.loads(text)
        else:
            raise WorldError("a world file ends in .toml, .json or .csv")
        if not isinstance(data, dict):
            raise WorldError(f"expected a table of fields, got {type(data).__name__}")
        return world_from_dict(data)
    except WorldError as error:
        raise WorldError(f"{source}: {error}") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise WorldError(f"{source}: not a readable {source.suffix[1:]} file ({error})") from error

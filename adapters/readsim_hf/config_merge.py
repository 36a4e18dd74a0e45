"""TOML tables laid over one another, and what is wrong with them in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from readsim.errors import ConfigError, nearest, shown
from readsim.files import AnyPath

Made = TypeVar("Made")
_TASK_SOURCES = ("task", "yaml", "path", "probe", "dev", "test")

MOST_COUNT = 1_000_000  # tokens of a reply, examples of a batch, short trainings


def without_replaced(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` without the choice between a method and a pair of names that `above` makes anew."""
    pair = ("signal", "objective", "objective_settings")
    if above.get("method") and not any(above.get(name) for name in pair):
        return {key: value for key, value in below.items() if key not in pair}
    if "method" not in above and (above.get("signal") or above.get("objective")):
        return {**below, "method": ""}
    return below


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        whole = key in ("task", "objective_settings", "allocator_settings")
        if key == "tasks" and isinstance(old, list | tuple) and isinstance(value, list | tuple):
            out[key] = laid_over(old, value)
        elif isinstance(old, Mapping) and isinstance(value, Mapping) and not whole:
            out[key] = merge(old, value)
        else:
            out[key] = value
    return out


def laid_over(below: Sequence[Any], above: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Tasks with others over them: one of the same capability and source keeps its other settings, one of
    another source takes the place of that capability's, and what is new comes last."""
    out = list(below)
    given = [dict(task) for task in above]
    replaced = {t.get("capability") for t in given}
    kept = []
    for task in out:
        if not isinstance(task, Mapping) or task.get("capability") not in replaced:
            kept.append(task)
            continue
        same = [
            t for t in given if all(t.get(k) == task.get(k) for k in ("capability", *_TASK_SOURCES))
        ]
        if same:
            kept.append({**task, **same[0]})
            given.remove(same[0])
    return kept + given


def plain_value(value: Any) -> Any:
    """What JSON has no word for: numbers and arrays of NumPy and pandas as Python's, the rest as text."""
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) else str(value)


def without_none(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: without_none(value) for key, value in node.items() if value is not None}
    return [without_none(value) for value in node] if isinstance(node, tuple | list) else node


def within(settings: object, name: str, least: int, most: int) -> None:
    """Raise ConfigError for a field that is not from `least` to `most`."""
    value = getattr(settings, name)
    if not least <= value <= most:
        raise ConfigError(
            f"{name} = {shown(value)}: expected a number of at least {least}, at most {most}"
        )


def explain(cls: type, error: Any) -> str:
    """One line for one of pydantic's errors."""
    kinds = ("str", "dict[str,float]", "tuple[str, ...]")  # of a field that takes several
    place = [str(part) for part in error["loc"] if part not in kinds]
    name = ".".join(place)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _fields(cls, place[:-1])
        return f"unknown field {name}{nearest(place[-1], known)} (known: {', '.join(known)})"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{name}: {message}" if name else message  # ours: it shows the value
    return f"{name} = {shown(error['input'])}: {message}" if name else message


def _fields(cls: type, path: list[str]) -> list[str]:
    for part in path:
        if part.isdigit():
            continue  # a place in a list of tables
        inner = get_type_hints(cls).get(part)
        inner = next(iter(get_args(inner)), inner)
        if not (isinstance(inner, type) and is_dataclass(inner)):
            return []
        cls = inner
    return [f.name for f in fields(cls)]


def table_in(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table in it; {} where there is none, or something else, which is refused elsewhere."""
    found = table.get(name, {})
    return found if isinstance(found, Mapping) else {}


def made_of_file(
    make: Callable[..., Made],
    below: Sequence[Mapping[str, Any]],
    table: Mapping[str, Any],
    file: AnyPath | None,
    options: Mapping[str, Any],
) -> Made:
    """`make(*below, table, options)`; a ConfigError that only the `table` of `file` brings names the file."""
    try:
        return make(*below, table, options)
    except ConfigError as error:
        if file is None or str(file) in str(error):
            raise
        make(*below, options)
        raise ConfigError(f"{file}: {error}") from error

"""What tells one allocator instance from another: the name and the settings that a log records."""

from collections.abc import Mapping
from types import FunctionType
from typing import Any

from readsim.allocators.base import Allocator
from readsim.allocators.modifiers import Modified
from readsim.errors import RunLogError
from readsim.files.json_text import digest_of
from readsim.named import code_of
from readsim.runs.log_schema import plain

MOST_ATTRIBUTES = 30  # of an object that is written out; a trained network has more


def allocator_name(allocator: Allocator | str) -> str:
    """The name itself; of an instance its class, and each setting that is not the default."""
    if isinstance(allocator, str):
        return allocator
    cls = _class_of(allocator)
    if rows := allocator.settings():
        changed = [f"{name}={value}" for name, value, said in rows if said.startswith("set by")]
    else:
        plain_kinds = (bool, int, float, str)
        changed = [f"{k}={v}" for k, v in _attributes(allocator) if isinstance(v, plain_kinds)]
    return "+".join([cls.__name__, *changed])


def settings_of(allocator: Allocator) -> dict[str, Any]:
    """What tells an instance from another one, as plain data for a header.

    A function stands by a digest of its code, an object by its attributes; what has neither by its
    class alone, see `unrecorded`.
    """
    return _described(allocator, [])


def code_of_allocator(allocator: Allocator) -> dict[str, str]:
    """See `readsim.named.code_of`: of the allocator inside its modifiers."""
    return code_of(allocator.inner if isinstance(allocator, Modified) else allocator)


def unrecorded(allocator: Allocator) -> list[str]:
    """The attributes that `settings_of` names by their class alone: two instances that differ in them
    would be taken for one in a folder of runs."""
    lacking: list[str] = []
    _described(allocator, lacking)
    return lacking


def _described(allocator: Allocator, lacking: list[str]) -> dict[str, Any]:
    rows = [(name, value) for name, value, _ in allocator.settings()]
    shown = {k: _plain(value, k, lacking) for k, value in rows or _attributes(allocator)}
    return {"class": _class_of(allocator).__name__, **shown}


def _class_of(allocator: Allocator) -> type[Allocator]:
    return type(allocator.inner if isinstance(allocator, Modified) else allocator)


def _attributes(allocator: Allocator) -> list[tuple[str, Any]]:
    return [(k, v) for k, v in vars(allocator).items() if k not in ("inner", "shape", "needs")]


def _plain(value: object, name: str, lacking: list[str]) -> Any:
    """The value as a log can hold it; the names of what it cannot are added to `lacking`."""
    try:
        return plain(value, name)
    except RunLogError:
        pass
    if isinstance(value, float | type):
        return repr(value) if isinstance(value, float) else value.__qualname__
    if isinstance(value, list | tuple):
        return [_plain(item, f"{name}[{n}]", lacking) for n, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {str(k): _plain(item, f"{name}.{k}", lacking) for k, item in value.items()}
    if isinstance(value, FunctionType):
        return f"function {_digest_of_function(value, name, lacking)[:16]}"
    return _plain_object(value, name, lacking)


def _plain_object(value: object, name: str, lacking: list[str]) -> Any:
    """By its attributes, or where it has none or very many by its class."""
    inner = getattr(value, "__dict__", {})
    if not inner or len(inner) > MOST_ATTRIBUTES:
        lacking.append(name)
        return type(value).__qualname__
    shown = {key: _plain(item, f"{name}.{key}", lacking) for key, item in inner.items()}
    return {"class": type(value).__qualname__, **shown}


def _digest_of_function(function: FunctionType, name: str, lacking: list[str]) -> str:
    """Of its code, its constants, and what it holds."""
    code = function.__code__
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    constants = [repr(c) for c in code.co_consts if not hasattr(c, "co_code")]
    about = [code.co_code.hex(), constants, list(code.co_names)]
    return digest_of([*about, _plain([held, function.__defaults__], name, lacking)])

"""What a user names on the command line, `NAME` or `module:attribute`, with `+key=value` settings.

Allocators and backends are found, built and refused in these words alone.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError, ReadsimError, UnknownNameError, unknown


def split_name(text: str, kind: str = "allocator") -> tuple[str, dict[str, Any]]:
    """`"exp3+floor=0.02"` -> `("exp3", {"floor": 0.02})`; values are numbers, true, false or text."""
    name, *parts = text.split("+")
    settings: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not (key and equals and value) or key in settings:
            raise ConfigError(f"{kind} {text!r}: expected NAME+key=value, each key once")
        settings[key] = _value(value)
    return name, settings


def _value(text: str) -> Any:
    """A whole number, a number, a truth value, or the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def find(target: str, kind: str = "allocator") -> Callable[..., Any]:
    """The class or function at `module:attribute`; the current folder is searched too.

    Raises UnknownNameError with the nearest name, ConfigError for what cannot be called.
    """
    module_name, _, attribute = target.partition(":")
    if not {"", here := str(Path.cwd())} & set(sys.path):
        sys.path.append(here)  # an installed command does not look there by itself
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UnknownNameError(
            f"{kind} {target!r}: cannot import {module_name!r} ({error})"
        ) from error
    if not hasattr(module, attribute):
        known = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module_name]
        raise unknown(f"{kind} in {module_name}", attribute, known)
    found: Callable[..., Any] = getattr(module, attribute)
    if not callable(found):
        raise ConfigError(f"{kind} {target!r} is {found!r}: a class or a function was expected")
    return found


def build(name: str, make: Callable[..., Any], settings: Mapping[str, Any], kind: str) -> Any:
    """`make(**settings)`. Raises ConfigError, with what it accepts, for settings that it does not take."""
    try:
        return make(**settings)
    except ReadsimError:
        raise
    except TypeError as error:
        try:
            accepted = str(signature(make))
        except ValueError:
            accepted = "unknown"
        raise ConfigError(
            f"{kind} {name!r} with {dict(settings)!r}: {error}; accepted: {accepted}"
        ) from error

"""What a user names on the command line, `NAME` or `module:attribute`, with `+key=value` settings.

Allocators and backends are found, built and refused in these words alone, and a digest of their code tells
runs of one edition from those of another.
"""

import functools
import hashlib
import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from inspect import Parameter, signature
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import Any

from readsim.errors import ConfigError, ReadsimError, UnknownNameError, nearest, shown, unknown


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


def find(
    target: str, kind: str = "allocator", suits: Callable[[Any], bool] = callable
) -> Callable[..., Any]:
    """The class or function at `module:attribute`; the current folder is searched too.

    Where there is no such attribute, those of the module that `suits` accepts are named.
    A module whose file was edited since it was imported is read again.

    Raises UnknownNameError with the nearest name, ConfigError for a module that fails and for what cannot be
    called.
    """
    module_name, _, attribute = target.partition(":")
    parts = (*module_name.split("."), attribute)
    if module_name.endswith(".py") or not all(part.isidentifier() for part in parts):
        stem, name = Path(module_name).stem, attribute
        if not (stem.isidentifier() and name.isidentifier()):
            stem, name = "mine", "Rule"
        raise ConfigError(
            f"{kind} {target!r}: expected module:attribute, such as {stem}:{name}, in the folder of {stem}.py"
        )
    if not {"", here := str(Path.cwd())} & set(sys.path):
        sys.path.append(here)  # an installed command does not look there by itself
    try:
        module = importlib.import_module(module_name)
        if _is_edited(module):
            del _SEEN[module_name]
            module = importlib.reload(module)
    except ImportError as error:
        gone = isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(
            f"{error.name}."
        )
        where = f"; it is looked for in {here!r} and among the installed packages" if gone else ""
        raise UnknownNameError(
            f"{kind} {target!r}: cannot import {module_name!r} ({error}){where}"
        ) from error
    except SyntaxError as error:
        raise ConfigError(
            f"{kind} {target!r}: {error.filename}, line {error.lineno}: {error.msg}: "
            f"{(error.text or '').strip()[:80]}"
        ) from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"{kind} {target!r}: importing {module_name!r} fails at {frame.filename}, line {frame.lineno}: "
            f"{type(error).__name__}: {error}"
        ) from error
    except SystemExit as error:
        raise ConfigError(
            f"{kind} {target!r}: {module_name!r} ends Python when it is imported"
        ) from error
    _digest_of_module(module)  # of what was imported, whatever happens to the file
    if not hasattr(module, attribute):
        known = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module_name and suits(value)
        ]
        raise unknown(f"{kind} in {module_name}", attribute, known)
    found: Callable[..., Any] = getattr(module, attribute)
    if not callable(found):
        raise ConfigError(f"{kind} {target!r} is {found!r}: a class or a function was expected")
    return found


def build(
    name: str,
    make: Callable[..., Any],
    settings: Mapping[str, Any],
    kind: str,
    also: Iterable[str] = (),
) -> Any:
    """`make(**settings)`; a message suggests its settings and those that are accepted `also`.

    `name` is what the user typed. Raises ConfigError, with what it accepts, for settings that it does not
    take, and for values that are not what simple annotations (int, float, bool) or the kind of the
    default say.
    """
    try:
        made = make(**settings)
    except ReadsimError:
        raise
    except TypeError as error:
        _check_kinds(name, make, settings, kind)  # what a constructor did with another kind
        accepted, known = "unknown", [*also]
        with suppress(ValueError):
            accepted, known = str(signature(make)), [*signature(make).parameters, *also]
        strange = next((key for key in settings if key not in known), None)
        near = "" if strange is None else nearest(strange, known)
        told = "" if "+" in name or not settings else f" with {shown(dict(settings))}"
        common = "; of every one: ".join(filter(None, [accepted, ", ".join(also)]))
        raise ConfigError(f"{kind} {name!r}{told}: {error}{near}; accepted: {common}") from error
    _check_kinds(name, make, settings, kind)
    return made


KINDS: dict[str, tuple[type, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "true or false"),
}


def _check_kinds(
    name: str, make: Callable[..., Any], settings: Mapping[str, Any], kind: str
) -> None:
    """Raise ConfigError for a setting whose annotation is int, float or bool and whose value is not.

    Without an annotation the default tells: a number where it is one, a truth value where it is one.
    """
    try:
        parameters = signature(make).parameters
    except ValueError:
        return
    for key, value in settings.items():
        if key not in parameters:
            continue
        note, default = parameters[key].annotation, parameters[key].default
        if note is Parameter.empty and isinstance(default, int | float):
            note = "bool" if isinstance(default, bool) else "float"
        kept = KINDS.get(note if isinstance(note, str) else getattr(note, "__name__", ""))
        if kept is None or value is None:
            continue
        wanted, words = kept
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise ConfigError(f"{kind} {name!r}: {key} = {shown(value)}: expected {words}")


_SEEN: dict[str, tuple[str, str]] = {}  # module -> file and digest, as when it was first seen here


def code_of(*objects: object) -> dict[str, str]:
    """Digests of what objects are made of beside readsim and installed packages, by name; {} for nothing.

    Of each object's class (or of the class or function itself) the file of its module, those of modules of
    the user's that it uses, and files that its text attributes name (a saved policy, a table).
    """
    found: dict[str, str] = {}
    for value in objects:
        for module in _modules(value):
            found[module.__name__] = _digest_of_module(module)
        if not (isinstance(value, type) or inspect.isroutine(value)):
            found |= file_digests(getattr(value, "__dict__", {}))
    return dict(sorted(found.items()))


def _modules(value: object) -> Iterator[ModuleType]:
    """The modules that a class, a function or an instance is written in, and what these use."""
    kind = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    parts = kind.__mro__ if isinstance(kind, type) else (kind,)
    inner = vars(value).values() if hasattr(value, "__dict__") and value is not kind else ()
    held = [one if inspect.isroutine(one) or isinstance(one, type) else type(one) for one in inner]
    seen: set[str] = set()
    own = _home(kind)
    if own is not None and not _is_own(own) and _is_plugin(own):
        seen.add(own.__name__)
        yield own
    waiting = [_home(part) for part in (*parts, *held)]
    while waiting:
        module = waiting.pop()
        if module is None or module.__name__ in seen or not _is_own(module):
            continue
        seen.add(module.__name__)
        yield module
        waiting += _used(vars(module).values())


def _used(values: Iterable[object]) -> list[ModuleType | None]:
    return [value if isinstance(value, ModuleType) else _home(value) for value in list(values)]


def _home(value: object) -> ModuleType | None:
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


OWN = (
    "readsim",
    "readsim_hf",
    "readsim_rl",
)  # packages of one wheel, whose version says what they are
INSTALLED = {"site-packages", "dist-packages"}


@functools.cache
def _standard() -> Path:
    """Where Python's own modules are."""
    return Path(sysconfig.get_paths()["stdlib"]).resolve()


def _is_own(module: ModuleType) -> bool:
    """Whether a module is the user's: it has a text file, which no installation brought."""
    package = module.__name__.partition(".")[0]
    if package in OWN or module.__name__ == "__mp_main__":
        return False
    if module.__name__ == "__main__":
        return True
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return False
    path = Path(file).resolve()
    return not (INSTALLED & set(path.parts) or path.is_relative_to(_standard()))


def _is_plugin(module: ModuleType) -> bool:
    """Whether a module is of an installed package that is neither readsim nor Python's own."""
    package = module.__name__.partition(".")[0]
    if package in OWN or package in sys.stdlib_module_names:
        return False
    return str(getattr(module, "__file__", "")).endswith(".py")


def _text_of(module: ModuleType) -> bytes | None:
    """The module's file as it is now; None without one (a notebook)."""
    file = getattr(module, "__file__", None)
    try:
        return None if file is None else Path(file).read_bytes()
    except OSError:
        return None


def _digest_of_module(module: ModuleType) -> str:
    """Of the file, as it was when the module was first seen; of a notebook's classes and functions now."""
    name, file = module.__name__, str(getattr(module, "__file__", ""))
    if name not in _SEEN or _SEEN[name][0] != file:
        text = _text_of(module)
        if text is None:
            return hashlib.sha256(_written(module).encode()).hexdigest()[:16]
        _SEEN[name] = file, hashlib.sha256(text).hexdigest()[:16]
    return _SEEN[name][1]


def _is_edited(module: ModuleType) -> bool:
    """Whether a module of the user's has another text than when it was seen before."""
    known = _SEEN.get(module.__name__)
    if known is None or not _is_own(module) or module.__name__ == "__main__":
        return False
    text = _text_of(module)
    return text is not None and hashlib.sha256(text).hexdigest()[:16] != known[1]


def _written(module: ModuleType) -> str:
    """The text of a notebook's classes and functions."""
    texts = []
    for name, value in sorted(vars(module).items()):
        if getattr(value, "__module__", None) == module.__name__ and (
            isinstance(value, type) or inspect.isfunction(value)
        ):
            try:
                texts.append(inspect.getsource(value))
            except (OSError, TypeError):
                texts.append(name)
    return "\n".join(texts)


def file_digests(settings: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the files that settings name, by setting."""
    found: dict[str, str] = {}
    for name, text in settings.items():
        try:
            if isinstance(text, str | Path) and Path(text).is_file():
                with Path(text).open("rb") as file:
                    found[f"file {name}"] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except (OSError, ValueError):  # text that is no name of a file
            continue
    return found

"""JSON, strictly: no field twice, no NaN, no half of a surrogate pair."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError
from readsim.files.text import AnyPath, place_in, text_lines

SPACE = " \t\r\n"  # of JSON
# None of them can stand inside a JSON text, other than as space.
_LINE_END = re.compile(r"\r\n|\r|\n")


class _Twice(ValueError):
    """A field that is given twice, and its name."""

    def __str__(self) -> str:
        return str(self.args[0])


def json_lines(path: AnyPath) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line that is not blank, one at a time.

    Raises ConfigError naming file, line and column.
    """
    return _objects(text_lines(path), Path(path))


def json_lines_of(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """`json_lines` of a text that was read from `path`."""
    return _objects(_LINE_END.split(text), path)


def _objects(parts: Iterable[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, part in enumerate(parts, 1):
        if not part.strip():
            continue
        value = parse_json(part, path, line)
        if not isinstance(value, dict):
            what = "a list" if isinstance(value, list) else repr(part[:40])
            raise ConfigError(
                f"{path}, line {line}: {what} is not a JSON object: accepted is one JSON object a line"
            )
        if wrong := fault(value, finite=True):
            raise ConfigError(f"{path}, line {line}, column {wrong[0]!r}: {wrong[1]}")
        yield line, value


def parse_json(text: str, path: AnyPath, line: int | None = None) -> Any:
    """The value of a JSON text: of a whole file or, with its number, of one line.

    Raises ConfigError naming file, line and column (a character's, or a field's). Where the text ends too
    early, that is the place behind its last character, not the next line.
    """
    text = text.rstrip(SPACE)
    try:
        value = json.loads(text, object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        at = f"{path}, line {(line or 1) + error.lineno - 1}, column {error.colno}"
        hint = "" if line is None else ": accepted is one JSON object a line"
        raise ConfigError(f"{at}: not JSON: {error.msg}{hint}") from error
    except (ValueError, RecursionError) as error:  # a field twice, 5000 digits, 5000 brackets
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        where = _second(text, Path(path), error) if line is None else f"{path}, line {line}"
        raise ConfigError(f"{where}: not JSON: {said}") from error
    if line is None and (wrong := fault(value)):
        raise ConfigError(f"{path}: {wrong[0]}: {wrong[1]}")
    return value


def _second(text: str, path: Path, error: Exception) -> str:
    """The place of a field that is given twice; the file alone where it cannot be told."""
    twice = error.args[1] if isinstance(error, _Twice) else None
    found = list(re.finditer(rf"{re.escape(json.dumps(twice, ensure_ascii=False))}\s*:", text))
    return place_in(path, text[: found[1].start()]) if twice and len(found) == 2 else str(path)


def without_doubles(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A table of the pairs. Raises ValueError naming a field that is there twice."""
    out = dict(pairs)
    if len(out) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"field {twice!r} is given twice", twice)
    return out


def fault(value: Any, name: str = "", *, finite: bool = False) -> tuple[str, str] | None:
    """(place, what is wrong) of the first text that holds half of a surrogate pair or, with `finite`, of the
    first number that is none of JSON; None without one."""
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):
            return name, "half of a surrogate pair, which is no text"
    elif isinstance(value, float) and finite and not math.isfinite(value):
        return (
            name,
            f"{'NaN' if math.isnan(value) else 'Infinity'} is no number of JSON: write null",
        )
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{name}.{key}" if name else str(key)
            if found := fault(key, ascii(key)) or fault(item, inner, finite=finite):
                return found
    elif isinstance(value, list):
        for n, item in enumerate(value):
            if found := fault(item, f"{name}[{n}]", finite=finite):
                return found
    return None


def digest_of(data: object) -> str:
    """SHA-256 of plain data, in hex."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

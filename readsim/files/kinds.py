"""The kinds that a column can be declared to be. A value is converted by its kind, never by its looks.

A kind takes what a file gave (the text of a cell, a JSON value, None where there is nothing) and returns the
value, the same for every format of the same row. It raises ValueError that says what was expected.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from readsim.files.literal import parse_literal

Kind = Callable[[Any], Any]
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")


def raw(value: Any) -> Any:
    """Whatever is there: the reader of the row knows more."""
    return value


def text(value: Any) -> str:
    """Text that is not empty; "007", "1.0", "None", "NA" and "true" stay what they are. A whole number of
    JSON is its digits; others are refused, because how they were written is lost."""
    if value is None or value == "":
        raise ValueError("is empty: text is needed")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _unlike("text (in quotes)", value)
    if not value.strip():
        raise ValueError("is blank: text is needed")
    return value


def any_text(value: Any) -> str:
    """Text that may be empty; nothing is the empty text."""
    return "" if _nothing(value) else value if isinstance(value, str) else text(value)


def whole_number(value: Any) -> int:
    """A whole number: 7, 7.0, "7" or "7.0"."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise _unlike("a whole number", value)


def one_of(kind: Kind, values: Sequence[Any]) -> Kind:
    """A value of that kind which is among `values`."""

    def read(value: Any) -> Any:
        found = kind(value)
        if found not in values:
            raise _unlike(f"one of {', '.join(map(repr, values))}", value)
        return found

    return read


def optional(kind: Kind) -> Kind:
    """None where there is nothing."""
    return lambda value: None if _nothing(value) else kind(value)


def any_list(value: Any) -> list[Any]:
    """A list, or a cell that holds one as JSON, Python or NumPy writes it."""
    found = parse_literal(value) if isinstance(value, str) and value.strip() else value
    if not isinstance(found, list | tuple):
        raise _unlike('a list such as ["cat", "dog"]', value)
    return list(found)


def texts(value: Any) -> list[str]:
    """A list of at least one text."""
    return list_of(text)(value)


def list_of(kind: Kind) -> Callable[[Any], list[Any]]:
    """A list of at least one value of that kind."""

    def read(value: Any) -> list[Any]:
        found = any_list(value)
        if not found:
            raise ValueError("is an empty list: at least one value is needed")
        return [_inner(kind, item, f"[{n}]") for n, item in enumerate(found)]

    return read


def text_or_texts(value: Any) -> str | list[str]:
    """A text or a list of texts; a cell is a list where it holds nothing but quoted texts in brackets."""
    if isinstance(value, str) and value.strip().startswith(("[", "array(")):
        try:
            found = any_list(value)
        except ValueError:
            found = []
        if found and all(isinstance(item, str) for item in found):
            return texts(found)
    return texts(value) if isinstance(value, list) else text(value)


def record(**kinds: Kind) -> Kind:
    """An object with these fields, each of its kind; further fields are left out."""

    def read(value: Any) -> dict[str, Any]:
        found = table(value)
        return {name: _inner(kind, found.get(name), f".{name}") for name, kind in kinds.items()}

    return read


def table(value: Any) -> dict[str, Any]:
    """An object with any fields."""
    found = parse_literal(value) if isinstance(value, str) and value.strip() else value
    if not isinstance(found, dict):
        raise _unlike("an object", value)
    return found


def _nothing(value: Any) -> bool:
    return value is None or value == ""


def _inner(kind: Kind, value: Any, where: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(f"{where} {error}") from error


def _unlike(expected: str, value: Any) -> ValueError:
    shown = repr(value)
    if _nothing(value):
        return ValueError(f"is empty: {expected} is needed")
    return ValueError(f"{shown[:60]}{'...' if len(shown) > 60 else ''}: expected {expected}")

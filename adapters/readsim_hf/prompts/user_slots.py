"""Slots that a template file can declare."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from readsim.errors import ConfigError, unknown
from readsim_hf.prompts.slots import NAME, Choice, Integer, Sample, Slot, is_whole

FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
LARGEST = 10**15  # absolute value of an integer slot
RESERVED = "answer"  # its field in a rationale is the answer


def refuse(field: str, value: object, accepted: str) -> ConfigError:
    """The error for a field whose value is not accepted."""
    return ConfigError(f"{field} = {value!r}; accepted: {accepted}")


def check_keys(kind: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raise ConfigError for a key that is not among the known ones, with the nearest."""
    for key in table:
        if key not in known:
            raise ConfigError(str(unknown(kind, key, known)))


@dataclass(frozen=True)
class Declared:
    """A slot with what the rest of the template needs to know about it.

    number    slot value -> the number it stands for as a control factor, None where it has none
    whole     whether its values are whole numbers, for expressions
    """

    slot: Slot
    number: Callable[[Any], float] | None
    whole: bool


def read_slots(tables: object) -> dict[str, Declared]:
    """The slots of a template; raises ConfigError."""
    if not isinstance(tables, Mapping):
        raise refuse("slots", tables, "an object of slot name -> slot")
    for name in tables:
        if not FIELD.fullmatch(f"{{{name}}}") or name == RESERVED:
            raise refuse("slots", name, f"names of letters, digits and _, other than {RESERVED}")
    return {name: _read(f"slots.{name}", table) for name, table in tables.items()}


def _read(field: str, table: object) -> Declared:
    if not isinstance(table, Mapping):
        raise refuse(field, table, 'an object such as {"type": "integer", "low": 1, "high": 9}')
    kind = table.get("type")
    if not isinstance(kind, str):
        raise refuse(f"{field}.type", kind, ", ".join(_READ))
    if kind not in _READ:
        raise ConfigError(f"{field}.type: {unknown('slot type', kind, _READ)}")
    keys, read = _READ[kind]
    check_keys(f"field of {field}", table, ("type", *keys))
    for key in keys:
        if key not in table:
            raise ConfigError(f"{field}.{key} is missing; a slot of type {kind} needs it")
    return read(field, table)


def _whole(field: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or not is_whole(value, low, high):
        raise refuse(field, value, f"a whole number from {low} to {high}")
    return value


def _is_member(value: object) -> bool:
    return isinstance(value, str) or is_whole(value, -LARGEST, LARGEST)


def _members(field: str, values: object) -> tuple[Any, ...]:
    """Different texts and whole numbers."""
    if not isinstance(values, list) or not values or not all(map(_is_member, values)):
        raise refuse(field, values, "a list of at least one text or whole number")
    if len(set(map(str, values))) < len(values):
        raise refuse(field, values, "a list without repetitions")
    return tuple(values)


def _integer(field: str, table: Mapping[str, Any]) -> Declared:
    low = _whole(f"{field}.low", table["low"], -LARGEST, LARGEST)
    high = _whole(f"{field}.high", table["high"], low, LARGEST)
    return Declared(Integer(low, high), float, True)


def _choice(field: str, table: Mapping[str, Any]) -> Declared:
    values = _members(f"{field}.values", table["values"])
    whole = all(isinstance(value, int) for value in values)
    return Declared(Choice(values), float if whole else None, whole)


def _sample(field: str, table: Mapping[str, Any]) -> Declared:
    pool = _members(f"{field}.pool", table["pool"])
    least = _whole(f"{field}.least", table["least"], 1, len(pool))
    most = _whole(f"{field}.most", table["most"], least, len(pool))
    return Declared(Sample(pool, least, most), len, False)


def _name(field: str, table: Mapping[str, Any]) -> Declared:
    return Declared(NAME, None, False)


_Reader = Callable[[str, Mapping[str, Any]], Declared]
_READ: dict[str, tuple[tuple[str, ...], _Reader]] = {
    "integer": (("low", "high"), _integer),
    "choice": (("values",), _choice),
    "sample": (("pool", "least", "most"), _sample),
    "name": ((), _name),
}

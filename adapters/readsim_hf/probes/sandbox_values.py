"""Python values as JSON and back: what arrives is exactly of the built-in types, whatever was sent.

None, booleans, text, floats and whole numbers below 2^63 are JSON's own. The rest are lists with a name
before: `["int", hex]`, `["complex", re, im]`, `["bytes", hex]` (bytearray), `["list", [...]]` (tuple, set,
frozenset), `["dict", [[key, value], ...]]`, `["built-in", name]`, `["Fraction", text]`, `["Decimal", text]`.
An object of a class derived from one of these is sent as one of these; a NumPy scalar as the number it is.
"""

import importlib
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType
from typing import Any

Inner = Callable[[Any], Any]
_WHOLE = 1 << 63
# Go over by name: each side has its own.
_NAMED: dict[str, Any] = {
    it.__name__: it
    for it in (
        *(bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict),
        *(abs, all, any, bin, chr, divmod, enumerate, filter, hex, len, map, max, min, oct, ord),
        *(pow, range, repr, reversed, round, sorted, sum, zip),
    )
}
_TEXTUAL = {"Fraction": "fractions", "Decimal": "decimal"}


def _whole(value: int, _: Inner) -> Any:
    number = int.__int__(value)
    return number if -_WHOLE < number < _WHOLE else ["int", hex(number)]


def _items(kind: type, each: Callable[[Any], Iterable[Any]]) -> Callable[[Any, Inner], Any]:
    return lambda value, inner: [kind.__name__, [inner(x) for x in each(value)]]


_WRITE: dict[type, Callable[[Any, Inner], Any]] = {
    str: lambda value, _: str.__str__(value),
    int: _whole,
    float: lambda value, _: float.__float__(value),
    complex: lambda value, _: ["complex", value.real, value.imag],
    bytes: lambda value, _: ["bytes", bytes.hex(value)],
    bytearray: lambda value, _: ["bytearray", bytearray.hex(value)],
    list: _items(list, list.__iter__),
    tuple: _items(tuple, tuple.__iter__),
    set: _items(set, set.__iter__),
    frozenset: _items(frozenset, frozenset.__iter__),
    dict: lambda value, inner: ["dict", [[inner(k), inner(v)] for k, v in dict.items(value)]],
}
_READ: dict[str, Callable[[Any, Inner], Any]] = {
    "int": lambda rest, _: int(rest[0], 16),
    "complex": lambda rest, _: complex(*rest),
    "bytes": lambda rest, _: bytes.fromhex(rest[0]),
    "bytearray": lambda rest, _: bytearray.fromhex(rest[0]),
    "list": lambda rest, inner: [inner(x) for x in rest[0]],
    "tuple": lambda rest, inner: tuple(inner(x) for x in rest[0]),
    "set": lambda rest, inner: {inner(x) for x in rest[0]},
    "frozenset": lambda rest, inner: frozenset(inner(x) for x in rest[0]),
    "dict": lambda rest, inner: {inner(k): inner(v) for k, v in rest[0]},
    "built-in": lambda rest, _: _NAMED[rest[0]],
}


def to_node(value: Any, refer: Inner) -> Any:
    """The value as JSON; `refer` gives the node of an object that is no value."""
    kind = type(value)
    if value is None or kind in {bool, str, float}:
        return value
    for base, write in _WRITE.items():
        if isinstance(value, base):
            return write(value, lambda x: to_node(x, refer))
    name = value.__name__ if isinstance(value, type | BuiltinFunctionType) else ""
    if _NAMED.get(name, name) is value:
        return ["built-in", name]
    if _TEXTUAL.get(kind.__name__) == kind.__module__:
        return [kind.__name__, str(value)]
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return to_node(value.item(), refer)
    return refer(value)


def from_node(node: Any, resolve: Callable[[str, int], Any]) -> Any:
    """The value of a node; `resolve` gives the object that a name and a number stand for.

    Raises ValueError, TypeError, IndexError, KeyError or RecursionError for what is no node.
    """
    if not isinstance(node, list):
        if isinstance(node, dict):
            raise TypeError("a table is no value")
        return node
    kind, *rest = node
    if kind in _READ:
        return _READ[kind](rest, lambda x: from_node(x, resolve))
    if kind in _TEXTUAL:
        return getattr(importlib.import_module(_TEXTUAL[kind]), kind)(rest[0])
    if type(rest[0]) is not int or rest[0] < 0:
        raise TypeError("a reference is a whole number")
    return resolve(kind, rest[0])

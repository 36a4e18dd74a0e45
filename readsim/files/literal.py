"""Lists and objects that were written into one cell: as JSON, as Python shows them, as NumPy shows them."""

import ast
import io
import json
import tokenize
from typing import Any

from readsim.files.json_text import fault, unique

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_CONSTANTS = {"None": None, "True": True, "False": False}
_WRAPPED = {"array", "dtype", "np", "numpy", "list", "tuple"}  # array([...]), np.float64(0.5)
_SKIPPED = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}


def parse_literal(text: str) -> Any:
    """Plain data of a cell: `["cat", "dog"]`, `['cat', None]`, `array(['cat', 'dog'], dtype=object)`, or
    `['cat' 'dog']`, as NumPy shows an array. Tuples and arrays become lists.

    Raises ValueError that says what is wrong.
    """
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        value = _Parser(text).whole()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if wrong := fault(value, finite=True):
        raise ValueError(f"{wrong[0]} {wrong[1]}".strip())
    return value


class _Parser:
    """Recursive descent over Python's tokens; within a bracket, all items are separated by commas or none."""

    def __init__(self, text: str) -> None:
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(text.strip()).readline))
        except (tokenize.TokenError, SyntaxError) as error:
            raise ValueError(f"not a list or object ({error.args[0]})") from error
        self._tokens = [t for t in tokens if t.type not in _SKIPPED]
        self._at = 0

    def whole(self) -> Any:
        try:
            value = self._value()
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if self._tokens[self._at].type != tokenize.ENDMARKER:
            raise ValueError(f"{self._next!r} after the end of the value")
        return value

    @property
    def _next(self) -> str:
        return self._tokens[self._at].string

    def _take(self, expected: str | None = None) -> tokenize.TokenInfo:
        token = self._tokens[self._at]
        if token.type == tokenize.ENDMARKER or (expected and token.string != expected):
            raise ValueError(f"{token.string!r} where {expected or 'a value'} was expected")
        self._at += 1
        return token

    def _value(self) -> Any:
        token = self._take()
        if token.string in ("[", "("):
            return self._items(_CLOSING[token.string], self._value)
        if token.string == "{":
            return unique(self._items("}", self._pair))
        if token.type == tokenize.STRING:
            value = ast.literal_eval(token.string)
            if not isinstance(value, str):
                raise ValueError(f"{token.string[:40]!r} is not text")
            return value
        if token.type == tokenize.NUMBER:
            return _number(token.string)
        if token.string in ("-", "+"):
            number = _number(self._take().string)
            return -number if token.string == "-" else number
        if token.string in _CONSTANTS:
            return _CONSTANTS[token.string]
        if token.string in _WRAPPED:
            return self._wrapped()
        if token.string == "...":
            raise ValueError(
                "NumPy left out a part of the list (...): export the rows as JSON lines"
            )
        raise ValueError(f"{token.string!r} where a value was expected")

    def _items(self, closing: str, read: Any) -> list[Any]:
        """The items up to the closing bracket."""
        out: list[Any] = []
        commas = 0
        while self._next != closing:
            out.append(read())
            if self._next == ",":
                self._take()
                commas += 1
        self._take(closing)
        if commas and commas < len(out) - 1:
            raise ValueError("a comma is missing between two items")
        return out

    def _pair(self) -> tuple[str, Any]:
        key = self._value()
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is not text")
        self._take(":")
        return key, self._value()

    def _wrapped(self) -> Any:
        """What stands in `array(...)` or `np.float64(...)`, without its other arguments."""
        while self._next == ".":
            self._take()
            self._take()
        self._take("(")
        value = self._value()
        while self._next == ",":  # dtype=object, dtype='<U3', shape=(2,)
            self._take()
            if self._next != ")":
                self._take()
                self._take("=")
                if self._tokens[self._at].type == tokenize.NAME:
                    self._take()
                else:
                    self._value()
        self._take(")")
        return value


def _number(text: str) -> int | float:
    value = ast.literal_eval(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{text!r} is not a number")
    return value

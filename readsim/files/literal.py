"""Lists and objects that were written into one cell: as JSON, as Python shows them, as NumPy shows them."""

import ast
import io
import json
import tokenize
import warnings
from typing import Any

from readsim.files.json_text import fault, without_doubles

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
        value = json.loads(text, object_pairs_hook=without_doubles)
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
        word = token.string
        if word in _CLOSING:
            items = self._items(word)
            return without_doubles(items) if word == "{" else items
        if token.type in (tokenize.STRING, tokenize.NUMBER):
            return _constant(word, str if token.type == tokenize.STRING else (int, float))
        if word in ("-", "+"):
            number = _constant(self._take().string, (int, float))
            return -number if word == "-" else number
        if word in _WRAPPED:
            return self._wrapped()
        if word not in _CONSTANTS:
            more = " (NumPy left out a part of the list)" if word == "..." else ""
            raise ValueError(f"{word!r} where a value was expected{more}")
        return _CONSTANTS[word]

    def _items(self, opening: str) -> list[Any]:
        """The items up to the closing bracket; between [ and ], NumPy puts spaces in place of commas."""
        read = self._pair if opening == "{" else self._value
        out: list[Any] = []
        commas = 0
        while self._next != _CLOSING[opening]:
            apart = not out or commas == len(out) or self._tokens[self._at - 1].end != self._here
            out.append(read())
            if not apart or (commas < len(out) - 1 and (commas or opening != "[")):
                raise ValueError("a comma is missing between two items")
            if self._next == ",":
                self._take()
                commas += 1
        self._take(_CLOSING[opening])
        return out

    @property
    def _here(self) -> tuple[int, int]:
        return self._tokens[self._at].start

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


def _constant(text: str, kinds: type | tuple[type, ...]) -> Any:
    """A text or number as Python writes it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an escape that Python does not know stays what it is
            value = ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(f"{text[:40]!r} is no value") from error
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{text[:40]!r} is not {'text' if kinds is str else 'a number'}")
    return value

"""A program and its tests are two processes: what passes between them are plain values.

The tests call the program's functions as if they had them. Numbers, text, containers of them and the built-in
types (`sandbox_values`) arrive as new, exactly built-in objects, so that `==` is the tests' own. Anything
else (an instance, a function, an iterator) stays where it is; the other side holds a `Remote`, whose calls,
attributes, items, length, truth and text are asked for, and which equals itself only. Lists, dicts and
sets that a call changes are changed for the caller, too.

What the program can say is therefore a value, never that a test passed. Of the tests' side it can call what
was given to it as an argument, nothing else.
"""

import builtins
import contextlib
import importlib
import json
import operator
import os
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from readsim_hf.probes.sandbox_values import from_node, to_node

MOST = 1 << 24  # bytes of one message
_BUILTINS = dict(vars(builtins))
_CHANGING = {list, dict, set, bytearray}


class Ended(BaseException):
    """The other side is no longer there, or said what it may not; no test catches that."""


class ProgramError(Exception):
    """The program raised something that is no built-in exception."""


class UnfitError(TypeError):
    """The tests would give the program what cannot go over."""


class Remote:
    """An object of the other side."""

    __slots__ = ("__end", "__number")

    def __init__(self, end: "End", number: int) -> None:
        object.__setattr__(self, "_Remote__end", end)
        object.__setattr__(self, "_Remote__number", number)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.__end.ask("call", self, *args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in {"__name__", "__doc__"}:
            raise AttributeError(name)
        return self.__end.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__end.ask("set", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self.__end.ask("item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__end.ask("put", self, key, value)

    def __iter__(self) -> Any:
        return self.__end.ask("iter", self)

    def __next__(self) -> Any:
        return self.__end.ask("next", self)

    def __len__(self) -> int:
        value: int = self.__end.ask_for(int, "len", self)
        return value

    def __bool__(self) -> bool:
        value: bool = self.__end.ask_for(bool, "bool", self)
        return value

    def __str__(self) -> str:
        value: str = self.__end.ask_for(str, "str", self)
        return value

    def __repr__(self) -> str:
        value: str = self.__end.ask_for(str, "repr", self)
        return value

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("what the program holds cannot be copied here")


def _call(function: Any, *args: Any, **options: Any) -> Any:
    return function(*args, **options)


CALL: dict[str, Callable[..., Any]] = {"call": _call}
ALL = CALL | {
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "put": operator.setitem,
    "iter": iter,
    "next": next,
    "len": len,
    "bool": bool,
    "str": str,
    "repr": repr,
}


class End:
    """One end of the two pipes. `offers` is what the other side may ask for; see `ALL`.

    `over` is why nothing more can be said, "" until then: it stays, whoever catches the exception.
    `unfit` is what the tests would have given the program, and cannot.
    """

    def __init__(self, read: int, write: int, offers: dict[str, Callable[..., Any]]) -> None:
        self.read, self.write, self.offers, self.over, self.unfit = read, write, offers, "", ""
        self.own: list[Any] = []  # what the other side holds a Remote of, and the place of each
        self.places: dict[int, int] = {}
        self.remotes: dict[int, Remote] = {}

    # Messages: four bytes of length, then JSON.

    def send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        if len(data) > MOST:
            self.end(f"more than {MOST} bytes at once")
        data = len(data).to_bytes(4, "big") + data
        try:
            while data:
                data = data[os.write(self.write, data) :]
        except OSError:
            self.end("exited early")

    def receive(self) -> Any:
        size = int.from_bytes(self._take(4), "big")
        if size > MOST:
            self.end(f"more than {MOST} bytes at once")
        try:
            return json.loads(self._take(size))
        except (ValueError, RecursionError):
            self.end("said what is no value")

    def _take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = os.read(self.read, min(size, 1 << 20))
            if not part:
                self.end("exited early")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def end(self, reason: str) -> Any:
        self.over = self.over or reason
        raise Ended(self.over)

    # Values and references to what stays here or there.

    def encode(self, value: Any) -> Any:
        return to_node(value, self._refer)

    def _refer(self, value: Any) -> list[Any]:
        if type(value) is Remote:
            return ["yours", value._Remote__number]
        strong = _BUILTINS.get(getattr(value, "__name__", "")) is value  # eval, getattr, open
        if self.offers is CALL and (strong or not callable(value)):
            raise UnfitError(f"{value!r}"[:200])
        number = self.places.setdefault(id(value), len(self.own))
        if number == len(self.own):
            self.own.append(value)
        return ["mine", number]

    def decode(self, node: Any) -> Any:
        """The value; Ended where the other side sent none."""
        try:
            return from_node(node, self._resolve)
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, RecursionError):
            self.end("said what is no value")

    def _resolve(self, kind: str, number: int) -> Any:
        if kind == "mine":
            return self.remotes.setdefault(number, Remote(self, number))
        if kind != "yours":
            raise ValueError(kind)
        return self.own[number]

    # Questions and answers.

    def ask(self, what: str, *args: Any, **options: Any) -> Any:
        """What the other side answers; what it raises is raised, as a built-in exception."""
        if self.over:
            self.end(self.over)
        try:
            message = ["ask", what, self.encode(args), self.encode(options)]
        except UnfitError as error:
            self.unfit = str(error)
            self.end("the tests do not fit")
        self.send(message)
        while True:
            match self.receive():
                case ["ask", question, given, named]:
                    self.send(self.answer(question, given, named))
                case ["raise", [*names], str(text)]:
                    raise self._error(names, text)
                case ["stop"]:
                    raise StopIteration if what == "next" else RuntimeError("StopIteration")
                case ["value", value, [*changed]]:
                    for old, new in zip((*args, *options.values()), changed, strict=False):
                        _put(old, self.decode(new))
                    return self.decode(value)
                case _:
                    self.end("said what is no answer")

    def ask_for(self, kind: type, what: str, *args: Any) -> Any:
        """The same, where only an answer of one type will do."""
        value = self.ask(what, *args)
        return value if type(value) is kind else self.end(f"{what} is no {kind.__name__}")

    def answer(self, what: Any, args: Any, options: Any) -> list[Any]:
        """Do what was asked for, if it may be; the message that says what came of it."""
        try:
            given, named = self.decode(args), self.decode(options)
            if what not in self.offers:
                raise TypeError(f"the tests do not offer {what!r}")
            value = self.encode(self.offers[what](*given, **named))
            after = [
                self.encode(x) if type(x) in _CHANGING else None for x in (*given, *named.values())
            ]
        except StopIteration:
            return ["stop"]
        except Ended:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever the program raises is its answer
            return ["raise", [cls.__name__ for cls in type(error).__mro__], _text(error)]
        return ["value", value, after]

    def _error(self, names: list[Any], text: str) -> BaseException:
        """The nearest built-in exception; one that ends loops or processes ends the test."""
        for name in names:
            kind = _BUILTINS.get(name) if isinstance(name, str) else None
            if not isinstance(kind, type) or not issubclass(kind, BaseException):
                continue
            if not issubclass(kind, Exception):
                self.end("exited early" if kind is SystemExit else f"{kind.__name__}: {text}"[:200])
            if issubclass(kind, StopIteration | StopAsyncIteration):
                return RuntimeError(text)
            if kind is not Exception:
                try:
                    return kind(text)
                except TypeError:
                    continue
            break
        return ProgramError(": ".join(map(str, [*names[:1], text])))


def _text(error: BaseException) -> str:
    try:
        return str(error)[:1000]
    except BaseException:  # noqa: BLE001
        return ""


def _put(old: Any, new: Any) -> None:
    """Make a container what it became in the call."""
    if type(old) is type(new) and type(old) in _CHANGING:
        old.clear()
        old.update(new) if isinstance(old, dict | set) else old.extend(new)


def why(error: BaseException) -> str:
    """One line for what ended a test."""
    if isinstance(error, Ended | ProgramError):
        return str(error)[:200]
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, SystemExit):
        return "exited early"
    return f"{type(error).__name__}: {error}"[:200]


def serve(end: End, names: dict[str, Any], load: Callable[[], None]) -> None:
    """The program's side: load it when asked to, then answer, until the other side is gone."""

    def name(wanted: str) -> Any:
        value = names[wanted]
        return ("module", value.__name__) if isinstance(value, ModuleType) else ("value", value)

    end.offers = {**ALL, "load": load, "name": name}
    flush = sys.stdout.flush
    try:
        while True:
            _, *question = end.receive()
            message = end.answer(*question)
            with contextlib.suppress(OSError):  # the output may be full
                flush()
            end.send(message)
    except Ended:
        return


class Names(dict[str, Any]):
    """The tests' names; what they do not define is the program's. Built-in names are always their own."""

    def __init__(self, end: End) -> None:
        super().__init__(__name__="tests")
        self.__end = end

    def __missing__(self, name: str) -> Any:
        if name in _BUILTINS:
            raise KeyError(name)
        kind, value = self.__end.ask("name", name)
        library = name in sys.stdlib_module_names
        if kind == "module" and isinstance(value, str):
            if library or value.partition(".")[0] in sys.stdlib_module_names:
                return importlib.import_module(name if library else value)
            raise KeyError(name)
        # a name of the library's is a function of the program's at most: nothing in it is believed
        return partial(_call, value) if library else value


def verdict_of(end: End, tests: str) -> str:
    """Run the tests against the program at the other end: "passed", or what ended them."""
    try:
        end.ask("load")
        exec(compile(tests, "tests.py", "exec"), Names(end))
    except BaseException as error:  # noqa: BLE001  # whatever is raised is the result
        return end.over or why(error)
    return end.over or "passed"

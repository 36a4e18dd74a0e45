"""Equations as a list of operations on vectors, recorded by running them: numpy code in, plain data out.

A page predicts with the equations of a world itself, not with a second copy of them: they are run once on a
`Traced` vector, which computes nothing and writes down what is asked of it. `program.js` carries it out.

A program is {"nodes": [[operation, length, [nodes that it reads], data], ...], "outputs": [nodes]}. Vectors
and single numbers only: both are vectors of some length, one of length 1 is spread; matrices are constants.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from readsim.arrays import Array
from readsim.errors import ConfigError

UNARY = frozenset(("absolute", "exp", "expm1", "log", "log1p", "negative", "sqrt", "tanh"))
BINARY = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "power", "maximum", "minimum"),
        *("greater", "greater_equal", "less", "less_equal"),
    )
)


class UntracedError(ConfigError):
    """An equation does something that no program can say."""


class Constants:
    """Arrays that programs share, each kept once. Infinite numbers are text, as JSON has none."""

    def __init__(self) -> None:
        self.arrays: list[list[float | str]] = []
        self._places: dict[tuple[tuple[int, ...], bytes], int] = {}

    def place(self, array: Array) -> int:
        """Where the array is in the list."""
        key = array.shape, array.tobytes()
        if key not in self._places:
            self._places[key] = len(self.arrays)
            self.arrays.append(json_numbers(array))
        return self._places[key]


def json_numbers(array: Array) -> list[float | str]:
    """The numbers of an array, row by row, for JSON: exact; those that are not finite as text."""
    flat = np.asarray(array, dtype=np.float64).ravel().tolist()
    words = {np.inf: "Infinity", -np.inf: "-Infinity"}
    return [v if np.isfinite(v) else words.get(v, "NaN") for v in flat]


class _Tape:
    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.nodes: list[list[Any]] = []
        self._known: dict[int, int] = {}

    def add(self, operation: str, shape: tuple[int, ...], reads: Sequence[int], data: Any) -> int:
        if len(shape) > 1:
            raise UntracedError(f"{operation} of shape {shape}: vectors only")
        self.nodes.append([operation, int(np.prod(shape)), list(reads), data])
        return len(self.nodes) - 1

    def read(self, value: Any) -> int:
        """The node of a traced vector, or of a constant one."""
        if isinstance(value, Traced):
            return value.node
        array = np.asarray(value, dtype=np.float64)
        if array.ndim > 1:
            raise UntracedError(f"a constant of shape {array.shape}: vectors only")
        place = self.constants.place(array)
        if place not in self._known:
            self._known[place] = self.add("constant", array.shape, [], place)
        return self._known[place]


class Traced(NDArrayOperatorsMixin):
    """A vector (n,) or number () whose values are not known yet."""

    def __init__(self, tape: _Tape, node: int, shape: tuple[int, ...]) -> None:
        self.tape, self.node, self.shape = tape, node, shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __bool__(self) -> bool:
        raise UntracedError("an equation that branches on a value")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UntracedError("an equation that takes an array apart")

    def _new(self, operation: str, shape: tuple[int, ...], *reads: Any, data: Any = None) -> Any:
        nodes = [self.tape.read(value) for value in reads]
        return Traced(self.tape, self.tape.add(operation, shape, nodes, data), shape)

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any
    ) -> Any:
        name = ufunc.__name__
        if method != "__call__" or more:
            raise UntracedError(f"numpy.{name}.{method}")
        if name == "matmul":
            made = self._product(*inputs)
        elif name in UNARY or name in BINARY:
            made = self._new(name, np.broadcast_shapes(*map(np.shape, inputs)), *inputs)
        else:
            raise UntracedError(f"numpy.{name}")
        if out is None:
            return made
        (target,) = out
        if not isinstance(target, Traced) or target.shape != made.shape:
            raise UntracedError(f"numpy.{name} into an array")
        target.node = made.node
        return target

    def _product(self, first: Any, second: Any) -> Any:
        if isinstance(first, Traced) and np.ndim(second) == 2 and not isinstance(second, Traced):
            matrix = np.asarray(second, dtype=np.float64)
            if first.shape != matrix.shape[:1]:
                raise UntracedError(f"product of {first.shape} and {matrix.shape}")
            place = self.tape.constants.place(matrix)
            return self._new("matmul", matrix.shape[1:], first, data=place)
        if np.ndim(first) == np.ndim(second) == 1:
            return self._new("dot", (), first, second)
        raise UntracedError(f"product of {np.shape(first)} and {np.shape(second)}")

    def __array_function__(self, function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        known = FUNCTIONS.get(function)
        if known is None:
            raise UntracedError(f"numpy.{function.__name__}")
        return known(self, *args, **kwargs)

    def dot(self, other: Any) -> Any:
        """As of numpy."""
        return self._product(self, other)

    def copy(self) -> "Traced":
        """As of numpy."""
        return Traced(self.tape, self.node, self.shape)

    def _all(self, name: str, axis: int | None, keepdims: bool) -> Any:
        if len(self.shape) != 1 or axis not in (None, 0, -1):
            raise UntracedError(f"{name} of shape {self.shape} over axis {axis}")
        return self._new(name, (1,) if keepdims else (), self)

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """As of numpy."""
        return self._all("sum", axis, keepdims)

    def min(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """As of numpy."""
        return self._all("min", axis, keepdims)

    def max(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """As of numpy."""
        return self._all("max", axis, keepdims)

    def _places(self, key: Any) -> list[int]:
        """Which elements (n,) a key such as `[..., columns]` means."""
        parts = key if isinstance(key, tuple) else (key,)
        rest = [part for part in parts if part is not Ellipsis]
        if len(rest) != 1 or len(self.shape) != 1 or isinstance(rest[0], Traced):
            raise UntracedError(f"index {key!r} of shape {self.shape}")
        places = np.arange(self.shape[0])[rest[0]]
        if places.ndim != 1:
            raise UntracedError(f"index {key!r} of shape {self.shape}")
        return [int(place) for place in places]

    def __getitem__(self, key: Any) -> Any:
        if self.shape == () and isinstance(key, tuple) and [*key] == [Ellipsis, None]:
            return Traced(self.tape, self.node, (1,))
        places = self._places(key)
        return self._new("take", (len(places),), self, data=places)

    def __setitem__(self, key: Any, value: Any) -> None:
        places = self._places(key)
        self.node = self._new("put", self.shape, self, value, data=places).node


def _where(self: Traced, condition: Any, first: Any, second: Any) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, (condition, first, second)))
    return self._new("where", shape, condition, first, second)


def _clip(self: Traced, values: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(values, low), high)


def _take(self: Traced, values: Any, places: Any, axis: int | None = None) -> Any:
    return values[..., np.asarray(places)]


def _interp(self: Traced, x: Any, knots: Any, values: Any) -> Any:
    own = [self.tape.constants.place(np.asarray(v, dtype=np.float64)) for v in (knots, values)]
    return self._new("interp", np.shape(x), x, data=own)


def _filled(value: float) -> Callable[..., Any]:
    def made(self: Traced, like: Any) -> Traced:
        if not isinstance(like, Traced):
            raise UntracedError("an array like another")
        node = self.tape.read(np.full(like.shape, value))
        return Traced(self.tape, node, like.shape)

    return made


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.shape: lambda self, a: a.shape,
    np.ndim: lambda self, a: len(a.shape),
    np.where: _where,
    np.clip: _clip,
    np.take: _take,
    np.interp: _interp,
    np.zeros_like: _filled(0.0),
    np.empty_like: _filled(0.0),
    np.ones_like: _filled(1.0),
}


def program(
    equations: Callable[..., Any], lengths: Mapping[str, int], constants: Constants
) -> dict[str, Any]:
    """What `equations` does with vectors of these lengths, given in this order, as plain data.

    Its result is a vector or a tuple of vectors. Raises UntracedError, naming what is missing, for one that
    does something else than these operations, or whose course depends on a value.
    """
    tape = _Tape(constants)
    given = [
        Traced(tape, tape.add("input", (length,), [], name), (length,))
        for name, length in lengths.items()
    ]
    made = equations(*given)
    results = made if isinstance(made, tuple) else (made,)
    return {"nodes": tape.nodes, "outputs": [tape.read(value) for value in results]}

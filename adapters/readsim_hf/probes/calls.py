"""Function calls in a reply: reading them, comparing them with what is accepted (BFCL, ToolBench)."""

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

LONGEST = 20_000  # characters of a reply that are read


@dataclass(frozen=True)
class Call:
    """`name(*positional, **named)` with literal values."""

    name: str
    named: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()


def parse_calls(reply: str) -> list[Call] | None:
    """The calls of a reply in Python (`[f(x=1), g(y='a')]`, or one per line) or JSON notation.

    JSON: an object, or a list of them, with `name` and `arguments` (or `parameters`). A code fence
    around them is dropped. None where the reply is anything else.
    """
    text = strip_fence(reply[:LONGEST]).strip()
    calls = _from_json(text)
    return calls if calls is not None else _from_python(text)


def strip_fence(text: str) -> str:
    """The inside of the first code fence, or the text itself."""
    found = re.search(r"```[\w-]*\n(.*?)(?:\n```|\Z)", text, re.DOTALL)
    return found.group(1) if found else text


def _from_json(text: str) -> list[Call] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    rows = data if isinstance(data, list) else [data]
    calls = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            return None
        named = row.get("arguments", row.get("parameters", {}))
        if not isinstance(named, dict):
            return None
        calls.append(Call(row["name"], named))
    return calls


def _from_python(text: str) -> list[Call] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model writes odd escapes
            body = ast.parse(text).body
        nodes: list[ast.expr] = []
        for statement in body:
            if not isinstance(statement, ast.Expr):
                return None
            value = statement.value
            nodes += value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        return [_call(node) for node in nodes] if nodes else None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise TypeError("not a call")
    if any(keyword.arg is None for keyword in node.keywords):
        raise TypeError("**arguments")
    return Call(
        ast.unparse(node.func),
        {str(k.arg): ast.literal_eval(k.value) for k in node.keywords},
        tuple(ast.literal_eval(argument) for argument in node.args),
    )


def matches(calls: Sequence[Call], accepted: Sequence[Mapping[str, Mapping[str, Any]]]) -> bool:
    """Whether each accepted call is made once, in any order, and nothing else is called.

    `accepted`: one object a call, `{name: {parameter: [values that are right]}}`; an empty string
    among the values means that the parameter may be left out.
    """
    if len(calls) != len(accepted):
        return False
    if not accepted:
        return True
    fit = np.array([[_fits_call(call, one) for one in accepted] for call in calls])
    pairs = linear_sum_assignment(fit, maximize=True)
    return bool(fit[pairs].all())


def _fits_call(call: Call, accepted: Mapping[str, Mapping[str, Any]]) -> bool:
    ((name, parameters),) = accepted.items()
    return call.name == name and not call.positional and _fits_object(call.named, parameters)


def _fits_object(given: Mapping[str, Any], accepted: Mapping[str, Any]) -> bool:
    options = {name: _options(values) for name, values in accepted.items()}
    if any(name not in given and "" not in values for name, values in options.items()):
        return False
    return all(
        name in options and is_accepted(value, options[name]) for name, value in given.items()
    )


def _options(values: Any) -> list[Any]:
    """What is accepted, as a list; BFCL leaves out the list around some inner values."""
    return values if isinstance(values, list) else [values]


def is_accepted(value: Any, accepted: Sequence[Any]) -> bool:
    """Whether a value equals one of those accepted."""
    return any(_equal(value, right) for right in accepted)


def _equal(value: Any, right: Any) -> bool:
    if isinstance(right, dict):
        return isinstance(value, dict) and _fits_object(value, right)
    if isinstance(right, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(right):
            return False
        return all(_equal(a, b) for a, b in zip(value, right, strict=True))
    if isinstance(right, str):
        return isinstance(value, str) and _plain(value) == _plain(right)
    if isinstance(right, bool) or isinstance(value, bool):
        return value is right
    return bool(value == right)


def _plain(text: str) -> str:
    """Case, spacing and the marks , . / - _ * ^ do not tell strings apart, nor do kinds of quote."""
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def same_calls(reply: str, answer: str) -> bool:
    """Whether two texts make the same calls in the same order; as folded text where not calls."""
    mine, right = parse_calls(reply), parse_calls(answer)
    if right is None:
        return strip_fence(reply).split() == answer.split()
    return mine == right

"""Expressions written by a model: parsed, restricted to a few kinds of node, evaluated here.

Python never runs them. Allowed are names of the inputs, whole numbers, True and False, arithmetic,
comparisons, boolean operators, `a if c else b`, and calls of abs, min and max.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from readsim_hf.prompts.reading import unfence

LONGEST = 300  # characters of an expression
LARGEST = 10**60  # absolute value of anything on the way


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int) or not 0 <= exponent <= 64:
        raise ValueError(f"exponent {exponent!r}; accepted: whole numbers from 0 to 64")
    return base**exponent


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_CALLS: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}


def parse_expression(text: str) -> ast.expr | None:
    """The expression in the text, None where there is none or it uses something else.

    `return x`, and `def f(a): return x` or `lambda a: x` around it, with or without a code fence,
    are read as `x`.
    """
    source = unfence(text).strip("`").strip()
    if not source or len(source) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of somebody else's code
            tree = ast.parse("def _():\n " + source if source.startswith("return ") else source)
        node = _inner(tree.body)
        return node if node is not None and all(map(_allowed, ast.walk(node))) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _inner(body: list[ast.stmt]) -> ast.expr | None:
    """The one expression that a body consists of or returns."""
    if len(body) != 1:
        return None
    match body[0]:
        case ast.FunctionDef(body=inner, decorator_list=[]):
            # A docstring may stand before the return.
            return _inner(inner[1:] if len(inner) == 2 and _is_text(inner[0]) else inner)
        case ast.Return(value=value):
            return value
        case ast.Expr(value=ast.Lambda(body=value)) | ast.Expr(value=value):
            return value
    return None


def _is_text(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _allowed(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int) and abs(value) <= LARGEST
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return name in _CALLS and len(arguments) >= 1
        case ast.BinOp(op=op):
            return type(op) in _BINARY
        case ast.UnaryOp(op=op):
            return type(op) in _UNARY
        case ast.Compare(ops=ops):
            return all(type(op) in _COMPARE for op in ops)
    plain = (ast.Name, ast.BoolOp, ast.IfExp, ast.expr_context)
    return isinstance(node, (*plain, ast.operator, ast.unaryop, ast.cmpop, ast.boolop))


def evaluate(node: ast.expr, inputs: Mapping[str, int]) -> Any:
    """The value of a parsed expression.

    Raises ValueError for a name without a value and for numbers too large, ZeroDivisionError,
    TypeError for arguments that do not fit, OverflowError for a quotient too large.
    """
    value = _value(node, inputs)
    if abs(value) > LARGEST:
        raise ValueError("a number is too large")
    return value


def _value(node: ast.expr, inputs: Mapping[str, int]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in inputs:
                raise ValueError(f"{name!r} has no value")
            return inputs[name]
    return _operation(node, inputs)


def _operation(node: ast.expr, inputs: Mapping[str, int]) -> Any:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](evaluate(left, inputs), evaluate(right, inputs))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](evaluate(operand, inputs))
        case ast.BoolOp(op=op, values=values):
            return _boolean(isinstance(op, ast.And), values, inputs)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            chain = [evaluate(item, inputs) for item in (left, *comparators)]
            pairs = zip(ops, chain, chain[1:], strict=False)
            return all(_COMPARE[type(op)](a, b) for op, a, b in pairs)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return evaluate(body if evaluate(test, inputs) else orelse, inputs)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _CALLS[name](*(evaluate(item, inputs) for item in arguments))
    raise ValueError(f"{type(node).__name__} is not an expression of the language")


def _boolean(conjunction: bool, values: list[ast.expr], inputs: Mapping[str, int]) -> Any:
    """`and` and `or` stop where Python would, and give the operand they stop at."""
    value: Any = conjunction
    for item in values:
        value = evaluate(item, inputs)
        if bool(value) != conjunction:
            break
    return value


def agrees(text: str, tests: list[tuple[Mapping[str, int], Any]]) -> bool:
    """Whether the text is an expression with the expected value on every test input."""
    node = parse_expression(text)
    if node is None:
        return False
    try:
        return all(_same(evaluate(node, inputs), value) for inputs, value in tests)
    except (ValueError, ZeroDivisionError, TypeError, OverflowError):
        return False


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)

"""Equations written by a model: read line by line, solved in exact fractions, held against its answer.

Read are whole and decimal numbers, names, + - * / and whole powers, products such as `3x` and `2(x + 1)`,
chains `a = b = c`, percentages, and units behind a number (`3 apples`). Nothing is run.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from keyword import iskeyword
from typing import Literal

from readsim_hf.prompts.reading import read_number

# What a reply's equations say of its answer: they give it; they give another or contradict each
# other; they cannot be read or solved to the end; there are none.
Verdict = Literal["leads", "wrong", "unclear", "none"]

LONGEST = 300  # characters of a line
LARGEST = 10**60  # absolute value of anything on the way
ROUNDED = Fraction(1, 200)  # share by which a side may be off where an equation has decimals

# Coefficient of each unknown; that of "" is the constant.
Linear = Mapping[str, Fraction]

_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/"})
_LEAD = re.compile(r"^\s*(?:[-*\u2022]\s+|\d{1,3}[.)]\s+)?(?:[A-Za-z][A-Za-z0-9 ]*:)?")
_NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([A-Za-z_]\w*)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_REWRITES = (
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"[$`]|\\[()\[\]]"), ""),
    (re.compile(r"\^"), "**"),
    (re.compile(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\w(])"), r"(\1/100)"),
    (re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*(?=[A-Za-z_(])"), r"\1*"),
    (re.compile(r"\)\s*(?=[\w(])"), ")*"),
    (re.compile(r"(?<=[A-Za-z0-9_])\s+(?=[A-Za-z_])"), "_"),  # a name of several words
)


def judge(text: str, answer: str) -> Verdict:
    """Whether the equations in `text` give the number in `answer`.

    They do if it is the value of an unknown, or of the last equation's sides, and no equation is false.
    """
    pairs: list[tuple[ast.expr, ast.expr, bool]] = []
    clear = True
    for piece in _pieces(text):
        sides = [_parse(side) for side in re.split(r"==?", piece)]
        kept = [side for side in sides if side is not None]
        clear = clear and len(kept) == len(sides)
        if len(kept) == len(sides):
            pairs += [(a, b, "." in piece) for a, b in pairwise(kept)]
    if not pairs:
        return "none" if clear else "unclear"
    known: dict[str, Linear] = {}
    waiting, true = _solve(pairs, known)
    if not true:
        return "wrong"
    wanted = read_number(answer)
    if wanted is None:
        return "unclear"
    values = [form.get("", Fraction(0)) for form in known.values() if set(form) <= {""}]
    last = [value for side in pairs[-1][:2] if (value := _value(side, known)) is not None]
    if any(_close(value, wanted, "." in answer) for value in [*values, *last]):
        return "leads"
    return "wrong" if clear and not waiting and len(values) == len(known) else "unclear"


def _pieces(text: str) -> Iterator[str]:
    """The equations as text, units dropped."""
    text = text.translate(_SIGNS)
    alone = set(_NAME.findall(_NAMED.sub(" ", text)))  # names that stand without a number
    for line in text.splitlines():
        if len(line) > LONGEST:
            continue
        bare = _LEAD.sub("", line, count=1)
        bare = _NAMED.sub(lambda m: m[1] if _is_unit(m[2], alone) else m[0], bare)
        bare = _REWRITES[0][0].sub("", bare)
        for piece in re.split(r"[;,]|\.(?!\d)", bare):
            if "=" in piece:
                yield piece


def _is_unit(name: str, alone: set[str]) -> bool:
    return len(name) > 1 and name not in alone and not iskeyword(name)


def _parse(side: str) -> ast.expr | None:
    for pattern, by in _REWRITES:
        side = pattern.sub(by, side)
    try:
        return ast.parse(side.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _solve(
    pairs: list[tuple[ast.expr, ast.expr, bool]], known: dict[str, Linear]
) -> tuple[list[tuple[ast.expr, ast.expr, bool]], bool]:
    """Eliminate unknowns into `known`; the equations that stay out of reach, and whether none is false.

    A product of unknowns waits until one of them has a value.
    """
    waiting, before = pairs, len(pairs) + 1
    while len(waiting) < before:
        before, left = len(waiting), []
        for left_side, right_side, rounded in waiting:
            a, b = _linear(left_side, known), _linear(right_side, known)
            if a is None or b is None:
                left.append((left_side, right_side, rounded))
                continue
            gap = _combine(a, b, Fraction(-1))
            name = next((n for n in gap if n), None)
            if name is None:
                if not _close(a.get("", Fraction(0)), b.get("", Fraction(0)), rounded):
                    return left, False
                continue
            form = {n: -c / gap[name] for n, c in gap.items() if n != name}
            for other, old in known.items():
                if name in old:
                    known[other] = _combine(
                        {n: c for n, c in old.items() if n != name}, form, old[name]
                    )
            known[name] = form
        waiting = left
    return waiting, True


def _close(a: Fraction, b: Fraction, rounded: bool) -> bool:
    return abs(a - b) <= (ROUNDED * max(Fraction(1), abs(a), abs(b)) if rounded else 0)


def _combine(a: Linear, b: Linear, factor: Fraction) -> dict[str, Fraction]:
    """a + factor b, without what cancels."""
    total = {n: a.get(n, Fraction(0)) + factor * b.get(n, Fraction(0)) for n in {**a, **b}}
    return {n: c for n, c in total.items() if c}


def _value(node: ast.expr, known: Mapping[str, Linear]) -> Fraction | None:
    form = _linear(node, known)
    return form.get("", Fraction(0)) if form is not None and set(form) <= {""} else None


def _linear(node: ast.expr, known: Mapping[str, Linear]) -> Linear | None:
    """A side as a linear form of what has no value yet, None where it is not one."""
    try:
        form = _form(node, known)
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    return form if all(abs(c) <= LARGEST for c in form.values()) else None


def _form(node: ast.expr, known: Mapping[str, Linear]) -> Linear:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return {"": Fraction(str(number))} if number else {}
        case ast.Name(id=name):
            return known.get(name, {name: Fraction(1)})
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _combine({}, _form(operand, known), Fraction(-1))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _form(operand, known)
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(op, _form(left, known), _form(right, known))
    raise ValueError(f"{type(node).__name__} is no arithmetic")


def _operation(op: ast.operator, a: Linear, b: Linear) -> Linear:
    match op:
        case ast.Add():
            return _combine(a, b, Fraction(1))
        case ast.Sub():
            return _combine(a, b, Fraction(-1))
        case ast.Mult():
            return _combine({}, b, _number(a)) if set(a) <= {""} else _combine({}, a, _number(b))
        case ast.Div():
            return _combine({}, a, 1 / _number(b))
        case ast.Pow():
            exponent = _number(b)
            if exponent.denominator == 1 and 0 <= exponent <= 64:
                value = _number(a) ** int(exponent)
                return {"": value} if value else {}
    raise ValueError(f"{type(op).__name__} is no arithmetic")


def _number(form: Linear) -> Fraction:
    """The value of a form without unknowns; ValueError with one."""
    if not set(form) <= {""} or abs(form.get("", Fraction(0))) > LARGEST:
        raise ValueError("not linear, or too large")
    return form.get("", Fraction(0))

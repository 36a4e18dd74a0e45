"""Code with something missing: an operator, a number, an expression, a condition."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from readsim_hf.prompts import expression
from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Integers, Sample
from readsim_hf.prompts.text.code.functions import CONSTANTS, SHAPES, bodies, fenced, result, source
from readsim_hf.prompts.text.general.draws import LETTERS, PLACE, multiple_choice

OPERATORS = ("+", "-", "*", "//", "%")
# What is asked for, and a way to write it; {p}, {q}, {r} are names and {a}, {b} whole numbers.
TASKS = (
    ("{p} times {a}, plus {q}", "{p} * {a} + {q}"),
    ("the sum of {p} and {q}, times {a}", "({p} + {q}) * {a}"),
    ("{a} times the difference {p} minus {q}", "{a} * ({p} - {q})"),
    ("the larger of {p} and {q}, plus {a}", "max({p}, {q}) + {a}"),
    ("the smaller of {p} and {q}, minus {a}", "min({p}, {q}) - {a}"),
    ("the distance between {p} and {q} on the number line, plus {a}", "abs({p} - {q}) + {a}"),
    ("the remainder of {p} divided by {a}, plus {q}", "{p} % {a} + {q}"),
    ("{p} squared plus {a} times {q}", "{p} * {p} + {a} * {q}"),
    ("the product of {p} and {q}, minus {a} times {p}", "{p} * {q} - {a} * {p}"),
    ("{p} plus {a} if {p} is greater than {q}, else {q}", "{p} + {a} if {p} > {q} else {q}"),
    ("{p} if {q} is even, else {p} plus {a}", "{p} if {q} % 2 == 0 else {p} + {a}"),
    ("how much {p} exceeds {a} times {q}", "{p} - {a} * {q}"),
)
CONDITIONS = (
    ("{p} is greater than {q} plus {a}", "{p} > {q} + {a}"),
    ("{p} is a multiple of {a}", "{p} % {a} == 0"),
    ("{p} lies strictly between {a} and {a} plus {b}", "{a} < {p} < {a} + {b}"),
    ("{p} and {q} differ by at least {a}", "abs({p} - {q}) >= {a}"),
    ("{q} is even", "{q} % 2 == 0"),
    ("{q} is at most {b}", "{q} <= {b}"),
    ("the sum of {p} and {q} is not {a}", "{p} + {q} != {a}"),
    ("{p} is less than {a} times {q}", "{p} < {a} * {q}"),
)
JOINS = ("and", "or")
_VARIABLES = Sample("abcmnstuvwxyz", 2, 2)
_INPUTS = Integers(12, 12, -15, 25)


def _filled(v: Values, pattern: str, at: int = 0) -> str:
    p, q = v["names"]
    return pattern.format(p=p, q=q, a=v["a"] + at, b=v["b"])


def _tests(v: Values, gold: str) -> list[list[Any]]:
    """The value of the gold expression on the inputs that are shown, and on hidden ones.

    These lie on either side of every threshold, so that a constant does not pass.
    """
    node = expression.parse_expression(gold)
    assert node is not None, gold
    a, b = v["a"], v["b"]
    shown = zip(v["inputs"][::2], v["inputs"][1::2], strict=True)
    seconds = (-3, 0, 1, 4, b + 1, b + 2)
    grid = product((-4, 0, 3, a, a + 1, a + 2, 2 * a, 2 * a + 1, 2 * a + 2, a + b + 2), seconds)
    diagonal = ((total - q, q) for total in (a, a + 1) for q in seconds)
    far = ((p, q) for q in (b + 1, b + 2, b + 12) for p in (q, a * q - 1, (a + 1) * q))
    rows = [dict(zip(v["names"], pair, strict=True)) for pair in (*shown, *grid, *diagonal, *far)]
    return [[row, expression.evaluate(node, row)] for row in rows]


def _asserts(v: Values, tests: Sequence[Sequence[Any]]) -> str:
    lines = (
        f"assert f({', '.join(str(row[name]) for name in v['names'])}) == {value}"
        for row, value in tests[: v["shown"]]
    )
    return "\n".join(lines)


def _head(v: Values) -> str:
    return f"def f({', '.join(v['names'])}):"


def _expression(v: Values) -> Solution:
    said, code = v["task"]
    gold = _filled(v, code)
    tests = _tests(v, gold)
    return Solution(
        gold,
        rationale=f"{_filled(v, said)}: {gold}.",
        expect={"tests": tests},
        shown={
            "said": _filled(v, said),
            "code": fenced(f"{_head(v)}\n    return ...\n\n{_asserts(v, tests)}"),
        },
    )


def _condition(v: Values) -> Solution:
    (said, code), (other, more) = v["tasks"]
    one, two = _filled(v, code), _filled(v, more, at=1)
    gold = f"{one} {v['join']} {two}"
    tests = _tests(v, gold)
    told = f"{_filled(v, said)} {v['join']} {_filled(v, other, at=1)}"
    return Solution(
        gold,
        rationale=f"{_filled(v, said)}: {one}. {_filled(v, other, at=1)}: {two}.",
        expect={"tests": tests},
        shown={
            "said": told,
            "code": fenced(f"{_head(v)}\n    return ...\n\n{_asserts(v, tests)}"),
        },
    )


def _function(v: Values) -> Solution:
    said, code = v["task"]
    gold = _filled(v, code)
    tests = _tests(v, gold)
    return Solution(
        f"{_head(v)}\n    return {gold}",
        rationale=f"{_filled(v, said)}: {gold}.",
        expect={"tests": tests},
        shown={
            "head": f"f({', '.join(v['names'])})",
            "said": _filled(v, said),
            "code": fenced(_asserts(v, tests)),
        },
    )


def _helper(v: Values) -> Solution:
    """A function that calls others, with one number missing: g(x) + ? * b."""
    written = bodies(v)
    calls = " + ".join(f"{name}(x)" for name in "ghk"[: len(written)])
    rows = []
    for x in v["inputs"]:
        parts = sum(result(body, {"x": x}) for body in written)
        rows.append((x, parts, parts + v["missing"] * v["times"]))
    code = source(written, "ghk") + f"\n\ndef f(x):\n    return {calls} + ? * {v['times']}\n\n"
    code += "\n".join(f"assert f({x}) == {value}" for x, _, value in rows)
    x, parts, value = rows[0]
    gap = value - parts
    return Solution(
        str(v["missing"]),
        rationale=f"For x = {x}: {calls} = {parts}. {value} - ({parts}) = {gap}. "
        f"{gap} / {v['times']} = {v['missing']}.",
        shown={"code": fenced(code)},
    )


_OPERATE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def _operator(v: Values) -> Solution:
    pairs = list(zip(v["left"], v["right"], strict=False))
    wanted = [_OPERATE[v["sign"]](a, b) for a, b in pairs]
    # Those that the assertions rule out. No pair has a + b = a * b, so there is always one.
    wrong = [
        sign
        for sign in v["signs"]
        if sign != v["sign"] and [_OPERATE[sign](a, b) for a, b in pairs] != wanted
    ]
    asserts = "\n".join(
        f"assert f({a}, {b}) == {y + v['plus']}" for (a, b), y in zip(pairs, wanted, strict=True)
    )
    code = f"def f(a, b):\n    return (a ? b) + {v['plus']}\n\n{asserts}"
    (a, b), y = pairs[0], wanted[0]
    why = f"{a} {v['sign']} {b} = {y}, and {y} + {v['plus']} = {y + v['plus']}."
    return multiple_choice(v["sign"], wrong[: len(LETTERS) - 1], v["place"], why, code=fenced(code))


_WRITE: Slots = {
    "names": _VARIABLES,
    "a": Integer(2, 9),
    "b": Integer(2, 20),
    "inputs": _INPUTS,
    "shown": Integer(1, 5),
}
_FACTORS: Factors = {"functions": 1, "tests": lambda v: v["shown"]}

TEMPLATES = (
    Scaffold(
        "code/complete-expression",
        "The function should return {said}. Give the expression that belongs after return, "
        "and nothing else.\n{code}",
        slots={"task": Choice(TASKS), **_WRITE},
        solve=_expression,
        factors=_FACTORS,
        checker="expression",
    ),
    Scaffold(
        "code/complete-condition",
        "The function should return True if {said}, else False. Give the expression that belongs "
        "after return, and nothing else.\n{code}",
        slots={"tasks": Sample(CONDITIONS, 2, 2), "join": Choice(JOINS), **_WRITE},
        solve=_condition,
        factors=_FACTORS,
        checker="expression",
    ),
    Scaffold(
        "code/write-function",
        "Write a Python function {head} with a single return statement that returns {said}. "
        "These assertions should hold:\n{code}",
        slots={"task": Choice(TASKS), **_WRITE},
        solve=_function,
        factors=_FACTORS,
        checker="expression",
    ),
    Scaffold(
        "code/missing-number",
        "Which number has to stand in place of ? so that the assertions hold?\n{code}",
        slots={
            "shapes": Sample(SHAPES, 1, 3),
            "constants": CONSTANTS,
            "inputs": Integers(1, 3, -9, 20, distinct=True),
            "missing": Integer(2, 30),
            "times": Integer(2, 9),
        },
        solve=_helper,
        factors={
            "functions": lambda v: len(v["shapes"]) + 1,
            "tests": lambda v: len(v["inputs"]),
        },
        checker="number",
    ),
    Scaffold(
        "code/missing-operator",
        "Which operator has to stand in place of ? so that the assertions hold?\n{code}\n"
        "{listed}\nGive the letter only.",
        slots={
            "left": Integers(1, 4, 5, 60),
            "right": Integers(4, 4, 3, 9),
            "plus": Integer(1, 20),
            "sign": Choice(OPERATORS),
            "signs": Sample(OPERATORS, 5, 5),
            "place": PLACE,
        },
        solve=_operator,
        factors={"functions": 1, "tests": lambda v: len(v["left"])},
        checker="choice",
    ),
)

"""One-line functions of one number: what is written, and what it gives."""

import re
from collections.abc import Mapping, Sequence

from readsim_hf.prompts import expression
from readsim_hf.prompts.scaffold import Slots, Values
from readsim_hf.prompts.slots import Integers, Sample

NAMES = "fghk"
# Bodies; a and b are whole numbers from 2 to 9.
SHAPES = (
    *("x * {a} + {b}", "(x + {a}) * {b}", "x * {a} - {b}", "x - {a} * {b}", "{a} * x + {b}"),
    *("x // {a}", "x % {a} + {b}", "(x + {b}) % {a}", "x * x - {a}", "x * (x + {a})"),
    *("abs(x - {a} * {b})", "max(x, {a} * {b})", "min(x + {a}, {a} * {b})", "abs(x) + {b}"),
    *("x + {a} if x > {b} else x - {b}", "x * {a} if x < {b} else x", "-x + {a}"),
    *("x // {a} if x % {a} == 0 else x + {b}", "x - {a} if x % 2 == 0 else x * {b}"),
)
# Up to four functions, two constants for each, and inputs of calls.
CONSTANTS = Integers(8, 8, 2, 9)
FUNCTIONS: Slots = {"shapes": Sample(SHAPES, 1, 4), "constants": CONSTANTS}
INPUTS = Integers(1, 4, -12, 30, distinct=True)


def result(body: str, of: Mapping[str, int]) -> int:
    """The value of a body."""
    node = expression.parse_expression(body)
    assert node is not None, body
    return int(expression.evaluate(node, of))


def bodies(v: Values) -> list[str]:
    """The body of each function."""
    c = v["constants"]
    return [shape.format(a=c[2 * at], b=c[2 * at + 1]) for at, shape in enumerate(v["shapes"])]


def source(written: Sequence[str], names: str = NAMES) -> str:
    """The definitions."""
    return "\n\n".join(
        f"def {name}(x):\n    return {body}" for name, body in zip(names, written, strict=False)
    )


def worked(name: str, body: str, number: int) -> str:
    """One line: the body with the number in it, and what it gives."""
    filled = re.sub(r"\bx\b", f"({number})" if number < 0 else str(number), body)
    return f"{name}({number}) = {filled} = {result(body, {'x': number})}."


def fenced(code: str) -> str:
    """A code block."""
    return f"```python\n{code}\n```"

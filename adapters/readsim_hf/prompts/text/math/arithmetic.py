"""Arithmetic on numbers as they are written."""

from fractions import Fraction
from math import gcd, prod

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Integer, Integers, Sized
from readsim_hf.prompts.text.math import tree


def digits(*numbers: int) -> int:
    """Decimal digits of the largest number."""
    return max(len(str(abs(number))) for number in numbers)


def _sum(v: Values) -> Solution:
    shown, total, why = str(v["first"]), v["first"], []
    for at, number in enumerate(v["rest"]):
        sign = "-" if v["minus"] >> at & 1 else "+"
        after = total - number if sign == "-" else total + number
        why.append(f"{total} {sign} {number} = {after}.")
        shown, total = f"{shown} {sign} {number}", after
    return Solution(str(total), rationale=" ".join(why), shown={"shown": shown})


def _product(v: Values) -> Solution:
    a, b = v["a"], v["b"]
    parts = [int(d) * 10**at for at, d in enumerate(reversed(str(b))) if d != "0"]
    why = " ".join(f"{a} * {part} = {a * part}." for part in parts)
    if len(parts) > 1:
        why += f" {' + '.join(str(a * part) for part in parts)} = {a * b}."
    return Solution(str(a * b), rationale=why)


def _expression(v: Values) -> Solution:
    return Solution(
        str(tree.value(v["tree"])),
        rationale=" ".join(tree.steps(v["tree"])),
        shown={"shown": tree.write(v["tree"])},
    )


def _quotient(v: Values) -> Solution:
    a = v["b"] * v["quotient"]
    why = f"{v['b']} * {v['quotient']} = {a}, so {a} / {v['b']} = {v['quotient']}."
    return Solution(str(v["quotient"]), rationale=why, shown={"a": a})


def _remainder(v: Values) -> Solution:
    whole, rest = divmod(v["a"], v["b"])
    why = f"{v['b']} * {whole} = {v['b'] * whole}. {v['a']} - {v['b'] * whole} = {rest}."
    return Solution(str(rest), rationale=why)


def _gcd(v: Values) -> Solution:
    a, b = v["one"] * v["common"], v["other"] * v["common"]
    return Solution(str(gcd(a, b)), rationale=" ".join(_euclid(a, b)), shown={"a": a, "b": b})


def _euclid(a: int, b: int) -> list[str]:
    """The steps of Euclid's algorithm."""
    lines = []
    while b:
        lines.append(f"{a} mod {b} = {a % b}.")
        a, b = b, a % b
    return lines


def _lcm(v: Values) -> Solution:
    a, b = v["a"], v["b"]
    common = gcd(a, b)
    why = f"The greatest common divisor is {common}. {a} * {b} / {common} = {a * b // common}."
    return Solution(str(a * b // common), rationale=why)


def _fraction(v: Values) -> Solution:
    a, b, c, d = v["a"], v["b"], v["c"], v["d"]
    top, bottom = a * d + c * b, b * d
    common = gcd(top, bottom)
    why = f"{a * d}/{bottom} + {c * b}/{bottom} = {top}/{bottom}"
    why += f" = {top // common}/{bottom // common}." if common > 1 else "."
    return Solution(str(Fraction(top, bottom)), rationale=why)


def _primes(v: Values) -> list[int]:
    return [_PRIMES[at] for at in v["at"]]


def _factors(v: Values) -> Solution:
    primes = sorted(_primes(v))
    number = prod(primes)
    return Solution(
        ", ".join(map(str, primes)),
        rationale=f"{number} = {' * '.join(map(str, primes))}.",
        expect={"ordered": False},
        shown={"number": number},
    )


def _powers(v: Values) -> Solution:
    value, why = v["base"], []
    for _ in range(v["exponent"] - 1):
        why.append(f"{value} * {v['base']} = {value * v['base']}.")
        value *= v["base"]
    rest = value + v["plus"]
    why.append(f"{value} + {v['plus']} = {rest}.")
    return Solution(str(rest), rationale=" ".join(why))


def _steps(v: Values) -> int:
    return len(_euclid(v["one"] * v["common"], v["other"] * v["common"]))


_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)

TEMPLATES = (
    Scaffold(
        "math/sum",
        "What is {shown}?",
        slots={"first": Sized(1, 4), "rest": Integers(1, 5, 2, 999), "minus": Integer(0, 31)},
        solve=_sum,
        factors={
            "operations": lambda v: len(v["rest"]),
            "operand_size": lambda v: digits(v["first"], *v["rest"]),
            "steps": lambda v: len(v["rest"]),
        },
        checker="number",
    ),
    Scaffold(
        "math/product",
        "Compute {a} * {b}.",
        slots={"a": Sized(2, 4), "b": Sized(1, 3)},
        solve=_product,
        factors={
            "operations": 1,
            "operand_size": lambda v: digits(v["a"], v["b"]),
            "steps": lambda v: len(str(v["b"])),
        },
        checker="number",
    ),
    Scaffold(
        "math/expression",
        "Compute {shown}.",
        slots={"tree": tree.Trees(2, 5, 1, 20)},
        solve=_expression,
        factors={
            "operations": lambda v: tree.operations(v["tree"]),
            "operand_size": lambda v: digits(*tree.leaves(v["tree"])),
            "steps": lambda v: tree.depth(v["tree"]),
        },
        checker="number",
    ),
    Scaffold(
        "math/quotient",
        "Compute {a} / {b}.",
        slots={"b": Sized(1, 2), "quotient": Sized(1, 3)},
        solve=_quotient,
        factors={
            "operations": 1,
            "operand_size": lambda v: digits(v["b"] * v["quotient"]),
            "steps": lambda v: digits(v["quotient"]),
        },
        checker="number",
    ),
    Scaffold(
        "math/remainder",
        "What is the remainder when {a} is divided by {b}?",
        slots={"a": Sized(2, 4), "b": Integer(2, 40)},
        solve=_remainder,
        factors={
            "operations": 1,
            "operand_size": lambda v: digits(v["a"]),
            "steps": lambda v: digits(v["a"] // v["b"]),
        },
        checker="number",
    ),
    Scaffold(
        "math/gcd",
        "What is the greatest common divisor of {a} and {b}?",
        slots={"one": Integer(1, 40), "other": Integer(1, 40), "common": Integer(2, 30)},
        solve=_gcd,
        factors={
            "operations": _steps,
            "operand_size": lambda v: digits(v["one"] * v["common"], v["other"] * v["common"]),
            "steps": _steps,
        },
        checker="number",
    ),
    Scaffold(
        "math/lcm",
        "What is the least common multiple of {a} and {b}?",
        slots={"a": Integer(2, 120), "b": Integer(2, 120)},
        solve=_lcm,
        factors={
            "operations": 2,
            "operand_size": lambda v: digits(v["a"], v["b"]),
            "steps": lambda v: len(_euclid(v["a"], v["b"])) + 1,
        },
        checker="number",
    ),
    Scaffold(
        "math/fraction-sum",
        "Compute {a}/{b} + {c}/{d} as a fraction in lowest terms.",
        slots={name: Integer(1 + (name in "bd"), 20) for name in "abcd"},
        solve=_fraction,
        factors={
            "operations": 3,
            "operand_size": lambda v: digits(*v.values()),
            "steps": lambda v: 2 + (gcd(v["a"] * v["d"] + v["c"] * v["b"], v["b"] * v["d"]) > 1),
        },
        checker="number",
    ),
    Scaffold(
        "math/prime-factors",
        "Write {number} as a product of prime numbers. Give the primes with commas between them, "
        "a repeated one as often as it occurs.",
        slots={"at": Integers(3, 5, 0, len(_PRIMES) - 1)},
        solve=_factors,
        factors={
            "operations": lambda v: len(v["at"]) - 1,
            "operand_size": lambda v: digits(prod(_primes(v))),
            "steps": lambda v: len(v["at"]) - 1,
        },
        checker="list_equal",
    ),
    Scaffold(
        "math/power",
        "Compute {base} ** {exponent} + {plus}, where ** is the power.",
        slots={"base": Integer(2, 25), "exponent": Integer(2, 4), "plus": Sized(1, 3)},
        solve=_powers,
        factors={
            "operations": lambda v: v["exponent"],
            "operand_size": lambda v: digits(v["base"], v["plus"]),
            "steps": lambda v: v["exponent"],
        },
        checker="number",
    ),
)

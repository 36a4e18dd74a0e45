"""Equations, sequences, averages, areas, counting, number bases."""

from math import comb

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Integers, Sized
from readsim_hf.prompts.text.math.arithmetic import digits
from readsim_hf.prompts.words import FRUITS, THINGS, plural


def _signed(number: int) -> str:
    """`+ 3` or `- 3`."""
    return f"{'-' if number < 0 else '+'} {abs(number)}"


def _linear(v: Values) -> Solution:
    a, x, b, c = v["a"], v["x"], v["b"], v["c"]
    # (a + c) x + b = c x + right
    left, right = a + c, a * x + b
    why = (
        f"Take {c}x from both sides: {a}x {_signed(b)} = {right}. "
        f"{a}x = {right - b}. x = {right - b} / {a} = {x}."
    )
    return Solution(
        str(x), rationale=why, shown={"left": left, "plus": _signed(b), "right": _signed(right)}
    )


def _system(v: Values) -> Solution:
    x, y, k = v["x"], v["y"], v["k"]
    total, gap = x + k * y, x - y
    why = f"Subtract: {k + 1}y = {total - gap}. y = {y}. x = {gap} + {y} = {x}."
    asked = x if v["asked"] == "x" else y
    return Solution(
        str(asked),
        rationale=why.replace(f"+ {y} =", f"+ ({y}) =") if y < 0 else why,
        shown={"total": total, "gap": gap},
    )


def _sequence(v: Values) -> Solution:
    """Each term is the last one times a factor plus a constant."""
    terms = [v["first"]]
    for _ in range(v["seen"] + v["ahead"] - 1):
        terms.append(terms[-1] * v["factor"] + v["plus"])
    seen = terms[: v["seen"]]
    rule = f"times {v['factor']}, plus {v['plus']}" if v["factor"] > 1 else f"plus {v['plus']}"
    later = ", ".join(map(str, terms[v["seen"] :]))
    return Solution(
        str(terms[-1]),
        rationale=f"Each term is the last one {rule}. The next: {later}.",
        shown={"terms": seen, "at": v["seen"] + v["ahead"], "rule": rule},
    )


def _mean(v: Values) -> Solution:
    numbers = list(v["numbers"])
    # The last number makes the sum a multiple of the count.
    numbers[-1] += -sum(numbers) % len(numbers)
    total = sum(numbers)
    why = f"{' + '.join(map(str, numbers))} = {total}. {total} / {len(numbers)}"
    why += f" = {total // len(numbers)}."
    return Solution(str(total // len(numbers)), rationale=why, shown={"listed": numbers})


def _median(v: Values) -> Solution:
    ordered = sorted(v["numbers"])
    if len(ordered) % 2 == 0:
        ordered = ordered[1:]
    listed = [number for number in v["numbers"] if number in ordered]
    middle = ordered[len(ordered) // 2]
    why = f"In order: {', '.join(map(str, ordered))}. The middle one is {middle}."
    return Solution(str(middle), rationale=why, shown={"listed": listed})


def _frame(v: Values) -> Solution:
    """A rectangle with a smaller one cut out."""
    a, b = v["a"], v["b"]
    c, d = 1 + v["c"] % (a - 1), 1 + v["d"] % (b - 1)
    why = f"{a} * {b} = {a * b}. {c} * {d} = {c * d}. {a * b} - {c * d} = {a * b - c * d}."
    return Solution(str(a * b - c * d), rationale=why, shown={"inner": c, "outer": d})


def _fence(v: Values) -> Solution:
    a, b = v["a"], v["b"]
    half = a + b
    why = f"{a} + {b} = {half}. 2 * {half} = {2 * half}. {2 * half} * {v['price']}"
    why += f" = {2 * half * v['price']}."
    return Solution(str(2 * half * v["price"]), rationale=why)


def _choose(v: Values) -> Solution:
    n, k = v["n"], 1 + v["k"] % min(4, v["n"] - 1)
    top = " * ".join(str(n - i) for i in range(k))
    bottom = " * ".join(str(i) for i in range(k, 0, -1))
    total = comb(n, k)
    why = f"({top}) / ({bottom}) = {total}."
    return Solution(str(total), rationale=why, shown={"size": k, "things": plural(v["thing"])})


def _base(v: Values) -> Solution:
    number, base, rest, written = v["number"], v["base"], v["number"], ""
    while rest:
        written = str(rest % base) + written
        rest //= base
    parts = [f"{d} * {base**at}" for at, d in enumerate(reversed(written)) if d != "0"]
    return Solution(
        str(number),
        rationale=f"{' + '.join(reversed(parts))} = {number}.",
        shown={"written": written},
    )


def _digits_of_base(v: Values) -> int:
    count, rest = 0, v["number"]
    while rest:
        count, rest = count + 1, rest // v["base"]
    return count


TEMPLATES = (
    Scaffold(
        "math/linear",
        "Solve for x: {left}x {plus} = {c}x {right}. What is x?",
        slots={
            "a": Integer(2, 15),
            "x": Integer(1, 60),
            "b": Choice(tuple(n for n in range(-30, 61) if n)),
            "c": Integer(1, 12),
        },
        solve=_linear,
        factors={
            "operations": 4,
            "operand_size": lambda v: digits(v["a"] * v["x"] + v["b"]),
            "steps": 3,
        },
        checker="number",
    ),
    Scaffold(
        "math/system",
        "x + {k} * y = {total} and x - y = {gap}. What is {asked}?",
        slots={
            "x": Integer(-20, 80),
            "y": Integer(-20, 80),
            "k": Integer(1, 6),
            "asked": Choice("xy"),
        },
        solve=_system,
        factors={
            "operations": 3,
            "operand_size": lambda v: digits(v["x"] + v["k"] * v["y"], v["x"] - v["y"]),
            "steps": lambda v: 2 + (v["asked"] == "x"),
        },
        checker="number",
    ),
    Scaffold(
        "math/sequence",
        "A sequence begins {terms}, and each term is the last one {rule}. What is term {at}?",
        slots={
            "first": Integer(1, 30),
            "factor": Integer(1, 3),
            "plus": Integer(1, 40),
            "seen": Integer(2, 4),
            "ahead": Integer(1, 4),
        },
        solve=_sequence,
        factors={
            "operations": lambda v: v["ahead"] * (1 + (v["factor"] > 1)),
            "operand_size": lambda v: digits(v["first"], v["plus"]),
            "steps": lambda v: v["ahead"],
        },
        checker="number",
    ),
    Scaffold(
        "math/mean",
        "What is the mean of {listed}?",
        slots={"numbers": Integers(2, 7, 1, 200)},
        solve=_mean,
        factors={
            "operations": lambda v: len(v["numbers"]),
            "operand_size": lambda v: digits(*v["numbers"]),
            "steps": 2,
        },
        checker="number",
    ),
    Scaffold(
        "math/median",
        "What is the median of {listed}?",
        slots={"numbers": Integers(3, 10, 1, 300, distinct=True)},
        solve=_median,
        factors={
            "operations": lambda v: len(v["numbers"]),
            "operand_size": lambda v: digits(*v["numbers"]),
            "steps": 2,
        },
        checker="number",
    ),
    Scaffold(
        "math/cut-out",
        "From a sheet of {a} by {b} cm a piece of {inner} by {outer} cm is cut out. "
        "What area is left, in square cm?",
        slots={
            "a": Integer(3, 60),
            "b": Integer(3, 60),
            "c": Integer(0, 999),
            "d": Integer(0, 999),
        },
        solve=_frame,
        factors={"operations": 3, "operand_size": lambda v: digits(v["a"], v["b"]), "steps": 2},
        checker="number",
    ),
    Scaffold(
        "math/fence",
        "A garden is {a} m long and {b} m wide. A fence costs {price} coins a metre. "
        "What does a fence all around it cost?",
        slots={"a": Sized(1, 3), "b": Sized(1, 2), "price": Integer(2, 30)},
        solve=_fence,
        factors={"operations": 3, "operand_size": lambda v: digits(v["a"], v["b"]), "steps": 3},
        checker="number",
    ),
    Scaffold(
        "math/choose",
        "In how many ways can {size} of {n} different {things} be chosen, in any order?",
        slots={
            "n": Integer(4, 24),
            "k": Integer(0, 11),
            "thing": Choice((*FRUITS, *THINGS)),
        },
        solve=_choose,
        factors={
            "operations": lambda v: 2 * (1 + v["k"] % min(4, v["n"] - 1)) - 1,
            "operand_size": lambda v: digits(v["n"]),
            "steps": 3,
        },
        checker="number",
    ),
    Scaffold(
        "math/base",
        "The number {written} is written in base {base}. What is it in base ten?",
        slots={"number": Sized(2, 4), "base": Integer(2, 8)},
        solve=_base,
        factors={
            "operations": lambda v: 2 * _digits_of_base(v) - 1,
            "operand_size": _digits_of_base,
            "steps": _digits_of_base,
        },
        checker="number",
    ),
)

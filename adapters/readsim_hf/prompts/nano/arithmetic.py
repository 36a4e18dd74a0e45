"""Math: `m17+25`, `m42-17`, `m63+8`, `m3+8-2`; the rationale goes by digits, or step by step."""

import numpy as np

from readsim_hf.prompts.nano.draws import between, draw_one
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

LARGEST = 49  # of two operands


def _factors(operations: int, largest: int, steps: int) -> dict[str, float]:
    """Operations, operand size in digits, and steps: operations on digits, carries included."""
    return {"operations": operations, "digits": len(str(largest)), "steps": steps}


def _sum(a: int, b: int) -> Filled:
    ones = a % 10 + b % 10
    carry = ones // 10
    tens = a // 10 + b // 10 + carry
    return Filled(
        text=f"m{a}+{b}",
        answer=str(a + b),
        rationale=f"{a % 10}+{b % 10}:{ones},{a // 10}+{b // 10}+{carry}:{tens}",
        factors=_factors(1, max(a, b), 2 + carry),
    )


def _difference(a: int, b: int) -> Filled:
    """For a >= b."""
    borrow = int(a % 10 < b % 10)
    top = a % 10 + 10 * borrow
    tens = a // 10 - b // 10 - borrow
    return Filled(
        text=f"m{a}-{b}",
        answer=str(a - b),
        rationale=f"{top}-{b % 10}:{top - b % 10},{a // 10}-{b // 10}-{borrow}:{tens}",
        factors=_factors(1, a, 2 + borrow),
    )


def _add(rng: np.random.Generator) -> Filled:
    return _sum(between(rng, 0, LARGEST), between(rng, 0, LARGEST))


def _subtract(rng: np.random.Generator) -> Filled:
    b, a = sorted((between(rng, 0, LARGEST), between(rng, 0, LARGEST)))
    return _difference(a, b)


def _small(rng: np.random.Generator) -> Filled:
    """A digit added to a number of two digits, or taken from it."""
    a, b = between(rng, 10, 99), between(rng, 1, 9)
    return _sum(a, b) if draw_one(rng, "+-") == "+" else _difference(a, b)


def _chain(rng: np.random.Generator) -> Filled:
    """Three digits; no intermediate result is below zero."""
    a, b, c = (between(rng, 1, 9) for _ in range(3))
    first = draw_one(rng, "+-") if a >= b else "+"
    middle = a + b if first == "+" else a - b
    second = draw_one(rng, "+-") if middle >= c else "+"
    return Filled(
        text=f"m{a}{first}{b}{second}{c}",
        answer=str(middle + c if second == "+" else middle - c),
        rationale=f"{a}{first}{b}:{middle},{middle}{second}{c}",
        factors=_factors(2, max(a, b, c), 2),
    )


TEMPLATES = (
    NanoTemplate("nano/math/add", "math", _add),
    NanoTemplate("nano/math/subtract", "math", _subtract),
    NanoTemplate("nano/math/small", "math", _small),
    NanoTemplate("nano/math/chain", "math", _chain),
)

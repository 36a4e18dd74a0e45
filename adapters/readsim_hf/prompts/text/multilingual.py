"""Questions asked in eight languages, and between them; only words that the tables settle.

A question is a scaffold in each language: `multilingual/sum-de` is the German one. Factors:
language_tier of the harder language involved, length in words or numbers that the question is
about, script_change 1 where question and reply are in different scripts.
"""

from collections.abc import Callable
from typing import Any

from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Integers, Made, Sample, Slot
from readsim_hf.prompts.text import multilingual_pairs as pairs
from readsim_hf.prompts.text.languages import TONGUES, Tongue
from readsim_hf.prompts.text.numerals import settled, spell
from readsim_hf.prompts.text.shared import LAYOUT, layout_rng, shuffled

Rule = Callable[[Values], float]


def _scaffold(
    tongue: Tongue,
    name: str,
    slots: dict[str, Slot],
    solve: Callable[[Values], Solution],
    length: float | Rule,
    checker: str = "exact",
) -> Scaffold:
    return Scaffold(
        id=f"multilingual/{name}-{tongue.code}",
        text=tongue.sentences[name],
        slots=slots,
        solve=solve,
        factors={"language_tier": tongue.tier, "length": length, "script_change": 0},
        checker=checker,
        language=tongue.code,
    )


def _read(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        n = values["n"]
        words = spell(n, tongue.code)
        parts = [part for part in (n // 100 * 100, n % 100 // 10 * 10, n % 10) if part]
        shown = {"words": words}
        return Solution(str(n), f"{words} = {' + '.join(map(str, parts))} = {n}.", shown=shown)

    return _scaffold(tongue, "read", {"n": Integer(100, 999)}, solve, 1, "number")


def _write(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        words = [spell(n, tongue.code) for n in values["items"]]
        steps = "; ".join(f"{n}: {w}" for n, w in zip(values["items"], words, strict=True))
        return Solution(", ".join(words), steps)

    slots: dict[str, Slot] = {"items": Sample(settled(tongue.code), 2, 5)}
    return _scaffold(tongue, "write", slots, solve, lambda v: len(v["items"]), "list_equal")


_TERMS = ("plus", "minus", "times")


def _sum(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        a, b, name = values["a"], values["b"], values["operation"]
        larger, smaller = max(a, b), min(a, b)
        answer = {"plus": a + b, "minus": larger - smaller, "times": a * b}[name]
        one, other = (larger, smaller) if name == "minus" else (a, b)
        sign = {"plus": "+", "minus": "-", "times": "*"}[name]
        terms = [spell(one, tongue.code), getattr(tongue, name), spell(other, tongue.code)]
        # Chinese puts no blanks between words.
        words = ("" if tongue.script == "Han" else " ").join(terms)
        return Solution(
            str(answer), f"{words}: {one} {sign} {other} = {answer}.", shown={"words": words}
        )

    slots: dict[str, Slot] = {
        "a": Integer(2, 99),
        "b": Integer(2, 99),
        "operation": Choice(_TERMS),
    }
    return _scaffold(tongue, "sum", slots, solve, 2, "number")


def _later(tongue: Tongue, name: str, shown: str, cycle: tuple[str, ...]) -> Scaffold:
    """Days of the week or months, some steps later."""

    def solve(values: Values) -> Solution:
        start, n = cycle.index(values[shown]), values["n"]
        answer = cycle[(start + n) % len(cycle)]
        turn = f"{n} = {n // len(cycle)} * {len(cycle)} + {n % len(cycle)}"
        return Solution(answer, f"{turn}; {values[shown]} + {n % len(cycle)} = {answer}.")

    slots: dict[str, Slot] = {shown: Choice(cycle), "n": Integer(2, 90)}
    return _scaffold(tongue, name, slots, solve, 1)


def _date(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        day, month, n = values["day"], values["month"], values["n"]
        rationale = f"{day} + {n} = {day + n}."
        return Solution(tongue.on(day + n, month), rationale, shown={"date": tongue.on(day, month)})

    slots: dict[str, Slot] = {
        "day": Integer(2, 18),
        "month": Integer(0, 11),
        "n": Integer(2, 10),
    }
    return _scaffold(tongue, "date", slots, solve, 1)


def _compare(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        a, b = values["numbers"]
        answer = tongue.yes if a > b else tongue.no
        shown = {"a": spell(a, tongue.code), "b": spell(b, tongue.code)}
        sign = ">" if a > b else "<"
        expect = {"labels": [tongue.yes, tongue.no]}
        return Solution(answer, f"{a} {sign} {b}.", expect=expect, shown=shown)

    slots: dict[str, Slot] = {"numbers": Integers(2, 2, 2, 999, distinct=True)}
    return _scaffold(tongue, "compare", slots, solve, 2, "label")


def _ranked(tongue: Tongue, name: str, checker: str) -> Scaffold:
    """The largest of some numbers, or all of them in order."""

    def solve(values: Values) -> Solution:
        numbers = values["numbers"]
        words = [spell(n, tongue.code) for n in numbers]
        ranked = sorted(numbers)
        answer = str(ranked[-1]) if name == "largest" else ", ".join(map(str, ranked))
        steps = ", ".join(f"{word} = {n}" for word, n in zip(words, numbers, strict=True))
        return Solution(answer, f"{steps}.", shown={"items": ", ".join(words)})

    slots: dict[str, Slot] = {"numbers": Integers(3, 8, 2, 999, distinct=True)}
    return _scaffold(tongue, name, slots, solve, lambda v: len(v["numbers"]), checker)


def _kind(tongue: Tongue) -> Scaffold:
    kinds = tuple(tongue.kinds)

    def make(rng: Any) -> tuple[str, ...]:
        """One word of a kind, then some of another kind."""
        mine, other = shuffled(kinds, rng)[:2]
        few = Sample(tongue.list_named(other), 2, 6).draw(rng)
        return (mine, Choice(tongue.list_named(mine)).draw(rng), *few)

    def valid(value: Any) -> bool:
        return value[0] in kinds and value[1] in tongue.list_named(value[0])

    def solve(values: Values) -> Solution:
        mine, answer, *others = values["drawn"]
        items = shuffled([answer, *others], layout_rng(values["layout"]))
        rationale = f"{answer}: {tongue.kinds[mine]}."
        shown = {"kind": tongue.kinds[mine], "items": ", ".join(items)}
        return Solution(answer, rationale, {"labels": items}, shown)

    slots: dict[str, Slot] = {"drawn": Made(make, valid), "layout": LAYOUT}
    return _scaffold(tongue, "kind", slots, solve, lambda v: len(v["drawn"]) - 1, "label")


def _opposite(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        rng = layout_rng(values["layout"])
        sides = [pair if rng.integers(2) else pair[::-1] for pair in values["pairs"]]
        word, answer = sides[0]
        items = shuffled([answer, *(side[0] for side in sides[1:])], rng)
        shown = {"word": word, "items": ", ".join(items)}
        return Solution(answer, f"{word} - {answer}.", {"labels": items}, shown)

    slots: dict[str, Slot] = {"pairs": Sample(tongue.opposites, 3, 8), "layout": LAYOUT}
    return _scaffold(tongue, "opposite", slots, solve, lambda v: len(v["pairs"]), "label")


def _position(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        items, n = values["items"], values["place"] % len(values["items"])
        steps = ", ".join(f"{at} {item}" for at, item in enumerate(items[: n + 1], 1))
        return Solution(items[n], f"{steps}.", shown={"n": n + 1})

    slots: dict[str, Slot] = {"items": Sample(tongue.words, 4, 12), "place": Integer(0, 11)}
    return _scaffold(tongue, "position", slots, solve, lambda v: len(v["items"]))


def _calendar(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        ordered = sorted(values["items"], key=tongue.months.index)
        steps = ", ".join(f"{m} {tongue.months.index(m) + 1}" for m in values["items"])
        return Solution(", ".join(ordered), f"{steps}.")

    slots: dict[str, Slot] = {"items": Sample(tongue.months, 3, 7)}
    return _scaffold(tongue, "calendar", slots, solve, lambda v: len(v["items"]), "list_equal")


def _in_one(tongue: Tongue) -> tuple[Scaffold, ...]:
    """The scaffolds within one language."""
    return (
        _read(tongue),
        _write(tongue),
        _sum(tongue),
        _later(tongue, "weekday", "day", tongue.weekdays),
        _later(tongue, "month", "month", tongue.months),
        _date(tongue),
        _compare(tongue),
        _ranked(tongue, "largest", "number"),
        _ranked(tongue, "sort", "list_equal"),
        _kind(tongue),
        _opposite(tongue),
        _position(tongue),
        _calendar(tongue),
    )


TEMPLATES: tuple[Template, ...] = (
    *(scaffold for tongue in TONGUES.values() for scaffold in _in_one(tongue)),
    *pairs.SCAFFOLDS,
)

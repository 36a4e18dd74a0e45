"""Functions are shown; what do they give, which calls go wrong."""

from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Integer, Integers, Sample
from readsim_hf.prompts.text.code.functions import (
    CONSTANTS,
    FUNCTIONS,
    INPUTS,
    NAMES,
    SHAPES,
    bodies,
    fenced,
    result,
    source,
    worked,
)


def _calls(v: Values) -> list[tuple[str, str, int, int]]:
    """For each input: function name, body, input, value; the functions take turns."""
    written = bodies(v)
    return [
        (
            NAMES[at % len(written)],
            written[at % len(written)],
            x,
            result(written[at % len(written)], {"x": x}),
        )
        for at, x in enumerate(v["inputs"])
    ]


def _why(v: Values) -> str:
    return " ".join(worked(name, body, x) for name, body, x, _ in _calls(v))


def _output(v: Values) -> Solution:
    calls = _calls(v)
    prints = "\n".join(f"print({name}({x}))" for name, _, x, _ in calls)
    return Solution(
        "\n".join(str(value) for *_, value in calls),
        rationale=_why(v),
        shown={"code": fenced(f"{source(bodies(v))}\n\n{prints}")},
    )


def _total(v: Values) -> Solution:
    calls = _calls(v)
    text = " + ".join(f"{name}({x})" for name, _, x, _ in calls)
    total = sum(value for *_, value in calls)
    return Solution(
        str(total),
        rationale=f"{_why(v)} The sum is {total}.",
        shown={"code": fenced(f"{source(bodies(v))}\n\nprint({text})")},
    )


def _compose(v: Values) -> Solution:
    """Each call goes through all functions, the last one first."""
    written, calls, why, values = bodies(v), [], [], []
    for x in v["inputs"]:
        text, value = str(x), x
        for at in reversed(range(len(written))):
            why.append(worked(NAMES[at], written[at], value))
            text, value = f"{NAMES[at]}({text})", result(written[at], {"x": value})
        calls.append(f"print({text})")
        values.append(str(value))
    code = source(written) + "\n\n" + "\n".join(calls)
    return Solution("\n".join(values), rationale=" ".join(why), shown={"code": fenced(code)})


def _asserts(v: Values, off: list[int]) -> str:
    """The calls as assertions, each off by a number."""
    return "\n".join(
        f"assert {name}({x}) == {value + by}"
        for (name, _, x, value), by in zip(_calls(v), off, strict=True)
    )


def _failing(v: Values) -> Solution:
    at = v["at"] % len(v["inputs"])
    off = [v["off"][at] if i == at else 0 for i in range(len(v["inputs"]))]
    return Solution(
        str(at + 1),
        rationale=f"{_why(v)} Assertion {at + 1} says something else.",
        shown={"code": fenced(f"{source(bodies(v))}\n\n{_asserts(v, off)}")},
    )


def _passing(v: Values) -> Solution:
    off = [by if v["bits"] >> i & 1 else 0 for i, by in enumerate(v["off"][: len(v["inputs"])])]
    passing = off.count(0)
    return Solution(
        str(passing),
        rationale=f"{_why(v)} So {passing} of the assertions hold.",
        shown={"code": fenced(f"{source(bodies(v))}\n\n{_asserts(v, off)}")},
    )


def _which(v: Values) -> tuple[list[str], list[int]]:
    """The functions that the calls tell from the right one, and it itself; the values it gives."""
    written = bodies(v)
    right = written[v["right"] % len(written)]
    wanted = [result(right, {"x": x}) for x in v["inputs"]]
    kept = [
        body
        for body in written
        if body == right or [result(body, {"x": x}) for x in v["inputs"]] != wanted
    ]
    return kept, wanted


def _named(v: Values) -> Solution:
    kept, wanted = _which(v)
    right = kept.index(bodies(v)[v["right"] % len(v["shapes"])])
    table = ", ".join(f"{x} gives {y}" for x, y in zip(v["inputs"], wanted, strict=True))
    return Solution(
        NAMES[right],
        rationale=" ".join(worked(NAMES[right], kept[right], x) for x in v["inputs"]),
        expect={"labels": list(NAMES[: len(kept)])},
        shown={"code": fenced(source(kept)), "table": table},
    )


_FACTORS: Factors = {"functions": lambda v: len(v["shapes"]), "tests": lambda v: len(v["inputs"])}
_CODE: Slots = {**FUNCTIONS, "inputs": INPUTS}
_OFF: Slots = {"off": Sample((-9, -5, -3, -2, -1, 1, 2, 3, 5, 9), 5, 5)}

TEMPLATES = (
    Scaffold(
        "code/output",
        "What does this program print? Give the numbers only, one a line.\n{code}",
        slots=_CODE,
        solve=_output,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "code/sum-of-calls",
        "What number does this program print?\n{code}",
        slots=_CODE,
        solve=_total,
        factors=_FACTORS,
        checker="number",
    ),
    Scaffold(
        "code/compose",
        "What does this program print? Give the numbers only, one a line.\n{code}",
        slots={**FUNCTIONS, "inputs": Integers(1, 3, -12, 30, distinct=True)},
        solve=_compose,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "code/failing-assert",
        "Exactly one of these assertions fails. Count them from 1: which one is it?\n{code}",
        slots={
            **FUNCTIONS,
            "inputs": Integers(2, 5, -12, 30, distinct=True),
            "at": Integer(0, 59),
            **_OFF,
        },
        solve=_failing,
        factors=_FACTORS,
        checker="number",
    ),
    Scaffold(
        "code/passing-asserts",
        "How many of these assertions hold?\n{code}",
        slots={
            **FUNCTIONS,
            "inputs": Integers(2, 5, -12, 30, distinct=True),
            "bits": Integer(0, 31),
            **_OFF,
        },
        solve=_passing,
        factors=_FACTORS,
        checker="number",
    ),
    Scaffold(
        "code/which-function",
        "For one of these functions {table}. Give its name.\n{code}",
        slots={
            "shapes": Sample(SHAPES, 2, 4),
            "constants": CONSTANTS,
            "inputs": INPUTS,
            "right": Integer(0, 11),
        },
        solve=_named,
        factors={"functions": lambda v: len(_which(v)[0]), "tests": lambda v: len(v["inputs"])},
        checker="label",
    ),
)

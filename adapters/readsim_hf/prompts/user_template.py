"""One template of a template file: from its JSON object to a scaffold that has been tried out."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError, unknown
from readsim_hf.prompts import expression
from readsim_hf.prompts.checkers import NEED_ANSWER, check, checker_names
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.scaffold import Scaffold, Solution, Values, show
from readsim_hf.prompts.user_slots import (
    FIELD,
    RESERVED,
    Declared,
    check_keys,
    read_slots,
    refuse,
)

TRIES = 50  # prompts that are made of a template before it is accepted
_REQUIRED = ("id", "capability", "text")
_OPTIONAL = (
    "slots",
    "answer",
    "expression",
    "rationale",
    "checker",
    "expect",
    "factors",
    "language",
)

Slots = Mapping[str, Declared]


def read_template(table: Mapping[str, Any], factors: Mapping[str, tuple[str, ...]]) -> Scaffold:
    """The template of one line; `factors` are the control factors of each known capability.

    Raises ConfigError, which names the field, the value and what is accepted.
    """
    check_keys("field", table, (*_REQUIRED, *_OPTIONAL))
    for key in _REQUIRED:
        if key not in table:
            raise ConfigError(f"{key} is missing; every template needs it")
    for key in (*_REQUIRED, "answer", "expression", "rationale", "checker", "language"):
        if key in table and not (isinstance(table[key], str) and table[key].strip()):
            raise refuse(key, table[key], "a text that is not empty")
    capability, id_ = table["capability"], table["id"]
    if capability not in factors:
        raise ConfigError(str(unknown("capability", capability, factors)))
    if not id_.startswith(f"{capability}/") or id_ == f"{capability}/":
        raise refuse("id", id_, f"{capability}/ and a name")
    slots = read_slots(table.get("slots", {}))
    _check_fields(table, slots)
    scaffold = Scaffold(
        id=id_,
        text=_as_format(table["text"]),
        slots={name: declared.slot for name, declared in slots.items()},
        solve=_Solve.of(table, slots),
        factors=_factors(table.get("factors", {}), slots, factors[capability]),
        checker=_checker(table),
        language=table.get("language", "en"),
    )
    _try_out(scaffold)
    return scaffold


def _check_fields(table: Mapping[str, Any], slots: Slots) -> None:
    """Every field has its slot, and every slot its field in the text."""
    for key in ("text", "answer", "rationale"):
        known = [*slots, RESERVED] if key == "rationale" else list(slots)
        for name in FIELD.findall(table.get(key, "")):
            if name not in known:
                raise ConfigError(f"{key}: {unknown('slot', name, known)}")
    for name in slots:
        if name not in FIELD.findall(table["text"]):
            raise ConfigError(f"slots.{name}: the text has no {{{name}}}; accepted: slots in use")


def _as_format(text: str) -> str:
    """The text as a format string: braces around anything but a name stand for themselves."""
    parts = FIELD.split(text)  # literal, name, literal, name, ..., literal
    escaped = [part.replace("{", "{{").replace("}", "}}") for part in parts[::2]]
    names = [f"{{{name}}}" for name in parts[1::2]]
    return "".join(a + b for a, b in zip(escaped, [*names, ""], strict=True))


def _fill(text: str, values: Values) -> str:
    return FIELD.sub(lambda m: show(values[m[1]]) if m[1] in values else m[0], text)


def _fill_all(value: Any, values: Values) -> Any:
    """The texts inside plain data, filled; keys too."""
    if isinstance(value, str):
        return _fill(value, values)
    if isinstance(value, list):
        return [_fill_all(item, values) for item in value]
    if isinstance(value, Mapping):
        return {_fill(key, values): _fill_all(item, values) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class _Solve:
    """Slot values -> solution."""

    answer: Callable[[Values], str | None]
    rationale: str | None
    expect: Mapping[str, Any]

    @classmethod
    def of(cls, table: Mapping[str, Any], slots: Slots) -> "_Solve":
        expect = table.get("expect", {})
        if not isinstance(expect, Mapping):
            raise refuse("expect", expect, "an object with what the checker needs")
        return cls(_answer(table, slots), table.get("rationale"), expect)

    def __call__(self, values: Values) -> Solution:
        answer = self.answer(values)
        rationale = self.rationale
        if rationale is not None:
            rationale = _fill(rationale, {**values, RESERVED: "" if answer is None else answer})
        return Solution(answer, rationale, _fill_all(self.expect, values))


def _answer(table: Mapping[str, Any], slots: Slots) -> Callable[[Values], str | None]:
    if "answer" in table and "expression" in table:
        raise refuse("expression", table["expression"], "answer or expression, not both")
    if "expression" in table:
        return _expression(table["expression"], slots)
    text = table.get("answer")
    return lambda values: None if text is None else _fill(text, values)


def _expression(source: str, slots: Slots) -> Callable[[Values], str]:
    """Arithmetic over the slots of whole numbers; the value has to be a whole number."""
    node = expression.parse_expression(source)
    if node is None:
        accepted = "numbers, slots, + - * // % **, comparisons, a if c else b, abs, min, max"
        raise refuse("expression", source, accepted)
    whole = [name for name, declared in slots.items() if declared.whole]

    def solve(values: Values) -> str:
        inputs = {name: values[name] for name in whole}
        try:
            value = expression.evaluate(node, inputs)
        except (ValueError, ZeroDivisionError, TypeError, OverflowError) as error:
            known = ", ".join(whole) or "none"
            raise ConfigError(
                f"expression = {source!r} cannot be computed for {inputs} ({error}); slots of whole "
                f"numbers: {known}"
            ) from error
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(
                f"expression = {source!r} is {value!r} for {inputs}; accepted: a whole number"
            )
        return str(value)

    return solve


def _factors(
    table: object, slots: Slots, names: tuple[str, ...]
) -> dict[str, float | Callable[[Values], float]]:
    """A factor for every name of the capability; those that are not given are 0."""
    if not isinstance(table, Mapping):
        raise refuse("factors", table, "an object of factor -> slot or number")
    check_keys("factor", table, names)
    return {name: _factor(f"factors.{name}", table.get(name, 0), slots) for name in names}


def _factor(field: str, value: Any, slots: Slots) -> float | Callable[[Values], float]:
    if isinstance(value, str):
        if value not in slots:
            raise ConfigError(f"{field}: {unknown('slot', value, slots)}")
        number = slots[value].number
        if number is None:
            raise refuse(field, value, "a slot of whole numbers, a sample, or a number")
        return lambda values: number(values[value])
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse(field, value, "the name of a slot, or a number")
    return float(value)


def _checker(table: Mapping[str, Any]) -> str:
    checker = str(table.get("checker", "exact"))
    known = [name for name in checker_names() if name != "unit_tests"]
    if checker not in known:
        raise ConfigError(f"checker: {unknown('checker', checker, known)}")
    if checker in NEED_ANSWER and "answer" not in table and "expression" not in table:
        raise ConfigError(f"answer is missing; checker {checker!r} needs answer or expression")
    return checker


def _try_out(scaffold: Scaffold) -> None:
    """Make prompts, and have the checker accept each gold answer."""
    rng = np.random.Generator(np.random.PCG64(0))
    for _ in range(TRIES):
        prompt = scaffold.make(rng)
        if not _accepts(prompt) and prompt.answer is not None:
            raise refuse("answer", prompt.answer, f"one that checker {prompt.checker!r} lets pass")


def _accepts(prompt: Prompt) -> bool:
    try:
        return check(prompt, "text" if prompt.answer is None else prompt.answer)
    except (AttributeError, KeyError, TypeError, ValueError, re.error) as error:
        if isinstance(error, UnknownNameError | CapabilityMissingError):
            raise ConfigError(f"expect: {error}") from error
        raise refuse(
            "expect", dict(prompt.expect), f"what checker {prompt.checker!r} needs ({error!r})"
        ) from error

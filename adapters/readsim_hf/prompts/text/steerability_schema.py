"""Records in a form that is asked for: JSON, CSV, pairs of key and value."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Sample, Slot
from readsim_hf.prompts.text.shared import distinct_rows, verbatim
from readsim_hf.prompts.words import COLOURS, FRUITS, NAMES

Rule = Callable[[Values], float]

_CITIES = (
    *("Lisbon", "Oslo", "Prague", "Vienna", "Dublin", "Athens", "Madrid", "Warsaw", "Helsinki"),
    *("Rome", "Paris", "Berlin", "Cairo", "Lima", "Quito", "Tokyo", "Seoul", "Nairobi"),
)
_AGES = tuple(range(18, 80))
_KINDS = ("name", "age", "city", "colour", "fruit", "student")
_POOLS: Mapping[str, Sequence[Any]] = {
    "name": NAMES,
    "age": _AGES,
    "city": _CITIES,
    "colour": COLOURS,
    "fruit": FRUITS,
    "student": (True, False),
}
_TYPES = {"age": "integer", "student": "boolean"}
_PEOPLE = distinct_rows(1, 1, *(_POOLS[kind] for kind in _KINDS))
_GROUP = distinct_rows(2, 4, *(_POOLS[kind] for kind in _KINDS))
_FIELDS = Sample(_KINDS, 2, 6)


def _describe(row: Sequence[Any]) -> str:
    name, age, city, colour, fruit, student = row
    return (
        f"{name} is {age} years old, lives in {city} and is {'a' if student else 'not a'} student. "
        f"{name}'s favourite colour is {colour} and {name}'s favourite fruit is {fruit}."
    )


def _record(row: Sequence[Any], fields: Sequence[str]) -> dict[str, Any]:
    values = dict(zip(_KINDS, row, strict=True))
    return {field: values[field] for field in fields}


def _length(values: Values) -> float:
    return float(sum(len(_describe(row).split()) for row in values["people"]))


def _scaffold(
    name: str,
    text: str,
    solve: Callable[[Values], Solution],
    rules: float,
    more: Mapping[str, Slot],
    checker: str = "json_equal",
    length: Rule = _length,
) -> Scaffold:
    return Scaffold(
        id=f"steerability/{name}",
        text=text,
        slots={"people": _PEOPLE, "fields": _FIELDS, **more},
        solve=solve,
        factors={
            "rules": rules,
            "fields": lambda values: len(values["fields"]),
            "length": length,
        },
        checker=checker,
    )


def _facts(people: Sequence[Sequence[Any]]) -> str:
    return " ".join(_describe(row) for row in people)


def _steps(row: Sequence[Any], fields: Sequence[str]) -> str:
    return "; ".join(f"{field}: {value}" for field, value in _record(row, fields).items()) + "."


def _typed(fields: Sequence[str]) -> str:
    return ", ".join(f"{field} ({_TYPES.get(field, 'string')})" for field in fields)


def _json_object(values: Values) -> Solution:
    (row,), fields = values["people"], values["fields"]
    shown = {"facts": _describe(row), "schema": _typed(fields)}
    return Solution(json.dumps(_record(row, fields)), _steps(row, fields), shown=shown)


def _json_list(values: Values) -> Solution:
    people, fields = values["people"], values["fields"]
    answer = json.dumps([_record(row, fields) for row in people])
    rationale = "\n".join(_steps(row, fields) for row in people)
    return Solution(answer, rationale, shown={"facts": _facts(people), "schema": _typed(fields)})


def _json_nested(values: Values) -> Solution:
    (row,), fields = values["people"], values["fields"]
    answer = json.dumps({values["outer"]: _record(row, fields), "fields": len(fields)})
    shown = {"facts": _describe(row), "schema": _typed(fields)}
    rationale = f"{_steps(row, fields)} That is {len(fields)} fields."
    return Solution(answer, rationale, shown=shown)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv(values: Values) -> Solution:
    people, fields, separator = values["people"], values["fields"], values["separator"]
    lines = [
        fields,
        *([_plain(value) for value in _record(row, fields).values()] for row in people),
    ]
    answer = "\n".join(separator.join(line) for line in lines)
    rationale = f"A header of {len(fields)} fields, then {len(people)} rows in the text's order."
    shown = {"facts": _facts(people), "header": separator.join(fields)}
    return Solution(answer, rationale, verbatim(answer), shown)


def _pairs(values: Values) -> Solution:
    (row,), fields = values["people"], values["fields"]
    values_of = {key: _plain(value) for key, value in _record(row, fields).items()}
    answer = values["separator"].join(
        f"{key}{values['equals']}{value}" for key, value in values_of.items()
    )
    shown = {"facts": _describe(row), "schema": ", ".join(fields)}
    return Solution(answer, _steps(row, fields), verbatim(answer), shown)


def _invent(values: Values) -> Solution:
    (row,), fields = values["people"], values["fields"]
    fixed = _record(row, fields[:1])
    types = {field: _TYPES.get(field, "string") for field in fields}
    answer = _record(row, fields)
    shown = {
        "schema": _typed(fields),
        "key": fields[0],
        "value": json.dumps(fixed[fields[0]]),
    }
    expect = {"keys": types, "values": fixed}
    rationale = (
        f"{len(fields)} keys; {fields[0]} is given, the others may be anything of their type."
    )
    return Solution(json.dumps(answer), rationale, expect, shown)


SCAFFOLDS: tuple[Scaffold, ...] = (
    _scaffold(
        "json-object",
        "{facts}\nWrite this as a JSON object with exactly these keys: {schema}.",
        _json_object,
        2,
        {},
    ),
    _scaffold(
        "json-list",
        "{facts}\nWrite this as a JSON list with one object a person, in the order of the text. Each "
        "object has exactly these keys: {schema}.",
        _json_list,
        3,
        {"people": _GROUP},
    ),
    _scaffold(
        "json-nested",
        '{facts}\nWrite a JSON object with two keys: "{outer}", an object with exactly the keys '
        '{schema}; and "fields", the number of keys of that inner object.',
        _json_nested,
        3,
        {"outer": Choice(("person", "record", "data", "entry", "profile"))},
    ),
    _scaffold(
        "csv",
        "{facts}\nWrite this as a table: the first line is the header {header}, then one line a "
        'person in the order of the text, with the same separator "{separator}" and no spaces around '
        "it. Truth values are written true or false.",
        _csv,
        3,
        {"people": _GROUP, "separator": Choice((",", ";", "|"))},
        "regex",
    ),
    _scaffold(
        "pairs",
        '{facts}\nWrite these fields in this order on one line: {schema}. Put "{equals}" between a '
        'field and its value and "{separator}" between pairs. Truth values are written true or false.',
        _pairs,
        3,
        {"equals": Choice(("=", ":", "->")), "separator": Choice(("; ", " | ", "&"))},
        "regex",
    ),
    _scaffold(
        "json-invent",
        "Invent person number {number} of a story and write a JSON object with exactly these keys: "
        "{schema}. The value of {key} must be {value}.",
        _invent,
        3,
        {"number": Integer(1, 500)},
        "json_keys",
        lambda values: len(values["fields"]),
    ),
)

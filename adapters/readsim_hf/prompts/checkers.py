"""Rules that judge a reply: is it right, and is it well formed, right or wrong.

A rule is a pair of pure functions of (reply, gold answer, expect). `expect` is plain data:

exact        the gold answer, case, spacing and outer punctuation folded
number       the last number is the gold number; `tolerance` (0) absolute
final        ends with the gold answer: its last number where that is a number, the whole or its last line
             where it is a text; behind `####` where one is there
choice       the gold letter; `letters` ("ABCD"), `options` the texts behind them
label        of `labels`, names the gold one and no other
one_of       `accepted`, or the gold answer
contains_all every one of `parts` occurs as a whole word or phrase
contains_none none of `parts` does
json_equal   the gold JSON value; the order of keys is free
json_keys    an object with `keys` (name -> type), no others unless `extra`, and `values` (name -> value)
regex        `pattern` is found (flags inside the pattern)
word_count   from `low` to `high` words
line_count   from `low` to `high` lines that are not blank
list_equal   the gold items in order; with `ordered` false, in any order
expression   a restricted expression with the right value on `tests`: [[{name: whole number}, value], ...]
all_of       every one of `rules`: [{"checker": ..., "answer": ..., "expect": ...}, ...]
unit_tests   has to be run, which is done elsewhere: `check` raises, the format is: it parses

Where a value is expected, `\\boxed{42}`, `$42$`, `\\frac{3}{4}` and `\\text{Paris}` are read as LaTeX.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from readsim.errors import CapabilityMissingError, unknown
from readsim_hf.prompts import expression
from readsim_hf.prompts.latex import plain_text, value_of
from readsim_hf.prompts.patterns import Pattern
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.reading import (
    NotJson,
    fold,
    read_choice,
    read_json,
    read_label,
    read_list,
    read_number,
    same_json,
    unfence,
)

# These compare with the gold answer; the others can do with `expect`.
NEED_ANSWER = ("exact", "number", "final", "choice", "label", "json_equal", "list_equal")

Expect = Mapping[str, Any]
Judge = Callable[[str, str, Expect], bool]


class AnswerRule(NamedTuple):
    """`right`: is the reply right. `formed`: could a right reply look like it."""

    right: Judge
    formed: Judge


def check(prompt: Prompt, answer_text: str) -> bool:
    """Whether the final answer of a reply is right.

    Raises UnknownNameError for an unknown checker, CapabilityMissingError for `unit_tests`.
    """
    return _right(prompt.checker, answer_text, prompt.answer or "", prompt.expect)


def correct(prompt: Prompt, answer_text: str) -> bool | None:
    """Whether the final answer of a reply is right; None where nothing here can tell: there is no gold
    answer, or model-written code would have to be run."""
    if prompt.answer is None and prompt.checker in NEED_ANSWER:
        return None
    try:
        return check(prompt, answer_text)
    except CapabilityMissingError:
        return None


def format_ok(prompt: Prompt, answer_text: str) -> bool:
    """Whether the final answer is well formed for its checker, right or wrong."""
    return _formed(prompt.checker, answer_text, prompt.answer or "", prompt.expect)


def checker_names() -> tuple[str, ...]:
    """The names that `Prompt.checker` may have."""
    return tuple(_RULES)


def _rule(name: str) -> AnswerRule:
    if name not in _RULES:
        raise unknown("checker", name, _RULES)
    return _RULES[name]


def _right(checker: str, text: str, gold: str, expect: Expect) -> bool:
    return _rule(checker).right(text, gold, expect) and bool(text.strip())


def _formed(checker: str, text: str, gold: str, expect: Expect) -> bool:
    return _rule(checker).formed(text, gold, expect) and bool(text.strip())


def _anything(text: str, gold: str, expect: Expect) -> bool:
    return True


def _one_line(text: str, gold: str, expect: Expect) -> bool:
    return len(value_of(text).strip().splitlines()) == max(1, len(gold.strip().splitlines()))


def _exact(text: str, gold: str, expect: Expect) -> bool:
    return _same_text(text, gold)


def _same_text(text: str, gold: str) -> bool:
    """As it is written, or with LaTeX around it or in it read as plain text."""
    return fold(text) == fold(gold) or fold(plain_text(value_of(text))) == fold(
        plain_text(value_of(gold))
    )


def _number(text: str, gold: str, expect: Expect) -> bool:
    value, wanted = read_number(text), read_number(gold)
    if value is None or wanted is None:
        return False
    return bool(abs(value - wanted) <= expect.get("tolerance", 0))


def _final(text: str, gold: str, expect: Expect) -> bool:
    text, gold = (part.rpartition("####")[2].strip() for part in (text, gold))
    if read_number(gold) is not None and not any(map(str.isalpha, plain_text(value_of(gold)))):
        return _number(text, gold, expect)
    lines = text.splitlines() or [""]
    return _same_text(text, gold) or (bool(gold) and all(_found(lines[-1], [gold])))


def _letter(text: str, expect: Expect) -> str | None:
    return read_choice(text, expect.get("letters", "ABCD"), expect.get("options", ()))


def _one_of(text: str, gold: str, expect: Expect) -> bool:
    return any(_same_text(text, item) for item in (gold, *expect.get("accepted", ())) if item)


def _found(text: str, parts: list[str]) -> list[bool]:
    """For each part, whether it occurs, with no letter or digit right beside it."""
    folded = " ".join(text.casefold().split())
    wanted = (" ".join(part.casefold().split()) for part in parts)
    return [re.search(rf"(?<!\w){re.escape(part)}(?!\w)", folded) is not None for part in wanted]


def _json_equal(text: str, gold: str, expect: Expect) -> bool:
    value = read_json(text)
    return value is not NotJson and same_json(value, read_json(gold))


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _json_keys(text: str, gold: str, expect: Expect) -> bool:
    value, keys = read_json(text), expect["keys"]
    if not isinstance(value, dict) or not keys.keys() <= value.keys():
        return False
    if value.keys() != keys.keys() and not expect.get("extra", False):
        return False
    fixed = expect.get("values", {})
    typed = all(_TYPES[kind](value[key]) for key, kind in keys.items())
    return typed and all(key in value and same_json(value[key], fixed[key]) for key in fixed)


def _within(count: int, expect: Expect) -> bool:
    return bool(expect["low"] <= count <= expect["high"])


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _list_equal(text: str, gold: str, expect: Expect) -> bool:
    value, wanted = read_list(text), read_list(gold)
    if value is None or wanted is None:
        return False
    return value == wanted if expect.get("ordered", True) else sorted(value) == sorted(wanted)


def _all(judge: Callable[[str, str, str, Expect], bool], text: str, expect: Expect) -> bool:
    return all(
        judge(rule["checker"], text, rule.get("answer") or "", rule.get("expect", {}))
        for rule in expect["rules"]
    )


def _needs_running(text: str, gold: str, expect: Expect) -> bool:
    raise CapabilityMissingError(
        "checker 'unit_tests' has to run code that a model wrote; that is not done here"
    )


def _parses(text: str, gold: str, expect: Expect) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of somebody else's code
            ast.parse(unfence(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


_RULES: dict[str, AnswerRule] = {
    "exact": AnswerRule(_exact, _one_line),
    "number": AnswerRule(_number, lambda text, gold, expect: read_number(text) is not None),
    "final": AnswerRule(_final, _anything),
    "choice": AnswerRule(
        lambda text, gold, expect: _letter(text, expect) == gold.strip().upper(),
        lambda text, gold, expect: _letter(text, expect) is not None,
    ),
    "label": AnswerRule(
        lambda text, gold, expect: read_label(text, expect["labels"]) == gold,
        lambda text, gold, expect: read_label(text, expect["labels"]) is not None,
    ),
    "one_of": AnswerRule(_one_of, _one_line),
    "contains_all": AnswerRule(
        lambda text, gold, expect: all(_found(text, expect["parts"])),
        _anything,
    ),
    "contains_none": AnswerRule(
        lambda text, gold, expect: not any(_found(text, expect["parts"])),
        _anything,
    ),
    "json_equal": AnswerRule(
        _json_equal, lambda text, gold, expect: read_json(text) is not NotJson
    ),
    "json_keys": AnswerRule(
        _json_keys, lambda text, gold, expect: isinstance(read_json(text), dict)
    ),
    "regex": AnswerRule(
        lambda text, gold, expect: Pattern(expect["pattern"]).found(text.strip()),
        _anything,
    ),
    "word_count": AnswerRule(
        lambda text, gold, expect: _within(len(text.split()), expect),
        _anything,
    ),
    "line_count": AnswerRule(lambda text, gold, expect: _within(_lines(text), expect), _anything),
    "list_equal": AnswerRule(_list_equal, lambda text, gold, expect: read_list(text) is not None),
    "expression": AnswerRule(
        lambda text, gold, expect: expression.agrees(value_of(text), expect["tests"]),
        lambda text, gold, expect: expression.parse_expression(value_of(text)) is not None,
    ),
    "all_of": AnswerRule(
        lambda text, gold, expect: _all(_right, text, expect),
        lambda text, gold, expect: _all(_formed, text, expect),
    ),
    "unit_tests": AnswerRule(_needs_running, _parses),
}

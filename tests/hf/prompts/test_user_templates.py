"""Template files of users: the documented example, what each field accepts, where errors point."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.prompts import user
from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.text import text_library
from readsim_hf.prompts.user import add_templates, load_templates

LIBRARY = text_library()
GOOD: dict[str, Any] = {
    "id": "steerability/mine",
    "capability": "steerability",
    "text": "Write {n} plus {k} for {who}.",
    "slots": {
        "n": {"type": "integer", "low": -5, "high": 99},
        "k": {"type": "integer", "low": 0, "high": 9},
        "who": {"type": "name"},
    },
    "expression": "n + k",
    "checker": "number",
    "factors": {"rules": 2, "length": "n"},
}


def _load(tmp_path: Path, *lines: Any) -> tuple[Any, ...]:
    path = tmp_path / "mine.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return load_templates(path, LIBRARY)


def _one(tmp_path: Path, seed: int = 0, **changes: Any) -> Prompt:
    (template,) = _load(tmp_path, {**GOOD, **changes})
    prompt = template.make(np.random.default_rng(seed))
    assert isinstance(prompt, Prompt)
    return prompt


def test_documented_example(tmp_path: Path) -> None:
    assert user.__doc__ is not None
    found = re.search(r"^    \{\"id\".*?^\n", user.__doc__, re.DOTALL | re.MULTILINE)
    assert found is not None
    (template,) = _load(tmp_path, " ".join(found[0].split()))
    for seed in range(20):
        prompt = template.make(np.random.default_rng(seed))
        numbers = [int(n) for n in re.findall(r"\d+", prompt.text)]
        assert prompt.answer == str(numbers[0] - numbers[1])
        assert prompt.rationale == f"{numbers[0]} - {numbers[1]} = {prompt.answer}."
        assert check(prompt, prompt.answer)
        assert prompt.factors == {"operations": 1, "operand_size": 0, "steps": 0}


def test_each_field(tmp_path: Path) -> None:
    prompt = _one(
        tmp_path,
        text='Reply {"a": {n}} to {who}; of {few}: {one}, {k}.',
        slots={
            **GOOD["slots"],
            "few": {"type": "sample", "pool": ["x", "y", 3], "least": 2, "most": 3},
            "one": {"type": "choice", "values": [4, 5]},
        },
        expression="abs(n) * 2 if one > 4 else k ** 2",
        rationale="{one} leads to {answer}.",
        factors={"rules": "few", "fields": "one"},
        language="de",
    )
    found = re.fullmatch(
        r'Reply \{"a": (-?\d+)\} to [A-Z]\w+; of (\w, \w(?:, \w)?): (\d), (\d)\.', prompt.text
    )
    assert found is not None
    n, one, k = int(found[1]), int(found[3]), int(found[4])
    assert prompt.answer == str(abs(n) * 2 if one > 4 else k**2)
    assert prompt.rationale == f"{one} leads to {prompt.answer}."
    assert prompt.factors == {"rules": len(found[2].split(", ")), "fields": one, "length": 0}
    assert (prompt.language, prompt.checker) == ("de", "number")


def test_expect_is_filled_and_needs_no_answer(tmp_path: Path) -> None:
    line = {key: value for key, value in GOOD.items() if key not in {"expression", "factors"}}
    parts = {"parts": ["{who}", "{other}"]}
    (template,) = _load(tmp_path, {**line, "checker": "contains_all", "expect": parts})
    prompt = template.make(np.random.default_rng(1))
    assert prompt.answer is None
    assert prompt.expect["parts"][1] == "{other}"
    assert prompt.expect["parts"][0] in prompt.text
    assert set(prompt.factors.values()) == {0}


def test_choice_of_answer_text(tmp_path: Path) -> None:
    changes = {key: value for key, value in GOOD.items() if key != "expression"}
    (template,) = _load(tmp_path, {**changes, "answer": "{who}!", "checker": "exact"})
    prompt = template.make(np.random.default_rng(2))
    assert prompt.answer is not None
    assert prompt.answer[:-1] in prompt.text
    assert check(prompt, prompt.answer)


def _with(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def _slot(**table: Any) -> dict[str, Any]:
    return _with(slots={**GOOD["slots"], "n": table})


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{'id': 1}", "line 3, column 2: not JSON"),
    "no object": ([1], "a list is not a JSON object"),
    "not a number of JSON": ('{"id": NaN}', "NaN"),
    "half a pair": ('{"id": "\\ud800"}', "column 'id': half of a surrogate pair"),
    "huge number": ('{"id": 1' + "0" * 5000 + "}", "not JSON"),
    "twice": ('{"id": "a", "id": "b"}', "'id' is given twice"),
    "unknown key": (_with(answr="x"), "unknown field 'answr'; did you mean 'answer'?"),
    "missing": ({"id": "math/a", "capability": "math"}, "text is missing"),
    "empty text": (_with(text=" "), "text = ' '; accepted: a text that is not empty"),
    "capability": (_with(capability="maths"), "unknown capability 'maths'; did you mean 'math'?"),
    "id": (_with(id="math/mine"), "id = 'math/mine'; accepted: steerability/ and a name"),
    "slots": (_with(slots=[1]), "slots = [1]; accepted: an object"),
    "slot name": (_with(slots={"a b": {"type": "name"}}), "slots = 'a b'"),
    "reserved": (_with(slots={"answer": {"type": "name"}}), "slots = 'answer'"),
    "slot": (_with(slots={**GOOD["slots"], "n": 3}), "slots.n = 3"),
    "slot type": (
        _slot(type="intger", low=1, high=2),
        "slots.n.type: unknown slot type 'intger'; did you mean 'integer'?",
    ),
    "slot type missing": (_slot(low=1), "slots.n.type = None; accepted: integer, choice"),
    "slot key": (_slot(type="integer", low=1, high=2, hi=3), "unknown field of slots.n 'hi'"),
    "slot key missing": (_slot(type="integer", low=1), "slots.n.high is missing"),
    "range": (_slot(type="integer", low=5, high=4), "slots.n.high = 4; accepted: a whole number"),
    "bool": (_slot(type="integer", low=True, high=4), "slots.n.low = True"),
    "values": (_slot(type="choice", values=[]), "slots.n.values = []"),
    "floats": (_slot(type="choice", values=[1.5]), "slots.n.values = [1.5]"),
    "repeated": (_slot(type="choice", values=["1", 1]), "a list without repetitions"),
    "sample": (_slot(type="sample", pool=["a"], least=1, most=2), "slots.n.most = 2"),
    "unfilled": (_with(text="{n}{k}{whom}{who}"), "text: unknown slot 'whom'; did you mean 'who'?"),
    "unfilled answer": (_with(rationale="{x}"), "rationale: unknown slot 'x'"),
    "unused": (_with(text="{n} {who}"), "slots.k: the text has no {k}"),
    "both": (_with(answer="1"), "answer or expression, not both"),
    "neither": (
        {key: value for key, value in GOOD.items() if key != "expression"},
        "answer is missing; checker 'number' needs answer or expression",
    ),
    "expression": (_with(expression="n.real"), "expression = 'n.real'; accepted: numbers, slots"),
    "call": (_with(expression="__import__('os')"), "expression = "),
    "name in expression": (_with(expression="n + m"), "slots of whole numbers: n, k"),
    "text in expression": (_with(expression="who + 1"), "'who' has no value"),
    "zero": (_with(expression="n // k"), "cannot be computed for"),
    "fraction": (_with(expression="n / 2"), "accepted: a whole number"),
    "truth": (_with(expression="n > k"), "accepted: a whole number"),
    "checker": (_with(checker="numbr"), "unknown checker 'numbr'; did you mean 'number'?"),
    "needs running": (_with(checker="unit_tests"), "unknown checker 'unit_tests'"),
    "expect": (_with(expect=[]), "expect = []"),
    "expect field": (_with(checker="word_count"), "what checker 'word_count' needs"),
    "pattern": (_with(checker="regex", expect={"pattern": "("}), "what checker 'regex' needs"),
    "inner checker": (
        _with(checker="all_of", expect={"rules": [{"checker": "exct"}]}),
        "expect: unknown checker 'exct'; did you mean 'exact'?",
    ),
    "refused gold": (_with(checker="word_count", expect={"low": 2, "high": 3}), "answer = "),
    "factors": (_with(factors=3), "factors = 3"),
    "factor": (_with(factors={"rule": 1}), "unknown factor 'rule'; did you mean 'rules'?"),
    "factor slot": (_with(factors={"rules": "m"}), "factors.rules: unknown slot 'm'"),
    "factor of text": (_with(factors={"rules": "who"}), "factors.rules = 'who'"),
    "factor truth": (_with(factors={"rules": True}), "factors.rules = True"),
    "duplicate": (GOOD, "id = 'steerability/mine' is also in line 1"),
    "duplicate of library": (
        _with(id=LIBRARY.templates["steerability"][0].id),
        "is also in the library",
    ),
}


@pytest.mark.extra("regex")
@pytest.mark.parametrize("name", BAD)
def test_bad_line(name: str, tmp_path: Path) -> None:
    bad, message = BAD[name]
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        _load(tmp_path, GOOD, "", bad)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.jsonl'}, line 3")


def test_no_templates(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no templates"):
        _load(tmp_path, "", "  ")
    for path in (tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_templates(path, LIBRARY)
    (tmp_path / "latin.jsonl").write_bytes("é".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_templates(tmp_path / "latin.jsonl", LIBRARY)


def test_add(tmp_path: Path) -> None:
    (template,) = _load(tmp_path, GOOD)
    more = add_templates(LIBRARY, [template])
    assert more.templates["steerability"] == (*LIBRARY.templates["steerability"], template)
    assert more.capabilities == LIBRARY.capabilities
    assert all(
        more.templates[name] == LIBRARY.templates[name]
        for name in LIBRARY.capabilities
        if name != "steerability"
    )
    assert len(LIBRARY.templates["steerability"]) + 1 == len(more.templates["steerability"])
    with pytest.raises(ConfigError, match="already"):
        add_templates(more, [template])
    with pytest.raises(UnknownNameError, match="steerability"):
        add_templates(Library("small", LIBRARY.style, {"math": ()}), [template])


def test_a_library_of_some_capabilities() -> None:
    some = LIBRARY.only(("math", "code"))
    kept = [name for name in LIBRARY.capabilities if name in ("math", "code")]
    assert list(some.capabilities) == kept
    assert some.templates["math"] == LIBRARY.templates["math"]
    assert LIBRARY.only(()) is LIBRARY
    with pytest.raises(UnknownNameError, match="cooking"):
        LIBRARY.only(("math", "cooking"))

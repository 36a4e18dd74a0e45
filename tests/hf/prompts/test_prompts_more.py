"""Prose templates of steerability, tool use, long context and languages: properties of all."""

import csv
import json
import re

import numpy as np
import pytest

from readsim_hf.prompts.checkers import check, format_ok
from tests.support.prose import MODULES, made

FACTORS = {
    "steerability": {"rules", "fields", "length"},
    "tool_use": {"tools", "calls", "arguments"},
    "long_context": {"context_length", "distractors", "hops"},
    "multilingual": {"language_tier", "length", "script_change"},
}
CHECKED = 20  # of the 100 seeds
WRONG = ("zzz", "[-7.25, -7.25]", '{"tool": "zzz", "arguments": {}}', "-7.25", "\n\n")


def _edits(answer: str) -> tuple[str, ...]:
    """Answers that are slightly other than the gold one."""
    words = answer.split(" ")
    return (f"{answer} 31 zz9", " ".join(words[:-1]), answer[1:], answer.swapcase() + "9")


@pytest.mark.extra("regex")
@pytest.mark.parametrize("capability", MODULES)
def test_every_template(capability: str) -> None:
    templates = MODULES[capability]
    assert len(templates) >= 12
    assert len({template.id for template in templates}) == len(templates)
    for template in templates:
        assert template.id.startswith(f"{capability}/")
        assert template.capability == capability
        refused = 0
        for seed in range(100):
            prompt = template.make(np.random.default_rng(seed))
            assert (prompt.capability, prompt.template) == (capability, template.id)
            assert not re.search(r"\{\w*\}", prompt.text.replace('"arguments": {}', ""))
            assert set(prompt.factors) == FACTORS[capability]
            assert all(np.isfinite(v) and v >= 0 for v in prompt.factors.values())
            assert prompt.answer, template.id
            assert prompt.rationale, template.id
            if seed >= CHECKED:
                continue
            json.dumps([prompt.expect, prompt.factors], allow_nan=False)
            assert check(prompt, prompt.answer), (template.id, prompt.answer)
            assert format_ok(prompt, prompt.answer), (template.id, prompt.answer)
            assert not any(check(prompt, text) for text in WRONG), template.id
            refused += not all(check(prompt, text) for text in _edits(prompt.answer))
        assert refused == CHECKED, template.id


@pytest.mark.parametrize("capability", MODULES)
def test_same_seed_same_prompt(capability: str) -> None:
    for template in MODULES[capability]:
        for seed in range(3):
            one, two = (template.make(np.random.default_rng(seed)) for _ in range(2))
            assert one == two


@pytest.mark.parametrize("capability", MODULES)
def test_prompts_are_many_and_factors_vary(capability: str) -> None:
    rng = np.random.default_rng(5)
    templates = MODULES[capability]
    made = [templates[int(rng.integers(len(templates)))].make(rng) for _ in range(2000)]
    assert len({prompt.key for prompt in made}) >= 1900
    for name in FACTORS[capability]:
        assert len({prompt.factors[name] for prompt in made}) >= 2, name


@pytest.mark.extra("regex")
def test_upper_and_replace() -> None:
    for prompt in made("steerability/upper"):
        text = prompt.text.split(": ", 1)[1]
        assert prompt.answer == text.upper()
        assert not check(prompt, text)
        assert prompt.factors["length"] == len(text.split())
    for prompt in made("steerability/replace"):
        new = re.findall(r'"(\w+)"', prompt.text)[1]
        text = prompt.text.split(": ", 1)[1]
        assert prompt.answer == re.sub(r"\bthe\b", new, text)


def test_sorted_reversed_and_kept_words() -> None:
    for prompt in made("steerability/sort"):
        words = prompt.text.split(": ")[1].split(", ")
        down = "from z to a" in prompt.text
        assert prompt.answer == "\n".join(sorted(words, reverse=down))
        assert check(prompt, "\n".join(f"- {word}" for word in sorted(words, reverse=down)))
        assert not check(prompt, ", ".join(sorted(words, reverse=down)))
    for prompt in made("steerability/reverse"):
        found = re.search(r'with "(.+)" between them: (.+)', prompt.text)
        assert found
        assert prompt.answer == found[1].join(reversed(found[2].split(", ")))
    for prompt in made("steerability/keep"):
        found = re.search(r"more than (\d+) letters.*: (.+)", prompt.text)
        assert found
        kept = [word for word in found[2].split(", ") if len(word) > int(found[1])]
        assert prompt.answer == (", ".join(kept) or "none")


def test_csv_and_json_say_what_the_text_says() -> None:
    for prompt in made("steerability/csv"):
        assert prompt.answer is not None
        separator = re.findall(r'separator "(.)"', prompt.text)[0]
        rows = list(csv.DictReader(prompt.answer.splitlines(), delimiter=separator))
        ages = re.findall(r"is (\d+) years", prompt.text)
        assert len(rows) == len(ages)
        for row, age in zip(rows, ages, strict=True):
            assert row.get("age", age) == age
        assert prompt.factors["fields"] == len(rows[0])
    for prompt in made("steerability/json-object"):
        assert prompt.answer is not None
        record = json.loads(prompt.answer)
        asked = re.findall(r"(\w+) \((?:string|integer|boolean)\)", prompt.text)
        assert list(record) == asked
        assert record.get("student", "is a student" in prompt.text) == (
            "is a student" in prompt.text
        )
        for key in {"name", "city", "colour", "fruit"} & record.keys():
            assert str(record[key]) in prompt.text.split("\n", maxsplit=1)[0]


@pytest.mark.extra("regex")
def test_rules_on_free_text() -> None:
    for prompt in made("steerability/word-count"):
        count = int(re.findall(r"exactly (\d+) words", prompt.text)[0])
        thing = re.findall(r'"(\w+)"', prompt.text)[0]
        assert check(prompt, f"{'so ' * (count - 1)}{thing}.")
        assert not check(prompt, f"{'so ' * count}{thing}.")
        assert not check(prompt, "so " * count)
    for prompt in made("steerability/forbidden-letter"):
        first, letter = re.findall(r'"(\w+)"', prompt.text)
        assert prompt.answer is not None
        assert letter not in prompt.answer
        assert prompt.answer.split()[0] == first
        assert not check(prompt, prompt.answer[:-1] + letter.upper())
    for prompt in made("steerability/start-end"):
        assert prompt.answer is not None
        assert not check(prompt, prompt.answer.replace(" the ", " the one and only ", 12))
        assert not check(prompt, f"Well, {prompt.answer}")

"""The nano prompts' gold answers, found again from the text of the question alone."""

import ast
import re
from collections.abc import Callable
from typing import Any

import pytest

from readsim.streams import generator
from readsim_hf.prompts.nano import vocabulary
from readsim_hf.prompts.nano.general import TOPICS
from readsim_hf.prompts.nano.library import nano_library
from readsim_hf.prompts.nano.tools import TOOLS
from readsim_hf.prompts.prompt import Prompt, Template

LIBRARY = nano_library()
TEMPLATES = [template for group in LIBRARY.templates.values() for template in group]


def made(template: Template) -> list[Prompt]:
    rng = generator(12, "data")
    return [template.make(rng) for _ in range(500)]


def solve_general(text: str) -> str:
    match = re.fullmatch(r"g(\w+) (\w+):(.+)", text)
    assert match is not None
    topic, thing, options = match.groups()
    right: str
    (right,) = set(options.split(",")) & {v for t, v in TOPICS[topic] if t == thing}
    return right


def solve_steerability(text: str) -> str:
    if text[1] == "<":
        return text[4 : 4 + int(text[2])]
    if text[1] == "{":
        asked, given = text[2:].split("}")
        fields = dict(field.split(":") for field in given.split(","))
        return "{" + ",".join(f"{name}:{fields[name]}" for name in asked.split(",")) + "}"
    rules, given = text[1:].split(":")
    letters = list(given)
    for rule in rules:
        if rule == "U":
            letters = [letter.upper() for letter in letters]
        elif rule == "R":
            letters.reverse()
        elif rule == "D":
            letters = letters * 2
        else:
            letters = [c for letter in letters for c in (letter, ",")][:-1]
    return "".join(letters)


def solve_reasoning(text: str) -> str:
    question, given = text.split(":")
    links = dict(re.split("[>-]", link) for link in given.split(","))
    if question.startswith("rgo"):
        at = question[-1]
        for _ in range(int(question[3])):
            at = links[at]
        return at
    (top,) = links.keys() - links.values()
    (bottom,) = links.values() - links.keys()
    return {"rmax": top, "rmin": bottom, "rnext": links[top]}[question]


def solve_math(text: str) -> str:
    return str(sum(int(number) for number in re.findall(r"[+-]?\d+", text[1:])))


def value(node: ast.AST) -> Any:
    """What a small Python expression on strings is worth."""
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.UnaryOp(operand=operand):
            return -value(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return value(left) + value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return value(left) * value(right)
        case ast.Subscript(value=text, slice=ast.Slice(lower=low, upper=high, step=step)):
            ends = [None if end is None else value(end) for end in (low, high, step)]
            return value(text)[slice(*ends)]
        case ast.Call(func=ast.Attribute(value=text, attr=name), args=arguments):
            return getattr(value(text), name)(*map(value, arguments))
    raise AssertionError(ast.dump(node))


def solve_code(text: str) -> str:
    return str(value(ast.parse(text[1:], mode="eval").body))


def solve_tools(text: str) -> str:
    offered, requests = re.split(r"[)}]", text[2:])
    calls = []
    for request in requests.split(";"):
        verb, *values = request.split(" ")
        (tool,) = set(offered.split(",")) & set(TOOLS[verb])
        joined = ",".join(values)
        calls.append(f"{tool}({joined})" if text[1] == "(" else f"{{{tool}:[{joined}]}}")
    return ";".join(calls)


def solve_lookup(text: str) -> str:
    given, asked = text[1:].split(":")
    entries = [(entry[0], entry[1:]) for entry in given.split(",")]
    if asked[0] == "#":
        (right,) = [key for key, number in entries if number == asked[1:]]
        return right
    if asked[0] == '"':
        (right,) = [entry for entry in given.split(",") if entry[0] == asked[1]]
        return right
    found = [number for key, number in entries if key == asked[-1]]
    assert len(found) == (2 if asked[0] == "!" else 1)
    return found[-1]


PHRASES = {
    f"{vocabulary.phrase(name, n, hue, of)}": (name, n, hue, of)
    for name in vocabulary.LANGUAGES
    for n in range(2, 13)
    for hue in (None, *range(6))
    for of in range(10)
}


def solve_languages(text: str) -> str:
    if ":" not in text:
        _, n, hue, of = PHRASES[text[1:]]
        assert hue is not None
        return f"{n} {vocabulary.colour('en', hue, of)} {vocabulary.thing('en', of)}"
    target, given = text[1:].split(":")
    if given[0].isdigit():
        digits, _, rest = given.partition(" ")
        given = f"{vocabulary.number_word('en', int(digits))} {rest}"
    _, n, hue, of = PHRASES[given]
    return vocabulary.phrase(target, n, hue, of)


SOLVERS: dict[str, Callable[[str], str]] = {
    "general": solve_general,
    "steerability": solve_steerability,
    "reasoning": solve_reasoning,
    "math": solve_math,
    "code": solve_code,
    "tool_use": solve_tools,
    "long_context": solve_lookup,
    "multilingual": solve_languages,
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_gold_answers_are_right(template: Template) -> None:
    for prompt in made(template):
        assert SOLVERS[template.capability](prompt.text) == prompt.answer, prompt.text


def test_sums_in_a_rationale_are_right() -> None:
    steps = 0
    for template in LIBRARY.templates["math"]:
        for prompt in made(template):
            for left, result in re.findall(r"([\d+-]+):(\d+)", prompt.rationale or ""):
                assert solve_math("m" + left) == result, prompt
                steps += 1
    assert steps > 1500


def test_phrases_agree_in_number_and_gender() -> None:
    red_house = (3, 0, 2)
    phrases = {name: vocabulary.phrase(name, *red_house) for name in vocabulary.LANGUAGES}
    assert phrases == {
        "en": "three red houses",
        "es": "tres casas rojas",
        "de": "drei rote haeuser",
        "fr": "trois maisons rouges",
        "it": "tre case rosse",
    }
    assert vocabulary.phrase("es", 12, 1, 0) == "doce gatos blancos"
    assert vocabulary.phrase("fr", 2, 5, 7) == "deux trains bleus"

"""Tool use and long context: gold answers recomputed from the rendered text."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.text import long_context, tool_use
from readsim_hf.prompts.text.tools import TOOLS
from tests.support.prose import made

_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "boolean": lambda value: type(value) is bool,
    "object": lambda value: isinstance(value, dict),
    "array of strings": lambda value: all(isinstance(item, str) for item in value),
}


def _offered(text: str) -> dict[str, dict[str, str]]:
    """Tool name -> parameter -> type, as the prompt describes them."""
    out = {}
    for name, inside in re.findall(r"^- (\w+)\(([^)]*)\):", text, re.MULTILINE):
        assert name not in out, text
        out[name] = dict(part.split(": ") for part in inside.split(", "))
    return out


@pytest.mark.parametrize("template", tool_use.TEMPLATES, ids=lambda template: str(template.id))
def test_gold_calls_fit_the_tools_on_offer(template: Template) -> None:
    for seed in range(40):
        prompt = template.make(np.random.default_rng(seed))
        assert prompt.answer is not None
        tools = _offered(prompt.text)
        assert len(tools) == prompt.factors["tools"]
        if prompt.checker == "label":
            assert prompt.answer in tools
            continue
        value = json.loads(prompt.answer)
        special = {"no_call", "ask_user", "$1"}
        made = [
            c for c in (value if isinstance(value, list) else [value]) if c["tool"] not in special
        ]
        if "ask_user" not in prompt.answer:
            assert prompt.factors["calls"] == len(made)
            assert prompt.factors["arguments"] == sum(len(c["arguments"]) for c in made)
        for call in made:
            parameters = tools[call["tool"]]
            if template.id != "tool_use/optional":
                assert call["arguments"].keys() == parameters.keys()
            for key, given in call["arguments"].items():
                assert _KINDS[parameters[key]](given)


def test_no_call_only_where_no_tool_fits() -> None:
    known = {tool: _ask(tool) for tool in TOOLS}
    seen = Counter[bool]()
    for prompt in made("tool_use/maybe-call", 60):
        request = prompt.text.rsplit("Request: ", 1)[1]
        (needed,) = [tool for tool, ask in known.items() if re.fullmatch(ask, request)]
        offered = needed in _offered(prompt.text)
        seen[offered] += 1
        assert prompt.answer is not None
        assert json.loads(prompt.answer)["tool"] == (needed if offered else "no_call")
    assert min(seen.values()) > 10


def _ask(tool: str) -> str:
    """The request of a tool as a pattern."""
    return re.sub(r"\\\{\w+\\\}", ".+", re.escape(TOOLS[tool].ask))


def test_converted_arguments() -> None:
    for prompt in made("tool_use/duration"):
        minutes, seconds = map(int, re.findall(r"(\d+) (?:minutes|seconds)", prompt.text)[-2:])
        assert prompt.answer is not None
        wanted = timedelta(minutes=minutes, seconds=seconds).total_seconds()
        assert json.loads(prompt.answer)["arguments"]["seconds"] == wanted
    for prompt in made("tool_use/iso-date"):
        said = re.findall(r"on (\d+ \w+ \d{4})\.$", prompt.text)[0]
        assert f"{datetime.strptime(said, '%d %B %Y').date()}" in (prompt.answer or "")  # noqa: DTZ007
    for prompt in made("tool_use/clock"):
        hour, minute, half = re.findall(r"at (\d+):(\d+) ([ap])\.m\.$", prompt.text)[0]
        time = f"{int(hour) + 12 * (half == 'p'):02d}:{minute}"
        assert f'"time": "{time}"' in (prompt.answer or "")
    for prompt in made("tool_use/total"):
        request = prompt.text.rsplit("Request: ", 1)[1]
        cents = 100 * sum(map(int, re.findall(r"(\d+) euros", request)))
        assert f'"cents": {cents}' in (prompt.answer or "")


def test_context_has_the_length_of_its_factor() -> None:
    for template in long_context.TEMPLATES:
        for seed in range(10):
            prompt = template.make(np.random.default_rng(seed))
            words = len(prompt.text.replace("-", " ").split())
            assert abs(words - prompt.factors["context_length"]) <= 60, template.id
            assert 50 <= prompt.factors["context_length"] <= 600


def test_facts_found_again() -> None:
    for prompt in made("long_context/code"):
        codes = dict(re.findall(r"The code of (\w+) is (\d+)\.", prompt.text))
        (person,) = re.findall(r"code of (\w+)\?", prompt.text)
        assert prompt.answer == codes[person]
        assert prompt.factors["distractors"] == len(codes) - 1
    for prompt in made("long_context/three-hops"):
        owns = {
            who: thing for thing, who in re.findall(r"The (\w+) belongs to (\w+)\.", prompt.text)
        }
        kept = dict(re.findall(r"The (\w+) is kept at the (\w+)\.", prompt.text))
        doors = dict(re.findall(r"The door of the (\w+) is (\w+)\.", prompt.text))
        (person,) = re.findall(r"belongs to (\w+)\?", prompt.text)
        assert prompt.answer == doors[kept[owns[person]]]
    for prompt in made("long_context/together"):
        coins = dict(re.findall(r"(\w+) has (\d+) coins\.", prompt.text))
        (named,) = re.findall(r"How many coins do (.+) have", prompt.text)
        assert prompt.answer == str(sum(int(coins[name]) for name in named.split(" and ")))
    for prompt in made("long_context/latest-price"):
        prices = dict(re.findall(r"The (\w+) now costs (\d+) euros", prompt.text))
        (thing,) = re.findall(r"What does the (\w+) cost", prompt.text)
        assert prompt.answer == prices[thing]  # the last one of a thing stays


def test_visits_found_again() -> None:
    visit = r"Then (\w+) went to the (\w+)\."
    for prompt in made("long_context/count"):
        (asked,) = re.findall(r"did (\w+) go to the (\w+)\?", prompt.text)
        assert prompt.answer == str(re.findall(visit, prompt.text).count(asked))
    for prompt in made("long_context/last"):
        (person,) = re.findall(r"did (\w+) go last", prompt.text)
        places = [place for who, place in re.findall(visit, prompt.text) if who == person]
        assert prompt.answer == f"the {places[-1]}"
        assert check(prompt, f"{places[-1].title()}.")
    answers = Counter[str]()
    for prompt in made("long_context/ever", 100):
        (asked,) = re.findall(r"that (\w+) went to the (\w+)\?", prompt.text)
        assert prompt.answer == ("yes" if asked in re.findall(visit, prompt.text) else "no")
        answers[prompt.answer] += 1
    assert min(answers.values()) > 25


def test_lists_and_transcripts_found_again() -> None:
    for prompt in made("long_context/key-value", 10):
        (key,) = re.findall(r"after (\S+)\?", prompt.text)
        assert re.findall(rf"^{key}: (\d+)$", prompt.text, re.MULTILINE) == [prompt.answer]
    for prompt in made("long_context/follow", 10):
        leads = dict(re.findall(r"(\S+) leads to (\S+)\.", prompt.text))
        ((at, steps),) = re.findall(r"Start at (\S+) and go (\d)", prompt.text)
        for _ in range(int(steps)):
            at = leads[at]
        assert prompt.answer == at
        assert prompt.factors["hops"] == int(steps)
    for prompt in made("long_context/from-end", 10):
        items = re.findall(r"Here is a list: (.+)", prompt.text)[0].split()
        assert prompt.answer == items[-int(re.findall(r"number (\d+)", prompt.text)[0])]
    for prompt in made("long_context/spoke", 10):
        (who,) = re.findall(r"does (\w+) have", prompt.text)
        assert prompt.answer == str(len(re.findall(rf"^{who}: ", prompt.text, re.MULTILINE)))
    for prompt in made("long_context/who-said", 10):
        (said,) = re.findall(r'Who said "(.+)"', prompt.text)
        assert re.findall(rf"^(\w+): {said}$", prompt.text, re.MULTILINE) == [prompt.answer]

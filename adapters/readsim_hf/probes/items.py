"""A probe item: one question of one benchmark, as plain data with an id that follows from it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from readsim_hf.prompts.prompt import Prompt, question_key

_OF_ROWS = ("messages", "reply", "calls", "taught", "tools", "row")  # a generated prompt has none
_PROMPT = tuple(f.name for f in fields(Prompt) if f.name not in _OF_ROWS)


@dataclass(frozen=True)
class Item:
    """One question.

    benchmark   name of the benchmark
    id          16 hex digits of the SHA-256 of the data: equal data, equal id, on every machine
    asked       what is asked, as text
    data        plain data, which can be written to JSON
    """

    benchmark: str
    id: str
    asked: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """See `question_key`."""
        return question_key(self.asked)

    @property
    def is_prompt(self) -> bool:
        """Whether it was made from a prompt."""
        return {"capability", "template", "text", "checker"} <= set(self.data)

    @property
    def prompt(self) -> Prompt:
        """The prompt that a generated item was made from."""
        return Prompt(**self.data)


def content_id(data: Mapping[str, Any]) -> str:
    """16 hex digits that follow from the data; keys in any order."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prompt_item(benchmark: str, prompt: Prompt) -> Item:
    """The item that asks a generated prompt."""
    data = {name: getattr(prompt, name) for name in _PROMPT}
    return Item(benchmark, content_id(data), prompt.text, data)


def row_item(benchmark: str, row: Mapping[str, Any], question: Iterable[str]) -> Item:
    """The item of one row of a file; `question` names the columns that are what is asked."""
    asked = " ".join(_text(row[column]) for column in question)
    return Item(benchmark, content_id(row), asked, dict(row))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)

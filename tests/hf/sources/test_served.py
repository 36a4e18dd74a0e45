"""Conversations to a teacher behind a server, and options of the command line."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_models import FAMILIES, chat_tokenizer
from tests.support.hf import NEEDS
from tests.support.made_server import served, serving

pytestmark = pytest.mark.extra(*NEEDS, "openai")


def test_a_server_is_sent_the_conversation_as_it_is(tmp_path: Path) -> None:
    from readsim_hf.prompts.prompt import Prompt

    turns = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Again"},
    ]
    tools = ({"type": "function", "function": {"name": "f", "parameters": {}}},)
    tokenizer = chat_tokenizer(FAMILIES["phi-4"], instruct=True)
    end = tokenizer.eos_token_id
    student: dict[str, Any] = {"tokenizer": tokenizer, "ends": (end,), "vocab": 336, "context": 512}
    asked: list[Any] = []
    one = Prompt("s", "s#4", "Hi", messages=tuple(turns), row=4)
    with serving() as fake:
        whole = fake.answer

        def note(body: Any) -> Any:
            asked.append(body)
            return whole(body)

        fake.answer = note
        teacher = served(
            fake.url,
            tmp_path / "c.sqlite",
            system_prompt="Not this.",
            format_ok=lambda *_: True,
            **student,
        )
        (record,) = teacher.ask([one])
        again = teacher.ask(
            [one, Prompt("s", "s#4", "Hi", messages=tuple(turns[1:]), tools=tools, row=4)]
        )
    assert [body["messages"] for body in asked] == [
        turns,
        [{"role": "system", "content": "Not this."}, *turns[1:]],
    ]
    assert [body.get("tools") for body in asked] == [None, list(tools)]
    assert (record.source, record.row) == ("s", 4)
    assert record.span == (0, len(record.completion_ids))
    assert again[0].completion_ids.tolist() == record.completion_ids.tolist()
    read = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(record.prompt_ids) == read


def test_the_quick_form_of_sources() -> None:
    from readsim.errors import ConfigError
    from readsim_hf.cli.options import choose
    from readsim_hf.config import RunConfig

    table = choose(source=["math=a=b.jsonl", "code=c.parquet"], templates=["none", "t.jsonl"]).table
    data = RunConfig.of(table).data
    assert [(s.name, s.path) for s in data.sources] == [
        ("math", "a=b.jsonl"),
        ("code", "c.parquet"),
    ]
    assert (data.templates, data.template_files) == ("none", ("t.jsonl",))
    with pytest.raises(ConfigError, match="--source 'math': expected NAME=DATA"):
        choose(source=["math"])

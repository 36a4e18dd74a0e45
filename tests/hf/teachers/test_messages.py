"""What the teacher alone reads and says: held to its own context, in no tokens of the student."""

import warnings
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS
from tests.support.made_server import chat, served, serving
from tests.support.made_teachers import asking, teacher

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SAID = (
    "Verdict: wrong \u2603 " + "because " * 40
)  # longer than the student's context, and a letter it lacks


def message(text: str, capability: str = "math") -> Any:
    from readsim_hf.prompts.prompt import TeacherMessage

    turns = ({"role": "user", "content": text},)
    return TeacherMessage(capability, "t", "1+1", checker="final", messages=turns)


def judging(body: dict[str, Any]) -> Any:
    return chat(SAID, prompt_tokens=len(body["messages"][0]["content"]))


def test_a_message_is_held_to_the_servers_context() -> None:
    from readsim_hf.models.char_tokenizer import char_tokenizer

    with serving(answer=judging) as fake:  # it reads 4096 tokens, the student 128
        one = served(fake.url, known=char_tokenizer(), format_ok=lambda *_: True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for length in (100, 300, 4076):
                (record,) = one.ask([message("y" * length)])
                assert one.said(record) == SAID
        with pytest.raises(ConfigError, match=r"has 4077 tokens.*fit the context of 4096"):
            one.encode(message("y" * 4077))
        with pytest.raises(ConfigError, match=r"has 301 tokens.*fit the context of 128"):
            one.encode(asking("y" * 300))
        assert one.ask([asking("1+1")]) == [None]  # this the student has to read
        assert one.rejections.table() == {"math": {"student": 2}}


def test_the_length_that_a_server_counts_is_compared_with_what_was_sent() -> None:
    from readsim_hf.models.char_tokenizer import char_tokenizer

    with serving(answer=lambda body: chat(SAID, prompt_tokens=3)) as fake:
        one = served(fake.url, known=char_tokenizer(), format_ok=lambda *_: True)
        with pytest.warns(UserWarning, match="read 3 tokens where.* makes 100"):
            one.ask([message("y" * 100)])


def test_of_several_teachers_each_says_it_as_it_said_it() -> None:
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.teachers.router import Router

    local = teacher(None, max_new_tokens=60)
    with serving(answer=judging) as fake:
        one = served(fake.url, format_ok=lambda *_: True)
        for same in ((one,), ()):
            both = Router(
                local, {"math": one}, same, char_tokenizer(), ends=(1,), vocab=99, context=40
            )
            asked = [message("y" * 100), message("3+5", "general")]
            told = [record and both.said(record) for record in both.ask(asked)]
            (alone,) = local.ask(asked[1:])
            assert told == [SAID, alone and local.said(alone)]
            assert told[1]
            assert not both._lost.counts

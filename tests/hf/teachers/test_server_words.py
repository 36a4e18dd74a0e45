"""What servers say beside the reply: why it ended, thoughts, too much to do, no reply at all."""

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, TrainingError
from tests.support.hf import NEEDS
from tests.support.made_server import chat, served, serving
from tests.support.made_teachers import asking

pytestmark = pytest.mark.extra(*NEEDS, "openai")

PROMPT = asking("3+4")


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody sleeps between attempts; how long they would have."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


WORDS = {
    "ended": "stop eos EOS eos_token stop_sequence end_turn STOP COMPLETE word",
    "cut": "length max_tokens MAX_TOKENS model_length limit model_context_window_exceeded",
    "refused": "content_filter tool_calls tool-calls function_call abort error tool_use refusal SAFETY load",
}


def test_every_word_is_known() -> None:
    from readsim_hf.teachers.finish import end_of_reply

    for end, words in WORDS.items():
        assert {end_of_reply(word) for word in words.split()} == {end}
    assert end_of_reply("bored") is None


@pytest.mark.parametrize(
    ("word", "end"),
    [("eos_token", "ended"), ("max_tokens", "cut"), ("content_filter", "refused")],
)
def test_what_becomes_of_a_reply_that_ended_so(word: str, end: str) -> None:
    with serving(answer=lambda body: chat("7", word)) as fake:
        (record,) = served(fake.url, temperature=0.0).ask([PROMPT])
        (kept,) = (teacher := served(fake.url, temperature=0.0, keep_cut=True)).ask([PROMPT])
    assert (record is not None) == (end == "ended")
    assert (kept is not None) == (end != "refused")
    if record is not None:
        assert record.completion_ids.tolist()[-1] == 1
    if end == "cut":
        assert 1 not in kept.completion_ids
    if end == "refused":
        assert teacher.rejections.table() == {"math": {"refused": 1}}


def test_an_unknown_word_is_said_once_and_counts_as_cut(tmp_path: Path) -> None:
    with serving(answer=lambda body: chat("7", "bored")) as fake:
        teacher = served(fake.url, tmp_path / "c", temperature=0.0)
        with pytest.warns(UserWarning, match="'bored' of 'm' is unknown.*known: stop") as said:
            assert teacher.ask([PROMPT, asking("1+1")]) == [None, None]
        assert teacher.ask([asking("2+2")]) == [None]  # not again
        assert len(said) == 1
    assert teacher.counts.rejected_cut == 3


def thinking(name: str, thought: str, content: Any) -> Any:
    answer = chat("")
    answer["choices"][0]["message"] = {"content": content, name: thought}
    return answer


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "is it 8=8"}]},
    {"type": "text", "text": "7"},
]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("reasoning_content", "7"),
        ("reasoning", "7"),
        ("thinking", "7"),
        ("unused", "<think>is it 8=8</think>7"),
        ("unused", "is it 8=8</think>7"),
        ("unused", PARTS),
    ],
)
def test_thoughts_of_a_server_are_routed(name: str, content: Any, tmp_path: Path) -> None:
    with serving(answer=lambda body: thinking(name, "is it 8=8", content)) as fake:
        for _ in range(2):  # new, and from the journal
            teacher = served(fake.url, tmp_path / "c", temperature=0.0)
            (record,) = teacher.ask([PROMPT])
            assert teacher.text(record.completion_ids) == "7"
        assert len(fake.asked) == 1
        from tests.support.made_teachers import bytes_tokenizer

        more = {"tokenizer": bytes_tokenizer(), "ends": (0,), "vocab": 320}
        cot = served(fake.url, signal="cot", temperature=0.0, **more)
        (record,) = cot.ask([PROMPT])
    text = cot.text(record.completion_ids)
    assert text == "<think>\nis it 8=8\n</think>\n\n7"
    assert record.supervised == len(record.completion_ids)


def test_nothing_but_thoughts_is_no_reply() -> None:
    with serving(answer=lambda body: thinking("reasoning_content", "7", None)) as fake:
        teacher = served(fake.url, temperature=0.0)
        assert teacher.ask([PROMPT]) == [None]
    assert teacher.rejections.table() == {"math": {"thoughts": 1}}


def test_a_student_whose_prompts_open_thoughts_closes_them() -> None:
    from tests.support.made_teachers import bytes_tokenizer

    tokenizer = bytes_tokenizer()
    tokenizer.chat_template = "{{ messages[0]['content'] }}<think>\n"
    more = {"tokenizer": tokenizer, "ends": (0,), "vocab": 320}
    with serving(answer=lambda body: thinking("reasoning", "hm", "7")) as fake:
        (record,) = (answer := served(fake.url, **more)).ask([PROMPT])
        (longer,) = (cot := served(fake.url, signal="cot", **more)).ask([PROMPT])
    assert answer.text(record.completion_ids) == "</think>\n\n7"
    assert record.span == (0, len(record.completion_ids))
    assert cot.text(longer.completion_ids) == "hm\n</think>\n\n7"


def test_a_model_is_told_not_to_think(tmp_path: Path) -> None:
    quiet = {"chat_template_kwargs": {"enable_thinking": False}, "system_prompt": "Be brief."}
    with serving() as fake:
        served(fake.url, tmp_path / "c", temperature=0.0).ask([PROMPT])
        plain = len(fake.asked)
        served(fake.url, tmp_path / "c", temperature=0.0, **quiet).ask([PROMPT])
        body = fake.asked[-1]
        assert len(fake.asked) == 2 * plain  # another question, another key
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert body["messages"][1]["role"] == "user"
        assert "chat_template_kwargs" not in fake.asked[0]
        none: dict[str, Any] = {"chat_template_kwargs": {}, "system_prompt": None}
        served(fake.url, tmp_path / "c", temperature=0.0, **none).ask([PROMPT])
        assert len(fake.asked) == 2 * plain  # nothing is set: what was kept is of use


def test_retry_after_in_seconds_and_as_a_date() -> None:
    from readsim_hf.teachers.connection import retry_after

    now = 1_800_000_000.0
    for headers, seconds in (
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(now + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(now - 90, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ):
        assert retry_after(headers, now) == seconds, headers


def test_too_much_to_do_is_waited_out(naps: list[float]) -> None:
    """However often it is said: attempts are not used up; the patience is, and apart from 5xx."""
    from tests.support import made_server

    with serving(lambda n, body: "429" if n < 40 else "") as fake:
        (record,) = served(fake.url, concurrency=1, retries=0).ask([PROMPT])
    assert record is not None
    assert sum(naps) == 40 * 7.0
    later = formatdate(time.time() + 90, usegmt=True)
    said = (429, {"Retry-After": later}, made_server.FAULTS["429"][2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(made_server.FAULTS, "429", said)
        with serving(lambda n, body: "429" if n == 0 else "") as fake:
            teacher = served(fake.url, concurrency=1, retries=0)
            with pytest.warns(UserWarning, match="asks for a pause of"):
                assert teacher.ask([PROMPT]) != [None]
        with serving(lambda n, body: "429") as fake:
            hasty = served(fake.url, concurrency=1, patience_s=30.0)
            with pytest.raises(TrainingError, match=r"status 429.*patience_s = 30"):
                hasty.ask([PROMPT])
        assert len(fake.asked) == 1
    words = json.dumps({"error": {"message": "pay", "code": "insufficient_quota"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(made_server.FAULTS, "429", (429, {}, words))
        with (
            serving(lambda n, body: "429") as fake,
            pytest.raises(TrainingError, match="status 429"),
        ):
            served(fake.url, concurrency=1).ask([PROMPT])
        assert len(fake.asked) == 1  # waiting brings no quota back
    with pytest.raises(ConfigError, match="patience_s = -1"):
        served("http://h/v1", model="m", patience_s=-1.0)


NO_REPLIES = {
    "<html><body>hi</body></html>": "a web page .* mostly ends in /v1",
    "": "the answer is empty",
    "data: {}\n\ndata: [DONE]\n": "a stream",
    '{"error": {"message": "no such model", "code": 404}}': "an error: 'no such model'",
    '{"error": "loading"}': "an error: 'loading'",
    "[1]": "no object",
    "{nope": "no JSON",
}


@pytest.mark.parametrize("text", NO_REPLIES)
def test_what_is_no_reply_is_named_on_one_line(text: str) -> None:
    from tests.support import made_server

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(made_server.FAULTS, "garbage", (200, {}, text))
        with (
            serving(lambda n, body: "garbage") as fake,
            pytest.raises(TrainingError, match=NO_REPLIES[text]) as caught,
        ):
            served(fake.url, model="m", retries=1).ask([PROMPT])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}])
def test_without_token_counts_there_is_no_account(usage: Any) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return {**chat("7"), "usage": usage}

    from readsim_hf.teachers.reply import BadReplyError, read_chat

    with pytest.raises(BadReplyError, match=r"usage.prompt_tokens is None"):
        read_chat(json.dumps(answer({})))


def test_a_server_that_names_no_model_or_many() -> None:
    with serving() as fake:
        for data in ([], [{"id": "a"}, {"id": "b"}], None):
            fake.models = {"object": "list", "data": data}
            with pytest.raises(ConfigError, match=r"--teacher-model; `transformers serve`"):
                served(fake.url)
        fake.models = "a page"
        with pytest.raises(ConfigError, match=r"does not say what it serves .*--teacher-model"):
            served(fake.url)

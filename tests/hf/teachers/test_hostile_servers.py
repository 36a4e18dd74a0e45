"""Servers that would hold or fill whoever asks them: each ends as a bad reply and a short message."""

import gzip
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, TrainingError
from tests.support.hf import NEEDS
from tests.support.hostile_server import OK, Hostile, hostile, whole
from tests.support.made_server import chat, served, serving
from tests.support.made_teachers import asking
from tests.support.processes import wait_for

pytestmark = pytest.mark.extra(*NEEDS, "openai")

Script = Callable[[Hostile], Iterable[bytes]]
PROMPTS = [asking(f"{n}+{n}") for n in range(4)]
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LATE = r"no whole reply within \[server\] timeout_s = 0.2|timed out"


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def refused(script: Script, **settings: Any) -> str:
    """What one prompt to such a server ends with."""
    with hostile(script) as server:
        teacher = served(server.url, model="m", **{"retries": 0, **settings})
        with pytest.raises(TrainingError) as caught:
            teacher.ask(PROMPTS[:1])
    return str(caught.value)


HOLDING: dict[str, Script] = {
    "never answers": lambda s: [s.stall()],
    "a byte of the head now and then": lambda s: _then(OK + b"X: ", s.slowly(b"a")),
    "heads without end": lambda s: s.slowly(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a byte of the body now and then": lambda s: _then(CHUNKED, s.slowly(b"1\r\n \r\n")),
    "half a body": lambda s: [OK + b"Content-Length: 99\r\n\r\n{", s.stall()],
    "no length and no end": lambda s: [b"HTTP/1.0 200 OK\r\n\r\n{}", s.stall()],
    "trailers without end": lambda s: _then(CHUNKED + b"0\r\n", s.slowly(b"X: y\r\n")),
}


def _then(first: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    yield first
    yield from rest


@pytest.mark.parametrize("name", HOLDING)
def test_no_server_holds_a_run(name: str) -> None:
    assert re.search(LATE, refused(HOLDING[name], timeout_s=0.2))


def test_no_server_fills_a_run() -> None:
    """Neither a body without end, nor one that a few bytes stand for."""
    piece = b"%x\r\n%b\r\n" % (1 << 16, b" " * (1 << 16))
    assert "longer than" in refused(lambda s: _then(CHUNKED, repeat(piece)))
    bomb = gzip.compress(b" " * (1 << 26))
    packed = whole(bomb, OK + b"Content-Encoding: gzip\r\n")
    assert "is compressed ('gzip')" in refused(lambda s: [packed])
    with hostile(lambda s: [whole(json.dumps(chat("7")).encode())]) as server:
        assert served(server.url, model="m").ask(PROMPTS[:1])[0] is not None
        assert b"\r\naccept-encoding: identity" in server.asked[0].lower()


def _as_answer(**changes: Any) -> bytes:
    return json.dumps(chat("7") | changes).encode()


DEEP = "[" * 100_000 + "]" * 100_000
LESS = "[" * 900 + "]" * 900
BAD: dict[str, tuple[bytes, str]] = {
    "deep": (DEEP.encode(), "no JSON"),
    "deep choices": (b'{"choices": %b}' % LESS.encode(), "no choices"),
    "deep message": (
        b'{"choices": [{"finish_reason": "stop", "message": %b}]}' % LESS.encode(),
        "",
    ),
    "deep finish": (b'{"choices": [{"finish_reason": %b}]}' % LESS.encode(), "finish_reason"),
    "long finish": (b'{"choices": [{"finish_reason": "%b"}]}' % (b"x" * 9999), "finish_reason"),
    "many digits": (b'{"usage": %b}' % (b"9" * 9999), "no JSON"),
    "no text": (b'{"choices": "\xff"}', "no UTF-8"),
    "no usage": (_as_answer(usage=[]), "usage.prompt_tokens"),
    **{
        f"usage {number}": (
            _as_answer(usage={"prompt_tokens": number, "completion_tokens": 1}),
            "usage.prompt_tokens",
        )
        for number in (10**30, -1, True, "3", 1.5, float("nan"), float("inf"), None)
    },
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reply_is_said_in_a_line(name: str) -> None:
    body, shown = BAD[name]
    words = refused(lambda s: [whole(body)])
    assert shown in words
    assert "\n" not in words
    assert len(words) < 800


def test_a_deep_content_of_parts_is_a_bad_reply() -> None:
    content: Any = "7"
    for _ in range(200):
        content = [{"type": "text", "text": content}]
    message = {"role": "assistant", "content": content}
    answer = _as_answer(choices=[{"finish_reason": "stop", "message": message}])
    assert "it must hold text" in refused(lambda s: [whole(answer)])


STATUS = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%b"


@pytest.mark.parametrize(
    ("status", "more", "body", "shown"),
    [
        (b"204 No Content", b"", b"", "empty"),
        (b"206 Partial Content", b"", _as_answer(), "the answer is incomplete"),
        (b"400 Bad Request", b"", LESS.encode(), ""),
        (b"400 Bad Request", b"Content-Type: text/plain; charset=zlib_codec\r\n", b"no", "400"),
        (b"503 Busy", b"Retry-After: Mon, 01 Jan 99999999999 00:00:00 GMT\r\n", b"{}", ""),
        (
            b"429 Busy",
            b"Retry-After: Mon, 01 Jan 2024 00:00:00 +%b\r\n" % (b"9" * 30),
            b"{}",
            "429",
        ),
        (b"401 No", b"", b'{"error": {"message": "\\u001b[2Jgone"}}', "401"),
    ],
)
def test_odd_statuses(status: bytes, more: bytes, body: bytes, shown: str) -> None:
    words = refused(lambda s: [whole(body, STATUS % (status, more))], retries=1, patience_s=0.0)
    assert shown in words
    assert words.isprintable()


@pytest.mark.parametrize("ends", ["early", "without a length"])
def test_a_body_that_ends_early_is_asked_for_again(ends: str) -> None:
    answer = _as_answer()
    half = OK + (b"Content-Length: 999\r\n" if ends == "early" else b"Connection: close\r\n")
    said = [half + b"\r\n" + answer[: len(answer) // 2], whole(answer)]
    with hostile(lambda s: [said[len(s.asked) - 1]]) as server:
        teacher = served(server.url, model="m", retries=1)
        assert teacher.ask(PROMPTS[:1])[0] is not None
    assert teacher.counts.in_doubt == 1


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Other", b"308 Moved"])
def test_neither_prompt_nor_key_follows_a_redirect(
    status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    with hostile(lambda s: [whole(_as_answer())]) as other:
        where = b"Location: %b/chat/completions\r\n" % other.url.encode()
        words = refused(lambda s: [whole(b"", STATUS % (status, where))], api_key_env="MY_KEY")
        models = lambda s: [whole(b"", STATUS % (status, where))]  # noqa: E731
        with hostile(models) as first, pytest.raises(ConfigError, match="it points to"):
            served(first.url, api_key_env="MY_KEY")
        assert other.asked == []
    assert f"it points to '{other.url}/chat/completions', where nothing is sent" in words


def test_a_list_of_models_can_be_anything() -> None:
    for listed in (LESS, DEEP, '{"data": 3}', '{"data": [3]}', '{"data": [{"id": [[[]]]}]}'):
        with (
            hostile(lambda s, t=listed: [whole(t.encode())]) as server,  # type: ignore[misc]
            pytest.raises(ConfigError, match=r"--teacher-model"),
        ):
            served(server.url, retries=0)
    for length in ("true", "-3", "1e9", "9" * 30, '"8"'):
        text = f'{{"data": [{{"id": "m", "max_model_len": {length}}}]}}'
        with hostile(lambda s, t=text: [whole(t.encode())]) as server:  # type: ignore[misc]
            assert served(server.url, retries=0).server.context is None


def test_ctrl_c_ends_a_run_while_a_server_stalls(tmp_path: Path) -> None:
    """What arrived is kept, what is under way counts as in doubt, and no thread is left behind."""

    def plan(n: int, body: dict[str, Any]) -> str:
        if n < 2:
            return ""
        if n == 3:  # two are under way
            os.kill(os.getpid(), signal.SIGINT)
        return "stalls"

    with serving(plan) as fake:
        teacher = served(fake.url, tmp_path / "c", concurrency=2, timeout_s=3600.0)
        with pytest.raises(KeyboardInterrupt):
            teacher.ask(PROMPTS)
        wait_for(lambda: not [t for t in threading.enumerate() if t.name == "teacher"])
        assert len(fake.asked) == 4
    with serving() as again:
        resumed = served(again.url, tmp_path / "c")
        assert all(resumed.ask(PROMPTS))
    assert len(again.asked) == 2
    assert (resumed.counts.cached, resumed.counts.in_doubt) == (2, 2)

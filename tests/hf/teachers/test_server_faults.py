"""A server that fails in every way that servers do: bounded attempts, nothing lost, a clear end."""

from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, TrainingError
from tests.support.hf import NEEDS
from tests.support.made_server import Fake, chat, served, serving
from tests.support.made_teachers import asking
from tests.support.processes import wait_for

pytestmark = pytest.mark.extra(*NEEDS, "openai")

PROMPTS = [asking(f"{n}+{n}") for n in range(4)]


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody sleeps between attempts; how long they would have."""
    import time

    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def first(fault: str, times: int = 1) -> Any:
    """The first requests fail."""
    return lambda n, body: fault if n < times else ""


PASSING = ["dies", "half", "garbage", "no choices", "no finish", "no usage", "429", "500"]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_tried_again(fault: str, tmp_path: Path, naps: list[float]) -> None:
    with serving(first(fault, 2)) as fake:
        teacher = served(fake.url, tmp_path / "c", concurrency=1, retries=3)
        records = teacher.ask(PROMPTS)
    assert all(record is not None for record in records)
    assert len(fake.asked) == 6
    counts = teacher.counts
    assert [counts.prompt_tokens, counts.generated_tokens] == fake.usage
    assert counts.in_doubt == (0 if fault in ("429", "500") else 2)
    # what Retry-After says, in naps that an error elsewhere can end
    assert (sum(naps) == 14.0) if fault == "429" else (len(naps) == 2)


def test_a_server_that_stalls_is_given_up_in_time(tmp_path: Path) -> None:
    with serving(first("stalls", 2)) as fake:
        hasty = served(fake.url, tmp_path / "c", concurrency=1, retries=1, timeout_s=0.5)
        with pytest.raises(TrainingError, match="no reply in 2 attempts"):
            hasty.ask(PROMPTS[:1])
        wait_for(lambda: len(fake.asked) == 2)  # a busy server reads late what it was sent
        teacher = served(fake.url, tmp_path / "c", concurrency=1)
        assert all(teacher.ask(PROMPTS))
    assert len(fake.asked) == 6
    assert teacher.counts.in_doubt == 2


@pytest.mark.parametrize("fault", [*PASSING, "401"])
def test_attempts_are_bounded_and_what_arrived_is_kept(fault: str, tmp_path: Path) -> None:
    def after_two(n: int, body: dict[str, Any]) -> str:
        return "" if n < 2 else fault

    with serving(after_two) as fake:
        teacher = served(fake.url, tmp_path / "c", concurrency=1, retries=2, patience_s=30.0)
        with pytest.raises(TrainingError) as caught:
            teacher.ask(PROMPTS)
    attempts = 1 if fault in ("401", "429") else 3
    words = str(caught.value)
    assert f"the teacher 'm' at {fake.url} gave no reply in {attempts} attempt" in words
    assert str(tmp_path / "c") in words
    assert "--resume" in words
    status = {"429": "status 429", "500": "status 500", "401": "status 401"}.get(fault)
    reason = status or {"dies": "no connection", "half": "no connection"}.get(
        fault, "the reply is incomplete"
    )
    shown = {"garbage": "no JSON", "no choices": "no choices", "no usage": "usage.prompt_tokens"}
    assert shown.get(fault, reason) in words
    doubt = 0 if status else 3
    assert f"{doubt} requests may have been paid for without a reply" in words
    if fault == "429":  # the patience is over after 4 pauses of 7 seconds
        assert "waited 28 s; [server] patience_s = 30" in words
        attempts = 5
    assert len(fake.asked) == 2 + attempts
    with serving() as again:
        other = served(again.url, tmp_path / "c")
        records = other.ask(PROMPTS)
        assert all(records)
    assert len(again.asked) == 2  # the other two had arrived
    counts = other.counts
    assert (counts.cached, counts.generated, counts.in_doubt) == (2, 2, doubt)
    total = [counts.asked_prompt_tokens, counts.asked_generated_tokens]
    assert total == [a + b for a, b in zip(fake.usage, again.usage, strict=True)]


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with serving() as fake:
        url = fake.url
    with pytest.raises(ConfigError, match=r"does not say what it serves .*teacher_model"):
        served(url, retries=1)
    teacher = served(url, tmp_path / "c", model="m", retries=1)
    with pytest.raises(TrainingError, match=r"2 attempts; the last: no connection"):
        teacher.ask(PROMPTS[:1])
    assert teacher.counts.in_doubt == 0  # nothing was sent
    with pytest.raises(TrainingError, match="there is no cache: what was paid for is lost"):
        served(url, model="m", retries=0).ask(PROMPTS)


def test_the_key_is_sent_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    with serving(first("401")) as fake:
        teacher = served(fake.url, tmp_path / "c", concurrency=1, api_key_env="MY_KEY")
        with pytest.raises(TrainingError, match=r"bad key \*\*\*") as caught:
            teacher.ask(PROMPTS)
        assert all(teacher.ask(PROMPTS))
        assert fake.headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(caught.value)
    for path in tmp_path.iterdir():
        assert b"s3cret" not in path.read_bytes()


def rejecting(temperature: float, answer: Any, path: Path, **more: Any) -> tuple[Any, Fake, Any]:
    with serving(answer=answer) as fake:
        teacher = served(fake.url, path, temperature=temperature, **more)
        return teacher.ask(PROMPTS[:1])[0], fake, teacher


@pytest.mark.parametrize("content", [None, "", " \n", "seven"])
def test_what_says_nothing_is_asked_for_once_more_and_dropped(
    content: str | None, tmp_path: Path
) -> None:
    record, fake, teacher = rejecting(0.7, lambda body: chat(content), tmp_path / "a")
    assert record is None
    seeds = [body["seed"] for body in fake.asked]
    assert len(set(seeds)) == 2
    counts = teacher.counts
    assert (counts.rejected, counts.dropped, counts.generated_tokens) == (2, 1, 10)
    record, fake, teacher = rejecting(0.0, lambda body: chat(content), tmp_path / "b")
    assert record is None
    assert len(fake.asked) == 1  # greedy: it would be the same
    assert "seed" not in fake.asked[0]


def test_endless_repetition_has_no_end_token(tmp_path: Path) -> None:
    cut = lambda body: chat("7" * 20, "length")  # noqa: E731
    record, _, teacher = rejecting(0.7, cut, tmp_path / "a")
    assert record is None
    assert (teacher.counts.rejected, teacher.counts.rejected_cut) == (2, 2)
    record, fake, teacher = rejecting(0.7, cut, tmp_path / "a", keep_cut=True)
    assert fake.asked == []  # it was kept
    assert teacher.text(record.completion_ids) == "7" * 20
    assert 1 not in record.completion_ids
    record, _, _ = rejecting(0.7, lambda body: chat("7", "stop"), tmp_path / "b")
    assert record.completion_ids.tolist()[-1] == 1
    long = "7" * 200  # longer than the student reads
    endless = lambda body: chat(long, "length")  # noqa: E731
    assert rejecting(0.7, endless, tmp_path / "c", keep_cut=True)[0] is None
    said = "é7"  # the student cannot write it
    either = lambda prompt, answer: True  # noqa: E731
    with serving(answer=lambda body: chat(said)) as fake:
        assert served(fake.url, format_ok=either).ask(PROMPTS[:1]) == [None]


def test_a_server_that_wants_the_newer_name_of_the_limit() -> None:
    def plan(n: int, body: dict[str, Any]) -> str:
        return "limit" if "max_tokens" in body else ""

    with serving(plan) as fake:
        assert all(served(fake.url, concurrency=1).ask(PROMPTS))
    assert [body.get("max_completion_tokens") for body in fake.asked] == [None, 20, 20, 20, 20]


def test_the_one_served_model_is_found() -> None:
    with serving() as fake:
        assert served(fake.url).server.model == "m"
        assert served(fake.url).server.context == 4096
        assert served(fake.url + "#other").server.model == "other"
        for models, words in (
            ([{"id": "a"}, {"id": "b"}], r"serves 2 models.*\(a, b\)"),
            ([], "serves 0 models"),
        ):
            fake.models = {"object": "list", "data": models}
            with pytest.raises(ConfigError, match=words):
                served(fake.url)
    for source in ("http://", "http://u:p@h/v1", "http://h/v1?key=1"):
        with pytest.raises(ConfigError, match="accepted: http://HOST:PORT/v1") as caught:
            served(source)
        assert ":p@" not in str(caught.value)
    for settings in ({"concurrency": 0}, {"retries": -1}, {"timeout_s": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            served("http://h/v1", model="m", **settings)


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r"pip install 'readsim\[server\]'"):
        served("http://127.0.0.1:9/v1", model="m")


def test_another_name_in_the_replies_is_said(tmp_path: Path) -> None:
    names = iter(["m-1", "m-1", "m-2"])
    with serving(answer=lambda body: chat("7", model=next(names))) as fake:
        teacher = served(fake.url, tmp_path / "c", concurrency=1)
        teacher.ask(PROMPTS[:2])
        with pytest.warns(UserWarning, match="'m-1' and now 'm-2'"):
            teacher.ask(PROMPTS[2:3])

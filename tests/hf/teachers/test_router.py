"""One teacher for each capability: the records of each are those it would make alone."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from tests.hf.teachers.test_server_soft import by_http
from tests.hf.teachers.test_two_tokenizers import pairs_of_digits
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import TOKENS, small
from tests.support.made_server import serving
from tests.support.made_teachers import equal

pytestmark = pytest.mark.extra(*NEEDS)

SHARES = np.array([0.5, 0.5])


def teacher(seed: int, **changes: Any) -> Any:
    """A random teacher of the tiny pair's vocabulary."""
    from readsim_hf.models.teacher_source import TeacherSource

    pair = char_pair(teacher_seed=seed)
    made = TeacherSource(f"t{seed}", pair.teacher, None, pair.tokenizer, True, pair.vocabulary)
    return dataclasses.replace(made, **changes)


def two(others: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    """The tiny pair with another teacher for math."""
    given = {"math": teacher(7)} if others is None else others
    return dataclasses.replace(char_pair(), others=given, **changes)


def prompts(backend: Any) -> list[Any]:
    streams = backend.components.feed(0, lambda: None).streams
    return [prompt for stream in streams for prompt in stream.take(6, 0.5)]


@pytest.mark.parametrize("method", ["cot-sft", "logit-kd"])
def test_records_are_those_of_each_alone(method: str) -> None:
    both = small(pair=two(), method=method)
    alone = {
        "general": small(pair=char_pair(), method=method),
        "math": small(pair=char_pair(teacher_seed=7), method=method),
    }
    asked = prompts(both)
    routed = both.components.teacher.ask(asked)
    kept = 0
    for capability, backend in alone.items():
        teacher = backend.components.teacher
        rows = [n for n, p in enumerate(asked) if p.capability == capability]
        assert rows
        for n, record in zip(rows, teacher.ask([asked[n] for n in rows]), strict=True):
            assert (record is None) == (routed[n] is None)
            if record is not None:
                assert equal(record, routed[n])
                assert routed[n].source == capability
                assert np.array_equal(
                    teacher.encode(asked[n]), both.components.teacher.encode(asked[n])
                )
                kept += 1
    assert kept > 4
    sums = both.components.teacher.counts
    each = [backend.components.teacher.counts for backend in alone.values()]
    for name in dataclasses.asdict(sums):
        assert getattr(sums, name) == sum(getattr(one, name) for one in each), name


def test_the_fingerprint_is_of_all_and_of_who_answers_what() -> None:
    made = [
        small(pair=char_pair(), method="cot-sft"),
        small(pair=two(), method="cot-sft"),
        small(pair=two({"math": teacher(8)}), method="cot-sft"),
        small(pair=two({"general": teacher(7)}), method="cot-sft"),
    ]
    assert len({backend.components.identity for backend in made}) == 4
    assert made[1].components.identity == small(pair=two(), method="cot-sft").components.identity
    with pytest.raises(CapabilityMissingError, match="several teachers answer"):
        made[1].teacher_profile()


def test_a_run_with_two_teachers_and_one_cache(tmp_path: Path) -> None:
    def played() -> tuple[Any, Any]:
        backend = small(pair=two(), method="logit-kd", data={"cache": str(tmp_path / "c")})
        backend.reset(1)
        outcome = backend.run_interval(0, SHARES, TOKENS)
        return outcome, backend.components.teacher.counts

    first, made = played()
    again, cached = played()
    assert again.token_usage == first.token_usage
    assert np.array_equal(again.profile, first.profile)
    assert made.generated > 0
    assert cached.generated == 0


def test_a_teacher_in_other_tokens_passes_text_only() -> None:
    tokenizer = pairs_of_digits()
    other = teacher(7, model=tiny(len(tokenizer), 3), tokenizer=tokenizer, vocabulary=None)
    backend = small(pair=two({"math": other}), method="cot-sft")
    asked = [p for p in prompts(backend) if p.capability == "math"]
    style = backend.components.library.style
    records = [
        (p, r) for p, r in zip(asked, backend.components.teacher.ask(asked), strict=True) if r
    ]
    for prompt, record in records:
        assert backend.components.pair.tokenizer.decode(record.prompt_ids) == style.ask(
            prompt, "rationale"
        )
    assert records
    with pytest.raises(ConfigError, match=r"^teacher .+ and student have different tokenizers"):
        small(pair=two({"math": other}), method="logit-kd")


@pytest.mark.extra("openai")
def test_a_server_for_one_capability() -> None:
    with serving() as fake:
        pair = by_http(char_pair(), fake.url)
        served = pair.teacher_sources[0]
        backend = small(
            pair=two({"math": dataclasses.replace(served, known=False, vocabulary=None)}),
            method="resp-sft",
        )
        asked = prompts(backend)
        records = backend.components.teacher.ask(asked)
    math = [p for p in asked if p.capability == "math"]
    assert {body["messages"][0]["content"] for body in fake.asked} == {p.text + "=" for p in math}
    texts = [backend.components.teacher.text(r.completion_ids) for r in records if r is not None]
    assert sum(text.isdigit() for text in texts) >= len(math) - 1


def test_what_is_not_defined_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'math'"):
        small(pair=two({"maths": teacher(7)}), method="cot-sft")


def test_the_students_text_is_scored_by_each_prompts_own_teacher() -> None:
    settings = {"method": "", "signal": "cot", "objective": "fkl", "on_policy": 1.0}
    pairs = two(), char_pair(), char_pair(teacher_seed=7)
    both, *alone = (small(pair=pair, **settings) for pair in pairs)
    for backend in (both, *alone):
        backend.reset(1)
    for place, one in enumerate(alone):
        asked = one._feed.streams[place].take(4, 0.5)
        mine, theirs = (b._feed.teacher.ask(asked) for b in (both, one))
        assert [r is None for r in mine] == [r is None for r in theirs]
        for a, b in zip(mine, theirs, strict=True):
            assert a is None or equal(a, b)
    assert both._feed.tokens["student_rollout"] > 0


@pytest.mark.extra("openai")
def test_from_sources_and_two_servers_of_one_name(tmp_path: Path) -> None:
    from readsim_hf.models.pairs import load_pair

    with serving() as one, serving() as other:
        pair = load_pair("nano", teachers={"math": one.url, "code": "nano/student"})
        assert [v.server is not None for v in pair.teacher_sources] == [False, True, False]
        assert pair.context <= 4096
        nano = load_pair(teacher=one.url, student="nano/student", teacher_tokenizer="nano/teacher")
        assert (nano.name, nano.library_name) == ("m -> nano/student", "nano")
        assert nano.shared_vocabulary() == 99
        with pytest.raises(ConfigError, match="both serve 'm'"):
            load_pair("nano", teachers={"math": one.url, "code": other.url})
        named = load_pair("nano", teachers={"math": one.url, "code": other.url + "#n"})
        assert [v.server.model for v in named.others.values() if v.server] == ["m", "n"]


@pytest.mark.parametrize("method", ["dpo", "cot-sft", "uld"])
def test_no_reply_has_an_id_without_a_column_in_the_loss(method: str) -> None:
    """The student and the second teacher have more rows than the first teacher, and random weights."""
    size = len(char_pair().tokenizer) + 60
    wide = teacher(7, model=tiny(size, 7), vocabulary=size)
    backend = small(pair=two({"math": wide}, student=tiny(size, 2)), method=method)
    backend.reset(0)
    records = backend._feed.teacher.ask(prompts(backend))
    groups = [r if isinstance(r, tuple) else (r,) for r in records if r is not None]
    assert groups
    most = max(int(r.completion_ids.max()) for group in groups for r in group)
    assert most < backend.components.pair.vocabulary
    backend.run_interval(0, SHARES, TOKENS)


def test_every_peer_answers_every_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default teacher too, prompts of a capability with a teacher of its own."""
    backend = small(pair=two(), method="peer-review")
    backend.reset(0)
    voices = backend._feed.teacher
    asked = [prompt for stream in backend._feed.streams for prompt in stream.take(3, 0.5)]
    heard: dict[int, list[list[str]]] = {}
    for place, one in enumerate(backend.components.teacher.teachers):

        def ask(some: Any, draw: int = 0, *, place: int = place) -> list[None]:
            heard.setdefault(place, []).append([p.text for p in some])
            return [None] * len(some)

        monkeypatch.setattr(one, "ask", ask)
    voices.signal.lessons(asked, voices)
    assert heard == {place: [[p.text for p in asked]] for place in (0, 1)}

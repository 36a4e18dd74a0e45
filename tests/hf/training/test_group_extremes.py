"""Groups at their ends: a student that says nothing or one token, teachers with other tokens."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, TrainingError
from tests.hf.teachers.test_router import teacher, two
from tests.hf.teachers.test_two_tokenizers import pairs_of_digits
from tests.hf.training.test_groups import SHARES, sampled
from tests.support.hf import NEEDS, tiny
from tests.support.hf_runs import TOKENS, small
from tests.support.made_server import chat, serving

pytestmark = pytest.mark.extra(*NEEDS)


def saying(patch: pytest.MonkeyPatch, *ids: int) -> list[int]:
    """The student says just this, whatever it is asked; how many prompts it had at a time."""
    from readsim_hf.training.writers import InProcess, Written

    asked: list[int] = []

    def write(self: Any, prompts: Any, drawing: Any) -> Any:
        asked.append(len(prompts))
        return [Written(np.array(ids, np.int32)) for _ in prompts]

    patch.setattr(InProcess, "write", write)
    return asked


def refused(one: Any) -> None:
    """After as many requests as the feed has patience for, in one sentence with advice."""
    one.reset(1)
    with pytest.raises(
        TrainingError, match=r"no usable reply for .* of teacher or student"
    ) as caught:
        one.run_interval(0, SHARES, TOKENS)
    words = str(caught.value)
    assert "\n" not in words
    assert ". " not in words
    assert "general" in words or "math" in words


@pytest.mark.parametrize("name", ["mopd", "kdrl", "minillm", "dpo", "rrhf", "contrast"])
def test_a_student_that_says_nothing_ends_the_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = saying(monkeypatch)
    one = sampled(name)
    refused(one)
    assert 8 <= len(asked) <= 8 * one._feed.teacher.samples


@pytest.mark.extra("openai")
def test_what_a_student_does_not_say_is_graded_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch)
    with serving(answer=lambda body: chat("GRADE: 10")) as fake:
        refused(
            small(
                method="grpo",
                sampling={"reward": "judge"},
                probes={"judge": {"address": fake.url}},
            )
        )
    assert not fake.asked


@pytest.mark.parametrize("name", ["mopd", "kdrl"])
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_the_end_alone_is_a_reply_of_one_token(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is text, and the teacher says what it thinks of it."""
    saying(monkeypatch, 1)
    one = sampled(name)
    one.reset(1)
    usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS
    made = [g for g in one._feed.teacher.ask(one._feed.streams[0].take(4, 0.5)) if g]
    assert made
    assert {r.completion_ids.tolist()[0] for g in made for r in g} == {1}


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mopd", "label"),
        ("mopd", "dn"),
        ("mopd", "gradient-share"),
        ("minillm", "dn"),
        ("kdrl", "dn"),
    ],
)
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_replies_of_one_token_train_and_resume(name: str, weights: str, tmp_path: Path) -> None:
    """Dispersions are of few numbers then, and their weights stay within [1/4, 4]; a reply's return, which
    is what comes after each token, is 0."""
    settings: dict[str, Any] = {"decoding": {"max_new_tokens": 1}, "sampling": {"weights": weights}}
    one, other = sampled(name, **settings), sampled(name, **settings)
    one.reset(1)
    usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS
    assert all(math.isfinite(w) and 0.25 <= w <= 4 for w in one._weights.values())
    assert (weights == "label") == (not one._weights)
    if name == "minillm":
        made = [g for g in one._feed.teacher.ask(one._feed.streams[0].take(4, 0.5)) if g]
        assert all(not r.constants["return"].any() for g in made for r in g)
    one.save(tmp_path)
    again = one.run_interval(1, SHARES, TOKENS)
    other.load(tmp_path)
    found = other.run_interval(1, SHARES, TOKENS)
    assert found.token_usage == again.token_usage
    assert one._weights == other._weights
    for a, b in zip(one.student.parameters, other.student.parameters, strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("method", ["mopd", "dn-mopd", "open-mopd", "kdrl"])
@pytest.mark.parametrize("capability", ["general", "math"])
def test_one_of_two_teachers_with_other_tokens_is_refused(method: str, capability: str) -> None:
    """Whose replies it scores are the student's tokens: one sentence says which teacher, and what to do."""
    tokenizer = pairs_of_digits()
    other = teacher(7, model=tiny(len(tokenizer), 3), tokenizer=tokenizer, vocabulary=None)
    with pytest.raises(
        ConfigError, match=r"^teacher .+ and student have different tokenizers"
    ) as e:
        small(pair=two({capability: other}), method=method)
    words = str(e.value)
    assert "\n" not in words
    assert ". " not in words
    assert "without them (answers and rationales as text) it may differ" in words

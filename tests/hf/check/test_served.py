"""A served teacher beside the same model here: lengths, greedy replies, log-probabilities."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.hf.teachers.test_server_soft import by_http, speaking
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import small
from tests.support.made_server import chat, serving

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SERVED = {"method": "resp-sft", "decoding": {"temperature": 0.0, "max_new_tokens": 16}}


def folder(path: Path, pair: Any) -> str:
    """The teacher on disk."""
    from readsim_hf.models.loading import no_progress_bars

    with no_progress_bars():
        pair.teacher.save_pretrained(path)
    pair.teacher_tokenizer.save_pretrained(path)
    return str(path)


def compared(pair: Any, url: str, source: str | None, **settings: Any) -> Any:
    from readsim_hf.check.answers import first_prompts
    from readsim_hf.check.served import compare_served
    from readsim_hf.config import PairConfig

    known = source is not None
    parts = small(pair=by_http(pair, url, known=known), **(SERVED | settings)).components
    prompts = [p for some in first_prompts(parts, 0, 4).values() for p in some]
    (found,) = compare_served(parts, PairConfig("tiny", teacher_tokenizer=source), prompts)
    return found


def saying(pair: Any, more: int = 0, add: str = "") -> Any:
    """Answers /chat/completions greedily with the pair's teacher."""
    from readsim_hf.teachers.decoding import Decoding, generate
    from readsim_hf.teachers.encoding import decoder, encode

    def answer(body: dict[str, Any]) -> Any:
        assert body["temperature"] == 0.0
        ids = encode(pair.tokenizer, body["messages"][0]["content"])
        given = Decoding(body["max_tokens"], 0.0)
        (said,) = generate(pair.teacher, [ids], given, ends=(1,), vocab=len(pair.tokenizer))
        text = add + decoder(pair.tokenizer, (1,))(said.tolist())
        return chat(text, prompt_tokens=len(ids) + more, completion_tokens=len(said))

    return answer


def test_the_same_model_agrees(tmp_path: Path) -> None:
    pair = char_pair()
    with serving(answer=saying(pair)) as fake:
        found = compared(pair, fake.url, folder(tmp_path / "t", pair))
    assert found.failures == []
    assert found.equal == found.replies == 4
    assert found.gap == pytest.approx(0.0, abs=1e-4)
    assert found.cost == tuple(fake.usage)


def test_another_model_or_another_template_does_not(tmp_path: Path) -> None:
    pair, other = loud(char_pair()), loud(char_pair(teacher_seed=9))
    source = folder(tmp_path / "t", pair)
    with serving(answer=saying(other)) as fake:
        (line,) = compared(pair, fake.url, source).failures
    assert "nats behind the likeliest" in line
    with serving(answer=saying(pair, more=3)) as fake:
        (line,) = compared(pair, fake.url, source).failures
    assert "its chat template, system prompt or start token is another" in line


def test_log_probabilities_agree_to_the_bound(tmp_path: Path) -> None:
    pair = char_pair()
    source = folder(tmp_path / "t", pair)
    soft = {"method": "logit-kd", "soft": {"kind": "topk", "k": 5}}
    for served, holds in ((pair, True), (loud(char_pair()), False)):
        whole = small(
            pair=served,
            method="logit-kd",
            soft={"kind": "topk", "k": 99},
            decoding={"temperature": 0.0, "max_new_tokens": 16},
        )
        teacher = whole.components.teacher
        with serving(answer=speaking(teacher, 5, Counter())) as fake:
            found = compared(pair, fake.url, source, **soft)
        assert found.apart is not None
        assert (found.apart < 1e-4) == holds
        assert (found.failures == []) == holds


def loud(pair: Any) -> Any:
    """The pair with a teacher whose distributions are far from uniform."""
    import torch

    with torch.no_grad():
        for parameter in pair.teacher.parameters():
            parameter.mul_(4.0)
    return pair


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    pair = char_pair()
    with serving(answer=saying(pair)) as fake:
        found = compared(pair, fake.url, None)
        assert found.failures == []
        assert ["teacher_tokenizer is None" in found.words[0], len(fake.asked)] == [True, 0]
        only = tmp_path / "tokenizer"
        pair.tokenizer.save_pretrained(only)
        found = compared(pair, fake.url, str(only))
    assert found.equal is None
    assert len(found.lengths) == 4  # prompt lengths are still compared
    assert "the weights of 'm' are not here" in found.words[0]

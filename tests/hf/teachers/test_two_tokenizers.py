"""Teacher and student that read text in different tokens, or pad one vocabulary to different sizes."""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)

SHARES = np.array([0.5, 0.5])


def pairs_of_digits() -> Any:
    """A tokenizer of characters in another order, with one token for two digits."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from readsim_hf.models.char_tokenizer import CHARACTERS

    tokens = ["<unk>", "<end>", *reversed(CHARACTERS), *(f"{n:02d}" for n in range(100))]
    inner = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[0-9]{2}|[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=inner,
        unk_token="<unk>",
        eos_token="<end>",
        pad_token="<end>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def other_pair(**changes: Any) -> Any:
    tokenizer = pairs_of_digits()
    student = tiny(len(tokenizer), seed=2)
    return dataclasses.replace(
        char_pair(),
        tokenizer=tokenizer,
        student=student,
        vocabulary=None,
        **changes,
    )


def speaking(monkeypatch: pytest.MonkeyPatch, *replies: str) -> None:
    """A teacher that says these, in turn; the second one is cut at the length limit."""
    from readsim_hf.teachers import judging, teacher

    count = 0

    def say(model: Any, prompts: Any, *_: Any, ends: Any, **__: Any) -> Any:
        nonlocal count
        out = []
        for _ in prompts:
            text = replies[count % len(replies)]
            ids = char_pair_tokenizer(text, add_special_tokens=False)["input_ids"]
            out.append(np.array(ids if count % len(replies) == 1 else [*ids, ends[0]], np.int32))
            count += 1
        return out

    char_pair_tokenizer = char_pair().teacher_tokenizer
    monkeypatch.setattr(teacher, "generate", say)
    monkeypatch.setattr(judging.Judge, "__call__", lambda *_: judging.Judgement(None, None))


@pytest.mark.parametrize("method", ["resp-sft", "cot-sft"])
def test_text_passes_and_spans_are_right(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training.replies import Replies
    from readsim_hf.training.student import Student

    said = ("19+23=42", "7*100=700", "4")
    speaking(monkeypatch, *said)
    pair = other_pair()
    backend = small(pair=pair, method=method)
    texts: list[tuple[str, str, str]] = []  # prompt, reply, what is supervised
    asked: dict[int, Any] = {}
    ask, train = Replies.ask, Student.train_window

    def asking(self: Any, prompts: Any) -> Any:
        records = ask(self, prompts)
        asked.update((id(r), p) for p, r in zip(prompts, records, strict=True))
        return records

    def training(self: Any, examples: Any, spent: float) -> Any:
        for record, _ in examples:
            first, end = record.span
            parts = record.prompt_ids, record.completion_ids, record.completion_ids[first:end]
            prompt, reply, supervised = (pair.tokenizer.decode(ids.tolist()) for ids in parts)
            form = "answer" if method == "resp-sft" else "rationale"
            assert prompt == backend.components.library.style.ask(asked[id(record)], form)
            assert end == len(record.completion_ids)
            texts.append((prompt, reply, supervised))
        return train(self, examples, spent)

    monkeypatch.setattr(Replies, "ask", asking)
    monkeypatch.setattr(Student, "train_window", training)
    backend.reset(1)
    outcome = backend.run_interval(0, SHARES, TOKENS)
    whole = {"19+23=42<end>", "7*100=700", "4<end>"}
    answers = {"42<end>", "700", "4<end>"}
    assert {reply for _, reply, _ in texts} == whole
    assert {s for *_, s in texts} == (answers if method == "resp-sft" else whole)
    # "42" is one token of the student's, two of the teacher's
    ids = pair.tokenizer("42", add_special_tokens=False)["input_ids"]
    assert len(ids) == 1
    assert outcome.token_usage["student"] == TOKENS


def test_distributions_need_one_tokenizer() -> None:
    difference = r"different tokenizers: .*'<pad>'.*the teacher.*'<unk>'.*the student"
    for settings in (
        {"method": "logit-kd"},
        {"method": "resp-kd"},
        {"method": "logit-sft"},
        {"method": "", "signal": "cot", "objective": "fkl"},
        {"method": "cot-sft", "on_policy": 0.5},
    ):
        with pytest.raises(ConfigError) as caught:
            small(pair=other_pair(), **settings)
        if "on_policy" not in settings:
            assert "without them (answers and rationales as text) it may differ" in str(
                caught.value
            )
            assert re.search(difference, str(caught.value))


def test_replies_longer_than_the_students_context_are_passed_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In other tokens a reply may be longer than the teacher's limit; one such does not end the run."""
    from readsim_hf.training.student import Student

    speaking(monkeypatch, "1" + "0" * 90, "x=12")
    backend = small(pair=other_pair(context=64), method="cot-sft")
    lengths: list[int] = []
    train = Student.train_window

    def training(self: Any, examples: Any, spent: float) -> Any:
        lengths.extend(len(e.record.prompt_ids) + len(e.record.completion_ids) for e in examples)
        return train(self, examples, spent)

    monkeypatch.setattr(Student, "train_window", training)
    backend.reset(1)
    backend.run_interval(0, SHARES, TOKENS)
    assert lengths
    assert max(lengths) <= 64


@pytest.mark.slow
@pytest.mark.parametrize("method", ["logit-kd", "resp-kd"])
@pytest.mark.parametrize("kind", ["full", "topk"])
def test_padded_logits_do_not_matter(method: str, kind: str) -> None:
    import torch

    from readsim_hf.models.tokens import shared_vocabulary

    def padded(value: float) -> Any:
        pair = char_pair()
        size = pair.vocabulary
        assert size is not None
        wide = tiny(size + 7, seed=9)
        with torch.no_grad():
            kept = dict(pair.local_teacher().named_parameters())
            for name, parameter in wide.named_parameters():
                parameter[: len(kept[name])].copy_(kept[name])
            rows: Any = wide.get_input_embeddings()
            rows.weight[size:] = value
        wide.requires_grad_(False)
        assert shared_vocabulary(wide.config, pair.student.config, pair.tokenizer) == size
        return dataclasses.replace(pair, teacher=wide)

    def played(pair: Any) -> tuple[dict[str, int], Any]:
        backend = small(pair=pair, method=method, soft={"kind": kind})
        backend.reset(1)
        used = dict(backend.run_interval(0, SHARES, TOKENS).token_usage)
        return used, torch.cat([p.detach().flatten() for p in backend.student.parameters])

    plain = played(char_pair())
    for value in (0.0, 30.0, -30.0):
        used, weights = played(padded(value))
        assert used == plain[0]
        assert torch.allclose(weights, plain[1], atol=1e-5)
    assert not torch.allclose(played(char_pair(teacher_seed=4))[1], plain[1], atol=1e-3)

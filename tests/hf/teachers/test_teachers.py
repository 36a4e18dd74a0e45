"""Teachers: exact spans, one retry, every token counted, settings checked."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.prompts.library import NANO, PROSE
from tests.support.made_teachers import asking, bytes_tokenizer, random_model

pytestmark = pytest.mark.extra("torch", "transformers")


@cache
def shared_tokenizer() -> Any:
    return bytes_tokenizer()


TEXT = st.text(st.sampled_from("a4 2:=\nAnswer:é答🙂"), max_size=25)


@settings(max_examples=150)
@given(before=TEXT, mark=st.sampled_from(["Answer:", ":", "=", "答"]), answer=TEXT)
@example(before="so far, so good. 🙂", mark="Answer:", answer="42")
@example(before="", mark="答", answer="え🙂")
def test_the_token_with_the_answers_first_byte_is_the_first_supervised(
    before: str, mark: str, answer: str
) -> None:
    from readsim_hf.prompts.library import Style
    from readsim_hf.teachers.encoding import decoder
    from readsim_hf.teachers.signals import RESP

    tokenizer = shared_tokenizer()
    reply = before + mark + answer
    ids = tokenizer(reply)["input_ids"]
    style = Style("", "", mark)
    start, end = RESP.span(style, [*ids, 0], decoder(tokenizer, {0}))
    # One character of a byte-level token's name is one byte.
    sizes = [len(name) for name in tokenizer.convert_ids_to_tokens(ids)]
    after = reply[reply.rfind(mark) + len(mark) :]
    at = len(reply.encode()) - len(after.lstrip().encode())
    holder = next((i for i, stop in enumerate(np.cumsum(sizes)) if stop > at), None)
    assert end == len(ids) + 1
    assert start == (end if holder is None else holder)


def test_spans_of_the_signals() -> None:
    from readsim_hf.teachers.encoding import decoder
    from readsim_hf.teachers.signals import COT, LOGIT, RESP, signal_named

    tokenizer = shared_tokenizer()
    decode = decoder(tokenizer, {0})

    def span(signal: Any, reply: str, style: Any = PROSE) -> str:
        ids = [*tokenizer(reply)["input_ids"], 0]
        first, end = signal.span(style, ids, decode)
        assert end == len(ids)
        return str(tokenizer.decode(ids[first:end]))

    crossing = tokenizer.tokenize("Answer:42")
    assert any(":4" in token for token in crossing)  # one token on both sides of the mark
    assert span(RESP, "so far. Answer:42").endswith(":42<|end|>")
    assert span(RESP, "17+25~20+22=42", NANO).endswith("42<|end|>")
    for signal, reply in ((RESP, "no mark here"), (COT, "so. Answer: 7"), (LOGIT, "Answer: 7")):
        assert span(signal, reply) == reply + "<|end|>"
    assert [s.form for s in (RESP, COT, LOGIT)] == ["answer", "rationale", "answer"]
    assert [s.needs_soft for s in (RESP, COT, LOGIT)] == [False, False, True]
    assert signal_named("cot") is COT
    with pytest.raises(UnknownNameError, match="did you mean 'resp'"):
        signal_named("rsp")


def test_a_prompt_has_one_start_and_no_end() -> None:
    from readsim_hf.teachers.encoding import encode

    text = "3+4="
    body = bytes_tokenizer()(text)["input_ids"]
    assert bytes_tokenizer(adds_start=True)(text)["input_ids"] == [1, *body, 0]
    assert encode(bytes_tokenizer(), text) == body
    assert encode(bytes_tokenizer(adds_start=True), text) == [1, *body]
    for adds in (False, True):
        chat = bytes_tokenizer(chat=True, adds_start=adds)
        ids = encode(chat, text)
        assert chat.decode(ids) == f"<|start|><|turn|>user\n{text}<|end|><|turn|>assistant\n"
        assert ids.count(1) == 1


def test_end_tokens_come_from_both_places() -> None:
    from readsim_hf.teachers.encoding import end_ids

    tokenizer, model = bytes_tokenizer(), random_model(ends=[9, 5])
    assert end_ids(model, tokenizer) == (0, 5, 9)
    model.generation_config.eos_token_id = 9
    assert end_ids(model, tokenizer) == (0, 9)
    tokenizer.eos_token = model.generation_config.eos_token_id = None
    with pytest.raises(ConfigError, match="eos_token_id is None"):
        end_ids(model, tokenizer)


class Script:
    """Stands for `generate`: replies by prompt text and attempt, and what it was asked."""

    def __init__(self, tokenizer: Any, replies: dict[str, list[str]]) -> None:
        self.tokenizer = tokenizer
        self.replies = replies
        self.asked: list[tuple[str, int]] = []

    def __call__(self, model: Any, some: Any, decoding: Any, **rest: Any) -> list[Any]:
        out = []
        for ids in some:
            text = self.tokenizer.decode(ids)
            self.asked.append((text, rest["attempt"]))
            reply = self.tokenizer(self.replies[text][rest["attempt"]])["input_ids"]
            out.append(np.array([*reply, 0], dtype=np.int32))
        return out


def scripted(
    monkeypatch: pytest.MonkeyPatch, replies: dict[str, list[str]], **more: Any
) -> tuple[Any, Script]:
    from readsim_hf.teachers import teacher as module
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.signals import RESP

    tokenizer = bytes_tokenizer()
    script = Script(tokenizer, replies)
    monkeypatch.setattr(module, "generate", script)
    made = module.Teacher(
        random_model(),
        tokenizer,
        NANO,
        more.pop("signal", RESP),
        decoding=Decoding(max_new_tokens=20, temperature=more.pop("temperature", 0.7)),
        format_ok=lambda prompt, answer: answer.isdigit(),
        **more,
    )
    return made, script


def test_a_rejected_reply_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {
        "3+4=": ["7", "-"],
        "8-5=": ["three", "3"],
        "1+1=": ["", "2"],  # nothing but the end token
        "2+2=": [" \n", "four"],
    }
    teacher, script = scripted(monkeypatch, replies)
    asked = [asking(text[:-1], f"of {text}") for text in replies]
    records = teacher.ask([*asked, asked[1]])
    tokens = {text: len(teacher.tokenizer(text)["input_ids"]) for text in replies}
    lengths = {
        text: [len(teacher.tokenizer(r)["input_ids"]) + 1 for r in two]
        for text, two in replies.items()
    }
    good, retried, empty, dropped, again = records
    assert dropped is None
    assert [r.source for r in (good, retried, empty)] == ["of 3+4=", "of 8-5=", "of 1+1="]
    assert teacher.tokenizer.decode(retried.completion_ids) == "3<|end|>"
    assert np.array_equal(again.completion_ids, retried.completion_ids)
    assert script.asked == [(t, 0) for t in replies] + [(t, 1) for t in list(replies)[1:]]
    counts = teacher.counts
    assert counts.prompt_tokens == sum(tokens.values()) * 2 - tokens["3+4="]
    assert counts.generated_tokens == sum(map(sum, lengths.values())) - lengths["3+4="][1]
    account = counts.asked_prompt_tokens, counts.asked_generated_tokens
    assert account == (counts.prompt_tokens, counts.generated_tokens)  # no cache; once in a call
    assert (counts.prompts, counts.generated, counts.cached) == (5, 7, 2)
    assert (counts.rejected, counts.dropped, counts.scored_tokens) == (5, 1, 0)


def test_a_greedy_reply_is_not_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, script = scripted(monkeypatch, {"8-5=": ["three", "3"]}, temperature=0)
    assert teacher.ask([asking("8-5")]) == [None]
    assert script.asked == [("8-5=", 0)]


def test_the_signal_changes_suffix_span_and_distributions_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from readsim_hf.teachers.scoring import SoftSettings
    from readsim_hf.teachers.signals import COT, LOGIT, RESP

    replies = {"3+4=": ["3+4=7"], "3+4~": ["3+4=7"]}
    soft = SoftSettings("topk", 5)
    out = {}
    for signal, kept in ((RESP, None), (RESP, soft), (COT, soft), (LOGIT, soft)):
        teacher, script = scripted(monkeypatch, replies, signal=signal, soft=kept)
        (record,) = teacher.ask([asking("3+4")])
        text = teacher.tokenizer.decode(record.completion_ids[slice(*record.span)])
        out[signal.name, kept is None] = (script.asked[0][0], text)
        assert (record.soft is None) == (kept is None)
        if record.soft is not None:
            again = teacher.score(record.prompt_ids, record.completion_ids, record.span)
            assert record.soft.ids.shape == (record.supervised, 5)
            assert np.array_equal(record.soft.ids, again.ids)
            assert teacher.counts.scored_tokens == 2 * record.supervised
    assert out == {
        ("resp", True): ("3+4=", "7<|end|>"),
        ("resp", False): ("3+4=", "7<|end|>"),
        ("cot", False): ("3+4~", "3+4=7<|end|>"),
        ("logit", False): ("3+4=", "3+4=7<|end|>"),
    }


def test_prompts_that_do_not_fit_are_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, script = scripted(monkeypatch, {})
    with pytest.raises(ConfigError, match=r"max_new_tokens 20 it must fit .* context of 128"):
        teacher.ask([asking("3+4"), asking("x z " * 60)])
    assert script.asked == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab": 400}, "vocab is 400: it must be in 1 to 328"),
        ({"signal": "logit"}, "soft is None: the signal 'logit'"),
        ({"soft": ("topk", 329)}, "k is 329"),
        ({"soft": ("top", 3)}, "kind is 'top'"),
        ({"soft": ("topk", 0)}, "k is 0"),
        ({"temperature": -1.0}, r"temperature is -1.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_settings_are_checked(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.teachers.scoring import SoftSettings
    from readsim_hf.teachers.signals import signal_named

    def build() -> None:
        given = dict(changes)
        if "signal" in given:
            given["signal"] = signal_named(given["signal"])
        if "soft" in given:
            given["soft"] = SoftSettings(*given["soft"])
        scripted(monkeypatch, {}, **given)

    with pytest.raises(ConfigError, match=message):
        build()


def test_scoring_needs_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, _ = scripted(monkeypatch, {})
    with pytest.raises(ConfigError, match="soft is None"):
        teacher.score([1], [2], (0, 1))


def test_fingerprints_tell_models_apart(tmp_path: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from readsim_hf.teachers.ids import fingerprint

    tokenizer, model = bytes_tokenizer(), random_model()
    own = fingerprint(model, tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert fingerprint(loaded, AutoTokenizer.from_pretrained(tmp_path)) == own
    others = [
        fingerprint(random_model(seed=1), tokenizer),
        fingerprint(random_model("gpt2"), tokenizer),
    ]
    with torch.no_grad():
        loaded.model.norm.weight[3] += 1e-6
    others.append(fingerprint(loaded, tokenizer))
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 500.0}
    others.append(fingerprint(model, tokenizer))
    tokenizer.add_tokens(["new"])
    others.append(fingerprint(random_model(), tokenizer))
    others.append(fingerprint(random_model().bfloat16(), bytes_tokenizer()))
    assert len({own, *others}) == 7

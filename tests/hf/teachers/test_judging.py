"""Which replies are trained on, which of their tokens, and what is counted where they are not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from readsim_hf.prompts.library import PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.made_teachers import bytes_tokenizer, random_model

pytestmark = pytest.mark.extra("torch", "transformers")

SUM = Prompt("math", "math/sum", "3+4?", answer="7", checker="number")
THINKS = (
    "{% for m in messages %}<|turn|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|turn|><think>\n{% endif %}"
)


def test_the_first_reason_is_named() -> None:
    from readsim_hf.teachers.judging import Judge
    from readsim_hf.teachers.signals import EQUATIONS, RESP

    every, correct = Judge(PROSE, RESP), Judge(PROSE, RESP, keep="correct")
    cut = Judge(PROSE, RESP, keep_cut=True)
    cases: tuple[tuple[str, Any, str | None, bool | None], ...] = (
        ("Answer: 7", "ended", None, True),
        ("Answer: 8", "ended", None, False),
        ("Answer: 7", "cut", "cut", None),
        ("Answer: 7", "refused", "refused", None),
        ("<think>Answer: 7", "ended", "thoughts", None),
        (" \n", "ended", "empty", None),
        ("Answer: seven", "ended", "form", None),
        ("<think>Answer: 8</think>Answer: 7", "ended", None, True),
    )
    for reply, end, reason, right in cases:
        assert every(SUM, reply, end) == (reason, right), reply
    assert correct(SUM, "Answer: 8") == ("wrong", False)
    assert correct(SUM, "Answer: 7") == (None, True)
    assert cut(SUM, "Answer: 7", "cut") == (None, True)
    assert cut(SUM, "Answer: 7", "refused") == ("refused", None)
    nobody = Prompt("general", "x", "Say something.", checker="exact")
    assert correct(nobody, "Something.") == (None, None)  # no gold answer
    assert Judge(PROSE, EQUATIONS)(SUM, "3+4=8\nAnswer: 7").reason == "signal"


def test_rejections_are_counted_and_three_of_each_shown() -> None:
    from readsim_hf.teachers.judging import Rejection, Rejections

    first, second = Rejections(), Rejections()
    for n in range(5):
        first.add(SUM, "wrong", f"reply {n}")
    second.add(SUM, "wrong", "other")
    second.add(SUM, "cut", "long")
    both = first.merged(second)
    assert both.table() == {"math": {"wrong": 6, "cut": 1}}
    assert dict(both.by_reason()) == {"cut": 1, "wrong": 6}
    assert [one.reply for one in both] == ["reply 0", "reply 1", "reply 2", "long"]
    assert next(iter(both)) == Rejection("math", "wrong", "3+4?", "reply 0", "7")
    assert first.table() == {"math": {"wrong": 5}}


def saying(
    monkeypatch: pytest.MonkeyPatch, reply: str, *, template: str | None = None, **more: Any
) -> Any:
    """A teacher that says this to everything; `...` at its end: it was cut there."""
    from readsim_hf.teachers import teacher as module
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.signals import signal_named

    tokenizer = bytes_tokenizer()
    tokenizer.chat_template = template
    if marks := more.pop("marks", ()):
        tokenizer.add_special_tokens({"additional_special_tokens": list(marks)})

    def say(model: Any, some: Any, decoding: Any, **rest: Any) -> list[Any]:
        ids = tokenizer(reply.removesuffix("..."), add_special_tokens=False)["input_ids"]
        ids = ids if reply.endswith("...") else [*ids, 0]
        return [np.array(ids, dtype=np.int32) for _ in some]

    monkeypatch.setattr(module, "generate", say)
    return module.Teacher(
        random_model(),
        tokenizer,
        more.pop("style", PROSE),
        signal_named(more.pop("signal", "resp")),
        decoding=Decoding(max_new_tokens=8, temperature=0.0),
        format_ok=lambda prompt, answer: True,
        **more,
    )


def shown(teacher: Any) -> tuple[str, str] | None:
    """The completion that is trained on, and what of it is supervised."""
    (record,) = teacher.ask([SUM])
    if record is None:
        return None
    decode = teacher.tokenizer.decode
    span = slice(*record.span)
    return decode(record.completion_ids), decode(record.completion_ids[span])


END = "<|end|>"


@pytest.mark.parametrize("signal", ["resp", "logit", "cot"])
def test_thoughts_are_trained_as_a_rationale_or_left_out(
    signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.teachers.scoring import SoftSettings

    soft: dict[str, Any] = {"soft": SoftSettings("topk", 5)} if signal != "cot" else {}
    reply = "<think>\n3 and 4. Answer: 8\n</think>\n\n7"
    out = shown(saying(monkeypatch, reply, signal=signal, **soft))
    assert out == ((reply + END,) * 2 if signal == "cot" else ("7" + END, "7" + END))
    (record,) = saying(monkeypatch, reply, signal=signal, **soft).ask([SUM])
    assert record.soft is None or len(record.soft.logp) == record.supervised


@pytest.mark.parametrize("signal", ["resp", "cot"])
def test_a_prompt_that_opens_thoughts(signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The student, asked the same, has to say the closing mark too."""
    reply = "3 and 4. Answer: 8\n</think>\n\n7"
    out = shown(saying(monkeypatch, reply, template=THINKS, signal=signal))
    kept = reply if signal == "cot" else "</think>\n\n7"
    assert out is not None
    assert out[0].endswith("</think>\n\n7" + END)
    assert out[1].strip() == (kept + END).strip()
    endless = saying(monkeypatch, "3 and 4. Answer: 7", template=THINKS, signal=signal)
    assert shown(endless) is None
    assert endless.rejections.table() == {"math": {"thoughts": 1}}


def test_marks_that_are_special_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = ("[THINK]", "[/THINK]")
    teacher = saying(monkeypatch, "[THINK]It is 8.[/THINK]7", marks=marks)
    assert shown(teacher) == ("7" + END, "7" + END)
    (record,) = saying(monkeypatch, "[THINK]It is 8.[/THINK]7", marks=marks, signal="cot").ask(
        [SUM]
    )
    assert teacher.text(record.completion_ids) == "[THINK]It is 8.[/THINK]7"


def test_pieces_of_a_reply_with_thoughts(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training.replies import Cutter

    for template, close in ((None, ""), (THINKS, "</think>\n\n")):
        reply = f"{'' if template else '<think>'}So 3, 4.</think>\n\nAnswer: 7"
        teacher = saying(monkeypatch, reply, template=template, signal="step-by-step")
        (record,) = teacher.ask([SUM])
        pieces = Cutter(teacher, teacher.tokenizer).cut(SUM, record)
        said = [teacher.tokenizer.decode(piece.completion_ids) for piece in pieces]
        assert said == [f"{close}7{END}", f"{close}So 3, 4.{END}"]


def test_what_is_cut_or_wrong_is_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = saying(monkeypatch, "Answer: 7...")
    assert shown(cut) is None
    kept = saying(monkeypatch, "Answer: 7...", keep_cut=True)
    assert shown(kept) == ("Answer: 7", " 7") or shown(kept) == ("Answer: 7", "7")
    wrong = saying(monkeypatch, "Answer: 8", keep="correct")
    assert shown(wrong) is None
    trained = saying(monkeypatch, "Answer: 8")
    assert shown(trained) is not None

    def counts(teacher: Any) -> tuple[int, ...]:
        c = teacher.counts
        return c.rejected, c.rejected_cut, c.rejected_wrong, c.judged, c.wrong

    assert counts(cut) == (1, 1, 0, 0, 0)
    assert counts(wrong) == (1, 0, 1, 1, 1)
    assert counts(trained) == (0, 0, 0, 1, 1)
    (example,) = wrong.rejections
    assert example == ("math", "wrong", "3+4?", "Answer: 8", "7")


def test_a_record_that_an_older_readsim_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its span took the thoughts for the answer: the tokens are of use, that span is not."""
    import dataclasses

    from readsim_hf.teachers.cache import SignalCache
    from readsim_hf.teachers.scoring import SoftSettings

    reply = "<think>Answer: 8</think>7"
    soft = SoftSettings("topk", 5)
    teacher = saying(monkeypatch, reply, signal="logit", soft=soft)
    (fresh,) = teacher.ask([SUM])
    teacher.cache = SignalCache(tmp_path / "c")
    ids = teacher.encode(SUM)
    whole = np.array([*teacher.tokenizer(reply)["input_ids"], 0], dtype=np.int32)
    old = dataclasses.replace(
        fresh,
        completion_ids=whole,
        span=(0, len(whole)),
        soft=teacher.score(ids, whole, (0, len(whole))),
    )
    from readsim_hf.teachers.cache import content_key

    teacher.cache.put_many({content_key(teacher._settings(0), ids): old})
    (again,) = teacher.ask([SUM])
    assert teacher.counts.cached == 1
    assert np.array_equal(again.completion_ids, fresh.completion_ids)
    assert again.span == fresh.span
    assert np.allclose(again.soft.logp, fresh.soft.logp, atol=1e-5)


def test_an_end_token_that_the_tokenizer_does_not_name() -> None:
    from readsim_hf.teachers.encoding import end_of

    tokenizer = bytes_tokenizer()
    assert end_of(tokenizer, (0, 5)) == 0
    assert end_of(tokenizer, ()) == 0
    assert end_of(tokenizer, (5, 9)) == 5  # the model never stops at the tokenizer's
    tokenizer.eos_token = None
    assert end_of(tokenizer, (5, 9)) == 5
    with pytest.raises(ConfigError, match="eos_token_id is None"):
        end_of(tokenizer, ())


def test_a_student_whose_tokenizer_names_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of its ends stands behind a reply that passes as text, and behind each piece of one."""
    from readsim_hf.teachers.reading import Reading
    from readsim_hf.teachers.signals import signal_named
    from readsim_hf.teachers.translated import in_other_tokens
    from readsim_hf.training.replies import Cutter, Replies

    student = bytes_tokenizer()
    student.eos_token = None
    reply = "So 3, 4. Answer: 7"
    teacher = saying(monkeypatch, reply)
    (record,) = teacher.ask([SUM])
    reading = Reading(student, (5, 9), PROSE, signal_named("resp"))
    made = in_other_tokens(teacher, SUM, record, reading)
    assert made.completion_ids.tolist()[-1] == 5
    assert reading.text(made.completion_ids) == reply
    (asked,) = Replies(teacher, random_model, student, ends=(5, 9)).ask([SUM])
    assert asked is not None
    assert asked.completion_ids.tolist()[-1] == 5
    two = saying(monkeypatch, reply, signal="step-by-step")
    (record,) = two.ask([SUM])
    pieces = Cutter(two, student, ends=(5, 9)).cut(SUM, record)
    assert [piece.completion_ids.tolist()[-1] for piece in pieces] == [5, 5]

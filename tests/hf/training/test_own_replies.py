"""What the student wrote itself: where it ends, what of it is supervised, thoughts that it never closes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from readsim_hf.prompts.library import NANO, PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)

SUM = Prompt("math", "math/sum", "What is 3 plus 4?", answer="7", checker="number")
THINKS = (
    "{% for m in messages %}[{{ m['role'][0] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[a]<think>\n{% endif %}"
)
OPEN = "They say the Answer: 7 but"  # cut at the limit
CLOSED = "3 and 4</think>\n\nAnswer: 7"


class Says:
    """Writes these ids to every prompt, up to where they end."""

    def __init__(self, ids: Any) -> None:
        self.ids = ids

    def sync(self) -> None:
        pass

    def write(self, prompts: Any, drawing: Any) -> Any:
        from readsim_hf.teachers.decoding import until_end
        from readsim_hf.training.writers import Written

        return [Written(until_end(np.array(self.ids, np.int32), drawing.ends)) for _ in prompts]


def replies(
    ids: Any, signal: str, *, other: bool = False, thinks: bool = False, extra: bool = False
) -> Any:
    """The student's side of a run, which has an end token of its own (`extra`), in the teacher's tokens or in
    `other` ones."""
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.prompts.checkers import format_ok
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.encoding import end_ids
    from readsim_hf.teachers.scoring import SoftSettings
    from readsim_hf.teachers.signals import signal_named
    from readsim_hf.teachers.teacher import Teacher
    from readsim_hf.training.replies import Replies

    pair: Any = char_pair()
    pair.tokenizer.chat_template = THINKS if thinks else None
    if extra:
        pair.student.generation_config.eos_token_id = [1, 7]
    teacher = Teacher(
        pair.teacher,
        pair.tokenizer,
        PROSE if thinks else NANO,
        signal_named(signal),
        decoding=Decoding(8),
        format_ok=format_ok,
        soft=None if other else SoftSettings("full"),
    )
    own = char_tokenizer() if other else None
    ends = end_ids(pair.student, pair.tokenizer)
    return Replies(teacher, lambda: pair.student, own, ends=ends, writer=Says(ids))


def ids_of(text: str) -> Any:
    from readsim_hf.models.char_tokenizer import char_tokenizer

    return char_tokenizer()(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("other", [False, True])
def test_a_reply_ends_at_every_end_token_of_the_student(other: bool) -> None:
    """As in probes and where it is saved; the token is supervised, and no word of the reply."""
    from readsim_hf.teachers.decoding import Decoding

    one = replies([9, 7, 9, 1], "cot", other=other, extra=True)
    assert one.teacher.ends == (1,)
    (record,) = one.written([SUM], Decoding(8))
    assert record.completion_ids.tolist() == [9, 7]
    assert record.places.tolist() == [0, 1]
    assert one.text(record) == one._own.decode([9])
    if not other:
        (scored,) = one.scored([SUM], [record])
        assert len(scored.soft.logp) == 2


def test_thoughts_that_are_never_closed_are_no_answer() -> None:
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.training.rewards import GoldReward

    for said, worth in ((OPEN, 0.0), (CLOSED, 1.0)):
        one = replies(ids_of(said), "cot", thinks=True)
        (record,) = one.written([SUM], Decoding(8))
        assert GoldReward(PROSE)([SUM], [one.text(record)]) == [worth]
        assert record.places.tolist() == list(range(len(said)))  # they are trained on here


def test_thoughts_are_not_supervised_where_the_answer_is_asked_for() -> None:
    from readsim_hf.teachers.decoding import Decoding

    (none,) = replies(ids_of(OPEN), "logit", thinks=True).written([SUM], Decoding(8))
    assert none is None
    one = replies(ids_of(CLOSED), "logit", thinks=True)
    (record,) = one.written([SUM], Decoding(8))
    first, end = record.span
    assert one._own.decode(record.completion_ids[first:end]) == "</think>\n\nAnswer: 7"


@pytest.mark.parametrize(("said", "learned"), [(OPEN, 0), (CLOSED, 1)])
def test_no_lesson_is_made_of_them(said: str, learned: int) -> None:
    from readsim_hf.elicitation.base import ElicitationConfig
    from readsim_hf.elicitation.catalogue import make_signal
    from readsim_hf.training.elicited import Elicited

    one = replies(ids_of(said), "cot", thinks=True)
    one.teacher.signal = make_signal("own-right", replace(ElicitationConfig(), traces=1))
    settings: dict[str, Any] = {"columns": 99, "context": 512, "writer": Says(ids_of(said))}
    elicited: Any = Elicited(one.teacher, one._student, ends=(1,), **settings)
    (records,) = elicited.ask([SUM])
    assert len(records or ()) == learned
    (reply,) = elicited.attempt([SUM])
    assert reply.text == ("Answer: 7" if learned else "")

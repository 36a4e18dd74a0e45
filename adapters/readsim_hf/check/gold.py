"""Prompts of a run with gold replies, as the examples that training would make of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from readsim.streams import generator
from readsim_hf.components import Components
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import continuing
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.encoding import bare_ids, closing_mark, encode_prompt, end_of
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.teachers.router import Router
from readsim_hf.teachers.signals import TeacherSignal, WholeReply
from readsim_hf.text_lengths import gold_reply
from readsim_hf.training.batch import Example

MADE_UP = "yes"  # what is said to a prompt without a gold answer
TRIES = 20  # prompts of a capability that are looked at for one that can be trained on


@dataclass(frozen=True)
class _Gold:
    """The run's teacher, but for what it says: the gold reply, at no cost."""

    teacher: AnyTeacher
    soft: None = None  # given replies have no distributions then, as gold ones

    def __getattr__(self, name: str) -> Any:
        return getattr(self.teacher, name)

    @property
    def signal(self) -> TeacherSignal:
        """That of one request: a gold reply is the whole lesson."""
        own = self.teacher.signal
        return WholeReply(own.name, own.form) if isinstance(own, Elicitation) else own

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        return [self._record(prompt) for prompt in prompts]

    def _record(self, prompt: Prompt) -> TeacherRecord:
        teacher, tokenizer = self.teacher, self.teacher.tokenizer
        end = end_of(tokenizer, teacher.ends)
        text = continuing(said_to(teacher, prompt), closing_mark(tokenizer), keep=True)
        said = as_ids([*bare_ids(tokenizer, text), end])
        span = teacher.span(said, whole=bool(prompt.messages))
        return TeacherRecord(prompt.capability, sent_by(teacher, prompt), said, span, None)


def said_to(teacher: AnyTeacher, prompt: Prompt) -> str:
    """The gold reply in the form that is asked for."""
    if prompt.messages:
        return prompt.reply or prompt.answer or MADE_UP
    asked = prompt if prompt.answer is not None else replace(prompt, answer=MADE_UP)
    return gold_reply(asked, teacher.signal.form, teacher.style.mark)


def sent_by(teacher: AnyTeacher, prompt: Prompt) -> NDArray[np.int32]:
    """The prompt in the tokens of the teacher's records; a given reply needs no teacher with room for one."""
    if prompt.reply is None and not isinstance(teacher, Router):
        return teacher.encode(prompt)
    return as_ids(encode_prompt(teacher.tokenizer, teacher.style, prompt, teacher.signal.form))


class GoldExample(NamedTuple):
    """A prompt, in which form the student is asked, and the example that training makes of it."""

    prompt: Prompt
    form: Form
    example: Example


def trained_on(parts: Components, many: int) -> list[GoldExample]:
    """Examples of `many` prompts, of each capability in turn, made as in a run from gold replies.

    Fewer where few prompts can be trained on; nothing is asked of the teacher.
    """
    gold = cast(Any, _Gold(parts.teacher))
    replies = replace(parts, teacher=gold, on_policy=0.0, sampled=None).feed(
        0, lambda: parts.pair.student
    )
    signal, style = parts.teacher.signal, parts.teacher.style
    out: list[GoldExample] = []
    for place in range(many):
        for prompt in _prompts(parts, place):
            (reply,) = replies.teacher.ask([prompt])
            records = replies.records(prompt, reply)
            pieces = signal.pieces(style, said_to(parts.teacher, prompt))
            forms: list[Form] = [piece.form for piece in pieces] or [signal.form]
            if records:
                made = [Example(r, r.supervised) for r in records]
                out += [GoldExample(prompt, f, e) for f, e in zip(forms, made, strict=True)]
                break
    return out


def _prompts(parts: Components, place: int) -> Iterator[Prompt]:
    """At most TRIES prompts of one source, the sources in turn, each time from the next of its rows on."""
    turn, at = divmod(place, len(parts.sources))
    source = parts.sources[at]
    if parts.store is not None:
        many = min(TRIES, len(parts.store.indices[source]))
        yield from (parts.store.prompt(source, (turn + n) % many) for n in range(many))
        return
    templates = parts.library.templates.get(source)
    if templates is None:
        (rows,) = (s for s in parts.datasets if s.name == source)
        good = [p for p in rows.sample(TRIES) if parts.passed[source](p) is None]
        yield from (good[(turn + n) % len(good)] for n in range(len(good)))
        return
    for index in range(TRIES):
        yield templates[(place + index) % len(templates)].make(generator(0, "data", place, index))

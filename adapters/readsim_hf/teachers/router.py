"""Several teachers as one: each capability's prompts go to its own."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.base import AnyTeacher, ReadsReplies, TeacherCounts, stop_asking
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import closing_mark, encode_prompt
from readsim_hf.teachers.heard import Listener
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.judging import Rejections
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.scoring import Passage, SoftSettings
from readsim_hf.teachers.signals import TeacherSignal
from readsim_hf.teachers.translated import in_other_tokens


class Router(ReadsReplies):
    """Records in the student's tokens, whoever made them.

    default     asked where `others` (capability -> teacher) names nobody; all have one signal
    same        whose tokens are the student's: their records are passed on as they are
    tokenizer, ends, vocab, context   the student's; a reply that it is to read and that is too long for it is
                dropped
    """

    def __init__(
        self,
        default: AnyTeacher,
        others: Mapping[str, AnyTeacher],
        same: Sequence[AnyTeacher],
        tokenizer: PreTrainedTokenizerBase,
        *,
        ends: tuple[int, ...],
        vocab: int,
        context: int | None = None,
    ) -> None:
        self._default, self._others = default, dict(others)
        self._same = {id(teacher) for teacher in same}
        self.tokenizer, self.ends, self.vocab = tokenizer, ends, vocab
        self._context = context
        self.reading = Reading(tokenizer, ends, default.style, default.signal)
        self._lost = Rejections()

    @property
    def teachers(self) -> tuple[AnyTeacher, ...]:
        """All of them, once each."""
        return tuple({id(t): t for t in (self._default, *self._others.values())}.values())

    @property
    def owners(self) -> tuple[str, ...]:
        """A capability of each teacher but the default one, then one that is nobody's, "" for the default."""
        own = {id(teacher): name for name, teacher in self._others.items()}
        own.pop(id(self._default), None)
        return (*own.values(), "")

    @property
    def style(self) -> Style:
        return self._default.style

    @property
    def signal(self) -> TeacherSignal:
        return self._default.signal

    @property
    def decoding(self) -> Decoding:
        return self._default.decoding

    @property
    def soft(self) -> SoftSettings | None:
        return self._default.soft

    @property
    def cache(self) -> SignalCache | None:
        """One for all: keys tell the teachers apart."""
        return self._default.cache

    @cache.setter
    def cache(self, cache: SignalCache | None) -> None:
        for teacher in self.teachers:
            teacher.cache = cache

    @property
    def listener(self) -> Listener | None:
        """One for all."""
        return self._default.listener

    @listener.setter
    def listener(self, listener: Listener | None) -> None:
        for teacher in self.teachers:
            teacher.listener = listener

    @property
    def counts(self) -> TeacherCounts:
        """The sums."""
        each = [asdict(teacher.counts) for teacher in self.teachers]
        made = TeacherCounts(**{name: sum(one[name] for one in each) for name in each[0]})
        lost = sum(self._lost.counts.values())
        made.rejected, made.dropped = made.rejected + lost, made.dropped + lost
        return made

    @property
    def rejections(self) -> Rejections:
        """Of all of them, and what the student cannot read."""
        return reduce(Rejections.merged, (t.rejections for t in self.teachers), self._lost)

    @property
    def fingerprint(self) -> str:
        """Of all of them and who answers what."""
        who = {name: teacher.fingerprint for name, teacher in self._others.items()}
        text = json.dumps([self._default.fingerprint, sorted(who.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        """One record per prompt, in order; None where it was dropped."""
        out: list[TeacherRecord | None] = [None] * len(prompts)
        for teacher in self.teachers:
            rows = [n for n, p in enumerate(prompts) if self._of(p) is teacher]
            made = teacher.ask([prompts[n] for n in rows], draw) if rows else []
            for n, record in zip(rows, made, strict=True):
                out[n] = record if record is None else self._read(teacher, prompts[n], record)
        return out

    @property
    def begin(self) -> Callable[[Sequence[Prompt]], None] | None:
        """As a served teacher's, where all are served; else None."""
        each = {id(teacher): getattr(teacher, "begin", None) for teacher in self.teachers}
        if None in each.values():
            return None

        def begin(prompts: Sequence[Prompt]) -> None:
            for teacher in self.teachers:
                each[id(teacher)]([p for p in prompts if self._of(p) is teacher])  # type: ignore[misc]

        return begin

    def stop(self) -> None:
        """Ask none of them for more."""
        for teacher in self.teachers:
            stop_asking(teacher)

    def encode(self, prompt: Prompt) -> NDArray[np.int32]:
        """What the prompt's own teacher is sent."""
        return self._of(prompt).encode(prompt)

    def score_many(self, passages: Sequence[Passage]) -> list[Soft]:
        """Each text by the teacher of its capability."""
        out: dict[int, Soft] = {}
        for teacher in self.teachers:
            rows = [n for n, p in enumerate(passages) if self._of(p) is teacher]
            made = teacher.score_many([passages[n] for n in rows]) if rows else []
            out |= dict(zip(rows, made, strict=True))
        return [out[n] for n in range(len(passages))]

    def _of(self, prompt: Prompt | Passage) -> AnyTeacher:
        return self._others.get(prompt.capability, self._default)

    def _read(
        self, teacher: AnyTeacher, prompt: Prompt, record: TeacherRecord
    ) -> TeacherRecord | None:
        if not prompt.to_student:
            return replace(record, text=teacher.said(record))
        # One vocabulary; the teachers' chat templates may differ.
        if id(teacher) in self._same and (record.soft is not None or self._opens_alike(teacher)):
            asked = encode_prompt(self.tokenizer, self.style, prompt, self.signal.form)
            return replace(record, prompt_ids=as_ids(asked))
        made = in_other_tokens(teacher, prompt, record, self.reading)
        length = len(made.prompt_ids) + len(made.completion_ids)
        if made.supervised > 0 and (self._context is None or length <= self._context):
            return made
        self._lost.add(prompt, "student", teacher.text(record.completion_ids))
        return None

    def _opens_alike(self, teacher: AnyTeacher) -> bool:
        """Whether the student's prompts open thoughts exactly where that teacher's do."""
        return closing_mark(teacher.tokenizer) == self.reading.closing

"""Whose words the student trains on: the teacher's, or for a share of prompts its own (GKD); and how replies
are cut into several training records, each asked for in a form of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from torch import nn
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.generation.calibration import tie_of
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import continuing, whole_reply
from readsim_hf.teachers.alignment import Alignment
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import (
    bare_ids,
    closing_mark,
    encode,
    encode_prompt,
    end_of,
)
from readsim_hf.teachers.given import given_record
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import TeacherRecord, soft_at
from readsim_hf.teachers.scoring import Passage
from readsim_hf.teachers.translated import in_other_tokens
from readsim_hf.training.logits import bare
from readsim_hf.training.writers import Drawing, InProcess, Writer


@dataclass(frozen=True)
class Cutter:
    """Cuts a teacher's replies as its signal says; text passes, in the tokens of the student.

    tokenizer   the student's
    weight      of the losses of auxiliary pieces (lambda of Distilling step-by-step, Eq. 5), above 0
    context     tokens that the student reads at most; None for no limit
    ends        what ends a reply of the student; () for its tokenizer's end token
    """

    teacher: AnyTeacher
    tokenizer: PreTrainedTokenizerBase
    weight: float = 1.0
    context: int | None = None
    ends: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"auxiliary_weight = {self.weight!r}: expected a number above 0")

    def cut(self, prompt: Prompt, record: TeacherRecord) -> tuple[TeacherRecord, ...]:
        """The records of one reply, none where a piece has no tokens or is too long for the student.

        Each ends with the end token; the last words of a reply that was cut at the length limit do not.
        """
        teacher, tokenizer = self.teacher, self.tokenizer
        last = int(record.completion_ids[-1])
        whole = last in teacher.ends
        shared = whole and tokenizer is teacher.tokenizer
        end = last if shared else end_of(tokenizer, self.ends)
        made = []
        for piece in teacher.signal.pieces(teacher.style, teacher.text(record.completion_ids)):
            asked = encode(tokenizer, teacher.style.ask(prompt, piece.form))
            text = continuing(piece.text, self._closing, keep=True)
            said = bare_ids(tokenizer, text) if piece.text else []
            if not said or not self._fits(asked, said):
                teacher.rejections.add(prompt, "student", teacher.text(record.completion_ids))
                return ()
            if whole or piece.auxiliary:  # the answer stands last
                said.append(end)
            made.append(
                replace(
                    record,
                    prompt_ids=np.array(asked, dtype=np.int32),
                    completion_ids=np.array(said, dtype=np.int32),
                    span=(0, len(said)),
                    weight=self.weight if piece.auxiliary else 1.0,
                )
            )
        return tuple(made)

    @cached_property
    def _closing(self) -> str | None:
        return closing_mark(self.tokenizer)

    def _fits(self, asked: Sequence[int], said: Sequence[int]) -> bool:
        return self.context is None or len(asked) + len(said) + 1 <= self.context


class Replies:
    """Records for prompts, and the tokens they took by ledger kind.

    weight   share of the prompts that the student answers itself, in [0, 1]; the teacher then only
             gives its distributions on that text (on-policy, arXiv 2306.13649)
    rollout  how the student's replies are generated
    tokenizer   the student's, where it differs from the teacher's: replies pass as text
    seed     decides which prompts those are: a prompt's fate does not depend on its neighbours
    context  tokens that the student reads at most; the teacher's own limit is the teacher's matter
    auxiliary   weight of the auxiliary pieces of a signal with several tasks
    ends     what ends a reply of the student; () for its tokenizer's end token
    precision   in which the student writes: that of its training
    writer   who writes the student's text; the student here without one

    Of such a signal the records are replies in the teacher's tokens, from which `cut` makes what is
    trained on; it is None for the others.

    The student answers when the reply is asked for, so its text may be older than the weights by as
    many prompts as are waiting.
    """

    def __init__(
        self,
        teacher: AnyTeacher,
        student: Callable[[], nn.Module],
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        weight: float = 0.0,
        rollout: Decoding | None = None,
        seed: int = 0,
        context: int | None = None,
        auxiliary: float = 1.0,
        ends: tuple[int, ...] = (),
        precision: str = "fp32",
        writer: Writer | None = None,
    ) -> None:
        if not 0.0 <= weight <= 1.0:
            raise ConfigError(f"on_policy = {weight!r}: expected a share between 0 and 1")
        if weight and teacher.soft is None:
            raise ConfigError("on_policy > 0 needs the teacher's distributions: set soft")
        if weight and tokenizer is not None:
            raise ConfigError("on_policy > 0 needs teacher and student to share a tokenizer")
        self.teacher, self._student, self._tokenizer = teacher, student, tokenizer
        self._weight, self._rollout, self._seed = weight, rollout or Decoding(), seed
        self._context, self._precision = context, precision
        self._writer = writer or InProcess(student, precision)
        own = teacher.tokenizer if tokenizer is None else tokenizer
        several = teacher.signal.tasks > 1
        ends = ends or ((end_of(own, ()),) if own is not teacher.tokenizer else teacher.ends)
        self._reading, self._ends = Reading(own, ends, teacher.style, teacher.signal), ends
        self._own = own
        self.cut = Cutter(teacher, own, auxiliary, context, ends).cut if several else None
        self._alignment: Alignment | None = None
        if tokenizer is not None and teacher.soft is not None:
            self._alignment = Alignment((teacher.tokenizer, teacher.ends), (own, ends))
        self._read = self._rolled = 0

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens used so far by kind; those of cached replies too, see `TeacherCounts`."""
        counts = self.teacher.counts
        return {
            "teacher_prompt": counts.asked_prompt_tokens,
            "teacher_generated": counts.asked_generated_tokens,
            "teacher_scored": self._read,
            "student_rollout": self._rolled,
        }

    @property
    def begin(self) -> Callable[[Sequence[Prompt]], None] | None:
        """Of a served teacher that answers all prompts: lets it answer some before they are asked."""
        return None if self._weight else getattr(self.teacher, "begin", None)

    def ask(self, prompts: Sequence[Prompt]) -> list[TeacherRecord | None]:
        """One record per prompt, in order; None where there is no usable reply.

        Raises ConfigError for a prompt that leaves a reply no room in the student's context.
        """
        answers = self._ask_teacher, self._take_given, self._ask_student
        who = [2 if self._is_own(p) else int(p.reply is not None) for p in prompts]
        out: list[TeacherRecord | None] = [None] * len(prompts)
        for place, answer in enumerate(answers):
            rows = [n for n, one in enumerate(who) if one == place]
            for n, record in zip(rows, answer([prompts[n] for n in rows]), strict=True):
                out[n] = record
        return out

    def _is_own(self, prompt: Prompt) -> bool:
        number = int.from_bytes(bytes.fromhex(prompt.key[:16])) ^ (self._seed * 0x9E3779B97F4A7C15)
        return tie_of(f"{number % 2**64:016x}") < self._weight

    def _take_given(self, prompts: Sequence[Prompt]) -> list[TeacherRecord | None]:
        """The replies that the data has, with the teacher's distributions on them where these are wanted."""
        made = [given_record(prompt, self._own, self._ends) for prompt in prompts]
        if not made or self.teacher.soft is None:
            return list(made)
        passages = [Passage(r.prompt_ids, r.completion_ids, r.span, r.source) for r in made]
        softs = self.teacher.score_many(passages)
        self._read += sum(len(p.prompt_ids) + len(p.completion_ids) for p in passages)
        return [replace(r, soft=soft_at(s, r)) for r, s in zip(made, softs, strict=True)]

    def _ask_teacher(self, prompts: Sequence[Prompt]) -> list[TeacherRecord | None]:
        if not prompts:
            return []
        records = self.teacher.ask(prompts)
        if self.cut is not None:
            return records
        if self._tokenizer is None:
            for prompt, record in zip(prompts, records, strict=True):
                if record is not None:
                    self._require_room(prompt, len(record.prompt_ids))
            return records
        return [
            None if r is None else self._in_other_tokens(p, r)
            for p, r in zip(prompts, records, strict=True)
        ]

    def _require_room(self, prompt: Prompt, tokens: int) -> None:
        new = self.teacher.decoding.max_new_tokens
        if self._context is not None and tokens + new > self._context:
            raise ConfigError(
                f"a prompt of {prompt.template!r} has {tokens} tokens: with max_new_tokens {new} it "
                f"must fit the student's context of {self._context}"
            )

    def _in_other_tokens(self, prompt: Prompt, record: TeacherRecord) -> TeacherRecord | None:
        """The same text in the student's tokens; None where the answer is lost or it is too long."""
        made = in_other_tokens(self.teacher, prompt, record, self._reading)
        if self._alignment is not None:
            made = self._alignment.carried(record, made)
        asked, reply = len(made.prompt_ids), len(made.completion_ids)
        self._require_room(prompt, asked)
        too_long = self._context is not None and asked + reply > self._context
        if made.supervised > 0 and not too_long:
            return made
        said = self.teacher.text(record.completion_ids)
        self.teacher.rejections.add(prompt, "student", said)
        return None

    def _ask_student(self, prompts: Sequence[Prompt]) -> list[TeacherRecord | None]:
        if not prompts:
            return []
        made = self.written(prompts, self._rollout)
        kept = [n for n, record in enumerate(made) if record is not None]
        scored = self.scored([prompts[n] for n in kept], [r for r in made if r is not None])
        for n, record in zip(kept, scored, strict=True):
            made[n] = record
        return made

    def written(
        self, prompts: Sequence[Prompt], rollout: Decoding, attempt: int = 0
    ) -> list[TeacherRecord | None]:
        """What the student writes to each prompt, without distributions; None where nothing of it is
        supervised. Another `attempt` draws another reply. Of a served student they have `old`."""
        teacher, shared = self.teacher, self._tokenizer is None
        style, form = teacher.style, teacher.signal.form
        ids = [as_ids(encode_prompt(self._own, style, p, form)) for p in prompts]
        for prompt, one in zip(prompts, ids, strict=True):
            self._require_room(prompt, len(one))
        vocab = teacher.vocab if shared else vocabulary_size(bare(self._student()).config)
        replies = self._writer.write(ids, Drawing(rollout, self._ends, vocab, attempt))
        self._rolled += sum(len(reply.ids) for reply in replies)
        out: list[TeacherRecord | None] = []
        for prompt, asked, (reply, logp) in zip(prompts, ids, replies, strict=True):
            first, end = self._reading.span(reply, whole=bool(prompt.messages))
            record = TeacherRecord(
                prompt.capability, asked, reply, (first, end), None, row=prompt.row, own=True
            )
            if logp is not None:
                record = replace(record, constants={"old": logp[first:end]})
            out.append(record if end > first else None)
        return out

    def scored(
        self, prompts: Sequence[Prompt], records: Sequence[TeacherRecord]
    ) -> list[TeacherRecord]:
        """Records of `written` with the distributions on them of each prompt's teacher, who reads the prompt
        as it is sent to it."""
        passages = [
            Passage(self.teacher.encode(p), r.completion_ids, r.span, p.capability)
            for p, r in zip(prompts, records, strict=True)
        ]
        softs = self.teacher.score_many(passages)
        self._read += sum(len(p.prompt_ids) + len(p.completion_ids) for p in passages)
        return [replace(r, soft=soft) for r, soft in zip(records, softs, strict=True)]

    def retold(
        self, prompts: Sequence[Prompt], records: Sequence[TeacherRecord | None]
    ) -> list[TeacherRecord | None]:
        """The teacher's own replies with its log-probability of each of their tokens (`Soft.said`): where a
        record that an older readsim kept does not have it, the reply is scored once more. As with a cache,
        the account does not depend on that."""
        out, rows, passages = list(records), [], []
        for n, (p, r) in enumerate(zip(prompts, records, strict=True)):
            if (
                r is not None
                and r.soft is not None
                and r.soft.kind != "full"
                and r.soft.said is None
            ):
                rows.append((n, r, r.soft))
                asked = self.teacher.encode(p)
                passages.append(Passage(asked, r.completion_ids, r.span, p.capability))
        softs = self.teacher.score_many(passages) if passages else []
        for (n, record, kept), found in zip(rows, softs, strict=True):
            said = soft_at(found, record).said
            out[n] = replace(record, soft=kept._replace(said=said))
        return out

    def text(self, record: TeacherRecord) -> str:
        """A reply that the student wrote, as text, thoughts that it never closes in their mark."""
        return whole_reply(self._reading.text(record.completion_ids), self._reading.closing)

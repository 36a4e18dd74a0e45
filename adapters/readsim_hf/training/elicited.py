"""Teacher and student as the voices of a signal of several requests; its lessons as training records."""

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError, TrainingError
from readsim_hf.elicitation.base import (
    FAR,
    Elicitation,
    Lesson,
    ReadAs,
    Request,
    StudentReply,
)
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.prompts.checkers import correct
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt, TeacherMessage
from readsim_hf.prompts.thinking import continuing, said_from, whole_reply
from readsim_hf.teachers.encoding import bare_ids, encode, encode_prompt, end_of
from readsim_hf.teachers.ids import Ids, as_ids
from readsim_hf.teachers.inference import computing
from readsim_hf.teachers.judging import final_answer
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.router import Router
from readsim_hf.teachers.scoring import Passage, SoftSettings, score, surprisal_and_rank
from readsim_hf.training.logits import bare
from readsim_hf.training.replies import Replies
from readsim_hf.training.writers import Drawing

PATIENCE = 8  # calls in a row without one lesson
TOO_LONG = "too long for the student, or empty"


class Elicited(Replies):
    """See `Replies` and `Voices`. Each prompt has a tuple of records, None where it has no lesson.

    columns   of the student's logits that are used
    soft      what is kept of the student's own distributions, where the signal wants them
    leaks     what no new prompt may overlap with
    passed    prompts without a lesson, by the reason in words
    """

    def __init__(
        self,
        *given: Any,
        columns: int,
        soft: SoftSettings | None = None,
        leaks: LeakFilter | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*given, **settings)
        assert isinstance(self.teacher.signal, Elicitation)
        self.signal, self._columns, self._soft = self.teacher.signal, columns, soft
        if soft is not None:
            soft.check_fits(columns)
        self._leaks = leaks
        self.cut = None  # lessons are records as they stand
        self.passed: Counter[str] = Counter()
        self._moved = {
            "judge": (0, 0),
            "expansion": (0, 0),
        }  # of the teacher's tokens, read and said
        self._empty = 0

    @property
    def begin(self) -> None:
        """Nothing is answered before it is asked: what is asked depends on what was said."""

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens used so far by kind; those of a judge and of new prompts are no others'."""
        used = super().tokens
        read, said = (sum(part) for part in zip(*self._moved.values(), strict=True))
        used["teacher_prompt"] -= read
        used["teacher_generated"] -= said
        return {**used, **{kind: sum(both) for kind, both in self._moved.items()}}

    # What a signal may ask

    @property
    def style(self) -> Style:
        return self.teacher.style

    @property
    def peers(self) -> tuple[str, ...]:
        """See `Router.owners`; one teacher is its own only peer."""
        return self.teacher.owners if isinstance(self.teacher, Router) else ("",)

    def teach(self, prompts: Sequence[Prompt], draw: int = 0) -> list[str | None]:
        """See `Voices`."""
        records = self.teacher.ask(prompts, draw) if prompts else []
        return [r if r is None else self.teacher.said(r) for r in records]

    def tell(self, requests: Sequence[Request], kind: str = "") -> list[str | None]:
        """See `Voices`; a request that is too long for the teacher has no reply."""
        out: list[str | None] = [None] * len(requests)
        before = self._heard()
        for draw in sorted({request.draw for request in requests}):
            turns = {n: _turn(r) for n, r in enumerate(requests) if r.draw == draw}
            fit = {n: prompt for n, prompt in turns.items() if self._fits_teacher(prompt)}
            for n, said in zip(fit, self.teach(list(fit.values()), draw), strict=True):
                out[n] = said if said is None else said[said_from(said) :].strip() or None
        if kind:
            used = zip(self._moved[kind], self._heard(), before, strict=True)
            read, said_ = (was + now - then for was, now, then in used)
            self._moved[kind] = read, said_
        return out

    def _heard(self) -> tuple[int, int]:
        counts = self.teacher.counts
        return counts.asked_prompt_tokens, counts.asked_generated_tokens

    def _fits_teacher(self, prompt: Prompt) -> bool:
        try:
            self.teacher.encode(prompt)
        except ConfigError:
            return False
        return True

    def attempt(self, prompts: Sequence[Prompt], draw: int = 0) -> list[StudentReply | None]:
        """See `Voices`."""
        form = self.signal.form
        return self._say([encode_prompt(self._own, self.style, p, form) for p in prompts], draw)

    def write(self, requests: Sequence[Request]) -> list[StudentReply | None]:
        """See `Voices`; a request that is too long for the student has no reply."""
        return self._say([encode(self._own, request.text) for request in requests])

    def _say(self, asked: Sequence[Ids], draw: int = 0) -> list[StudentReply | None]:
        """The student's replies to token ids; None where there is no room for one or nothing is said."""
        rollout, most = self._rollout, self._context
        rows = [
            n
            for n, ids in enumerate(asked)
            if most is None or len(ids) + rollout.max_new_tokens <= most
        ]
        out: list[StudentReply | None] = [None] * len(asked)
        if not rows:
            return out
        some = [asked[n] for n in rows]
        drawing = Drawing(rollout, self._ends, self._columns, draw)
        said = self._writer.write(some, drawing)
        self._rolled += sum(len(reply.ids) for reply in said)
        for n, (ids, _) in zip(rows, said, strict=True):
            text = whole_reply(self._reading.text(ids), self._reading.closing)
            out[n] = StudentReply(text[said_from(text) :].strip(), ids) if len(ids) else None
        return out

    def right(self, prompt: Prompt, reply: str) -> bool | None:
        """See `Voices`."""
        return correct(prompt, final_answer(self.style, prompt, reply))

    def fits(self, lessons: Sequence[Lesson]) -> list[ReadAs]:
        """See `Voices`; what is too long for the student fits worst."""
        out = [ReadAs(inf, float(FAR)) for _ in lessons]
        rows = [n for n, lesson in enumerate(lessons) if self._trainable(lesson)]
        texts = [self._tokens(lessons[n]) for n in rows]
        passages = [Passage(read, said, (0, len(said))) for read, said in texts]
        if not passages:
            return out
        model = bare(self._student())
        with computing(self._precision, model.device.type):
            found = surprisal_and_rank(model, passages, vocab=self._columns)
        self._rolled += sum(len(p.prompt_ids) + len(p.completion_ids) for p in passages)
        for n, (surprisal, rank) in zip(rows, found, strict=True):
            out[n] = ReadAs(float(surprisal.mean()), float(np.minimum(rank, FAR).mean()))
        return out

    def may_train(self, text: str) -> bool:
        """See `Voices`."""
        return self._leaks is None or self._leaks.leaked(text) is None

    # What the run gets

    def _ask_teacher(self, prompts: Sequence[Prompt]) -> list[Any]:
        if not prompts:
            return []
        found: list[list[Lesson]] = []
        for lessons in self.signal.lessons(prompts, self):
            kept = [] if isinstance(lessons, str) else [x for x in lessons if self._trainable(x)]
            if not kept:
                self.passed[lessons if isinstance(lessons, str) else TOO_LONG] += 1
            found.append(kept)
        self._require_some(any(found))
        softs = iter(self._own_distributions([lesson for some in found for lesson in some]))
        return [
            tuple(self._record(prompt, lesson, next(softs)) for lesson in some) or None
            for prompt, some in zip(prompts, found, strict=True)
        ]

    def _require_some(self, any_: bool) -> None:
        """TrainingError where call after call gave nothing to learn."""
        self._empty = 0 if any_ else self._empty + 1
        if self._empty == PATIENCE:
            ((reason, n),) = self.passed.most_common(1)
            raise TrainingError(
                f"signal {self.signal.name!r}: {PATIENCE} groups of prompts in a row gave nothing to learn; "
                f"most often ({n} of {self.passed.total()} prompts): {reason}; look at the replies, or use "
                "other prompts or another signal"
            )

    def _trainable(self, lesson: Lesson) -> bool:
        """Whether it says something, and the student can read all of it."""
        read, said = self._tokens(lesson)
        shown = (
            len(read) if lesson.shown is None else len(self._asked_ids(lesson.shown, lesson.form))
        )
        longest = max(len(read), shown) + len(said)
        there = bool(lesson.said.strip()) or lesson.ids is not None
        return there and len(said) > 0 and (self._context is None or longest <= self._context)

    def _tokens(self, lesson: Lesson) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Prompt and completion in the student's tokens, with what ends a reply."""
        own, read = self._own, self._asked_ids(lesson.asked, lesson.form)
        if lesson.ids is not None:
            return as_ids(read), as_ids(lesson.ids)
        text = continuing(lesson.said, self._reading.closing, keep=True)
        return as_ids(read), as_ids([*bare_ids(own, text), end_of(own, self._ends)])

    def _asked_ids(self, asked: Prompt | str, form: Form) -> list[int]:
        """What the student reads of a prompt, or of the text of one user turn."""
        if isinstance(asked, Prompt):
            return encode_prompt(self._own, self.style, asked, form)
        return encode(self._own, asked)

    def _own_distributions(self, lessons: Sequence[Lesson]) -> list[Soft | None]:
        """What the student says of each lesson's words where it reads `shown`."""
        if self._soft is None or not lessons:
            return [None] * len(lessons)
        passages = []
        for lesson in lessons:
            assert lesson.shown is not None
            said = self._tokens(lesson)[1]
            shown = self._asked_ids(lesson.shown, lesson.form)
            passages.append(Passage(shown, said, (0, len(said))))
        model = bare(self._student())
        with computing(self._precision, model.device.type):
            softs = score(model, passages, self._soft, vocab=self._columns)
        self._rolled += sum(len(p.prompt_ids) + len(p.completion_ids) for p in passages)
        return list(softs)

    def _record(self, prompt: Prompt, lesson: Lesson, soft: Soft | None) -> TeacherRecord:
        read, said = self._tokens(lesson)
        whole, own = (0, len(said)), lesson.ids is not None
        return TeacherRecord(
            prompt.capability,
            read,
            said,
            whole,
            soft,
            weight=lesson.weight,
            row=prompt.row,
            own=own,
        )


def _turn(request: Request) -> TeacherMessage:
    """A request as a message that is sent as it stands. Text and key are the prompt's, so that what it takes
    is counted for that."""
    about = request.prompt
    return TeacherMessage(
        about.capability,
        about.template,
        about.text,
        checker="final",
        messages=({"role": "user", "content": request.text},),
        row=about.row,
        about=about.key,
    )

"""Replies that are cut into several training records, each asked for in a form of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.encoding import encode
from readsim_hf.teachers.record import TeacherRecord


@dataclass(frozen=True)
class Cutter:
    """Cuts a teacher's replies as its signal says; text passes, in the tokens of the student.

    tokenizer   the student's
    weight      of the losses of auxiliary pieces (lambda of Distilling step-by-step, Eq. 5), above 0
    context     tokens that the student reads at most; None for no limit
    """

    teacher: AnyTeacher
    tokenizer: PreTrainedTokenizerBase
    weight: float = 1.0
    context: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"auxiliary_weight = {self.weight!r}: a number above 0")

    def cut(self, prompt: Prompt, record: TeacherRecord) -> tuple[TeacherRecord, ...]:
        """The records of one reply, none where a piece has no tokens or is too long for the student.

        Each ends with the end token; the last words of a reply that was cut at the length limit do not.
        """
        teacher = self.teacher
        last = int(record.completion_ids[-1])
        whole = last in teacher.ends
        shared = whole and self.tokenizer is teacher.tokenizer
        end = last if shared else int(self.tokenizer.eos_token_id)
        made = []
        for piece in teacher.signal.pieces(teacher.style, teacher.text(record.completion_ids)):
            asked = encode(self.tokenizer, teacher.style.ask(prompt, piece.form))
            said = list(
                self.tokenizer(piece.text, add_special_tokens=False, verbose=False)["input_ids"]
            )
            if not said or not self._fits(asked, said):
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

    def _fits(self, asked: Sequence[int], said: Sequence[int]) -> bool:
        return self.context is None or len(asked) + len(said) + 1 <= self.context

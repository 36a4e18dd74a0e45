"""Nobody in the teacher's place: all replies are given, and only their words are trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.base import ReadsReplies, TeacherCounts
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import encode_prompt
from readsim_hf.teachers.heard import Listener
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.judging import Rejections
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.scoring import Passage
from readsim_hf.teachers.signals import TeacherSignal

FINGERPRINT = "none: replies are given"


class AbsentTeacher(ReadsReplies):
    """See `AnyTeacher`. What is asked of it is a ConfigError.

    tokenizer, ends, vocab   the student's
    """

    soft = None
    fingerprint = FINGERPRINT

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        style: Style,
        signal: TeacherSignal,
        *,
        decoding: Decoding,
        ends: tuple[int, ...],
        vocab: int,
    ) -> None:
        self.tokenizer, self.style, self.signal, self.decoding = tokenizer, style, signal, decoding
        self.ends, self.vocab = ends, vocab
        self.counts, self.rejections = TeacherCounts(), Rejections()
        self.cache: SignalCache | None = None
        self.listener: Listener | None = None
        self.reading = Reading(tokenizer, ends, style, signal)

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        if prompts:
            raise _nobody(f"a prompt of {prompts[0].capability!r}")
        return []

    def encode(self, prompt: Prompt) -> NDArray[np.int32]:
        """What the student reads before the reply."""
        return as_ids(encode_prompt(self.tokenizer, self.style, prompt, self.signal.form))

    def score_many(self, passages: Sequence[Passage]) -> list[Soft]:
        raise _nobody(f"{len(passages)} texts to score")


def _nobody(what: str) -> ConfigError:
    return ConfigError(f"pair.teacher = None: {what}, and there is no teacher that could answer")

"""What a run needs of a teacher, whatever stands behind it: a model here, a server, several of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.heard import Listener
from readsim_hf.teachers.ids import Ids
from readsim_hf.teachers.judging import Judgement, Rejections
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.scoring import Passage, SoftSettings
from readsim_hf.teachers.signals import TeacherSignal

# Counts that depend on what a cache held before: what was really computed or paid for.
PAID = (
    "cached",
    "generated",
    "prompt_tokens",
    "generated_tokens",
    "scored_tokens",
    "in_doubt",
)


@dataclass
class TeacherCounts:
    """What a teacher did since it was made, rejected and dropped replies included; `PAID` says what of it
    depends on the cache.

    prompts            prompts asked
    cached             replies that came from the cache or from the same prompt in one call
    generated          replies generated, of which the two token counts are
    rejected           replies, cached ones included, that are not trained on, for whatever reason
    rejected_cut       of these, replies that were cut at the length limit
    rejected_wrong     of these, replies of the right form whose final answer is not the gold one
    judged, wrong      replies of the right form that were held to a gold answer, and those of them that
                       are wrong: trained on with keep = "all", rejected with "correct"
    dropped            prompts given up after the last attempt
    scored_tokens      positions whose distributions were computed
    asked_prompt_tokens, asked_generated_tokens   the same token counts with cached replies in: what
                       the prompts would have taken without a cache, so that a run's account does
                       not depend on what ran before it
    in_doubt           requests to a server that may have been paid for without a reply, those of
                       earlier processes that the cache knows of included
    """

    prompts: int = 0
    cached: int = 0
    generated: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    rejected: int = 0
    rejected_cut: int = 0
    rejected_wrong: int = 0
    judged: int = 0
    wrong: int = 0
    dropped: int = 0
    scored_tokens: int = 0
    asked_prompt_tokens: int = 0
    asked_generated_tokens: int = 0
    in_doubt: int = 0

    def count(self, judgement: Judgement) -> None:
        """One more reply was judged. `rejected` itself is counted by `ask_in_rounds`."""
        self.rejected_cut += judgement.reason == "cut"
        self.rejected_wrong += judgement.reason == "wrong"
        self.judged += judgement.right is not None
        self.wrong += judgement.right is False


class ReadsReplies:
    """A teacher's view of its own records."""

    reading: Reading

    def text(self, completion: Ids) -> str:
        """A record's reply as text, without its end token."""
        return self.reading.text(completion)

    def said(self, record: TeacherRecord) -> str:
        """All that the reply of a record says, of a `TeacherMessage` too."""
        return self.text(record.completion_ids) if record.text is None else record.text

    def span(self, completion: Ids, *, whole: bool = False) -> tuple[int, int]:
        """Which tokens of a record's reply the signal supervises; see `Reading.span`."""
        return self.reading.span(completion, whole=whole)


class AnyTeacher(Protocol):
    """See `Teacher`, which is the one with its model in this process.

    tokenizer   of the ids in the records
    vocab       ids that records and distributions are over
    cache       set when a run begins; None for none
    listener    is told of all replies, those that are rejected too; None for none
    """

    cache: SignalCache | None
    listener: Listener | None

    @property
    def style(self) -> Style: ...
    @property
    def signal(self) -> TeacherSignal: ...
    @property
    def decoding(self) -> Decoding: ...
    @property
    def soft(self) -> SoftSettings | None: ...
    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...
    @property
    def vocab(self) -> int: ...
    @property
    def ends(self) -> tuple[int, ...]: ...
    @property
    def counts(self) -> TeacherCounts: ...
    @property
    def rejections(self) -> Rejections: ...
    @property
    def fingerprint(self) -> str: ...

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        """`draw` tells several replies to one prompt apart."""
        ...

    def encode(self, prompt: Prompt) -> NDArray[np.int32]: ...
    def text(self, completion: Ids) -> str: ...
    def said(self, record: TeacherRecord) -> str: ...
    def span(self, completion: Ids, *, whole: bool = False) -> tuple[int, int]: ...
    def score_many(self, passages: Sequence[Passage]) -> list[Soft]: ...


def stop_asking(teacher: AnyTeacher) -> None:
    """Let a served teacher answer nothing more in the background."""
    stop: Callable[[], None] | None = getattr(teacher, "stop", None)
    if stop is not None:
        stop()


def ask_in_rounds(
    prompts: Sequence[Prompt],
    attempts: int,
    replies: Callable[[list[int], int], Sequence[TeacherRecord | None]],
    counts: TeacherCounts,
    draw: int = 0,
) -> list[TeacherRecord | None]:
    """One record per prompt, in order; what is rejected is asked for again, `attempts` times in all.

    replies   an attempt's replies to the prompts with those indices; None for what is rejected
    draw      the attempts of each are numbered on from those of the one before
    """
    records: list[TeacherRecord | None] = [None] * len(prompts)
    open_rows = list(range(len(prompts)))
    for attempt in range(draw * attempts, (draw + 1) * attempts):
        if not open_rows:
            break
        for row, reply in zip(open_rows, replies(open_rows, attempt), strict=True):
            if reply is not None:
                one = prompts[row]
                records[row] = replace(reply, source=one.capability, row=one.row)
        open_rows = [row for row in open_rows if records[row] is None]
        counts.rejected += len(open_rows)
    counts.dropped += len(open_rows)
    return records

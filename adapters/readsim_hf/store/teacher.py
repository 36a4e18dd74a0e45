"""A teacher that has said all it says: the records of a store in the place of a model or a server."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.store.manifest import Manifest
from readsim_hf.store.shards import StoredPrompt, cut_to
from readsim_hf.teachers.base import ReadsReplies, TeacherCounts
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import encode_prompt
from readsim_hf.teachers.heard import Listener
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.judging import Rejections
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.scoring import Passage, SoftSettings
from readsim_hf.teachers.signals import TeacherSignal


class StoredTeacher(ReadsReplies):
    """See `AnyTeacher`. It answers the prompts of a `StoreStream`, and no others.

    soft   what is used of the stored distributions; None for none. Its k may be smaller than the stored
           one: the tail then holds the rest
    """

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: PreTrainedTokenizerBase,
        style: Style,
        signal: TeacherSignal,
        *,
        decoding: Decoding,
        soft: SoftSettings | None,
    ) -> None:
        self.manifest, self.tokenizer, self.style, self.signal = manifest, tokenizer, style, signal
        self.decoding, self.soft = decoding, soft
        self.vocab, self.ends = manifest.facts.vocabulary, manifest.facts.ends
        self.counts, self.rejections = TeacherCounts(), Rejections()
        self.cache: SignalCache | None = None
        self.listener: Listener | None = None
        self.reading = Reading(tokenizer, self.ends, style, signal)

    @property
    def fingerprint(self) -> str:
        """The store's: of all that it holds."""
        return f"store:{self.manifest.content}"

    @property
    def tokens(self) -> dict[str, int]:
        """What asking took when the store was made, by ledger kind."""
        counts = self.counts
        return {
            "teacher_prompt": counts.asked_prompt_tokens,
            "teacher_generated": counts.asked_generated_tokens,
            "teacher_scored": 0,
            "student_rollout": 0,
        }

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        """The first record of each prompt; None where there is none. ConfigError for another prompt."""
        out: list[TeacherRecord | None] = []
        seen: set[str] = set()
        for prompt in prompts:
            if not isinstance(prompt, StoredPrompt):
                raise ConfigError(
                    f"data.store = {str(self.manifest.folder)!r}: there is no teacher for "
                    "prompts that are not in the store"
                )
            self.counts.prompts += 1
            self.counts.cached += bool(prompt.records)
            self.counts.dropped += not prompt.records
            if prompt.key not in seen:  # a live teacher is asked equal prompts of one call once
                self.counts.asked_prompt_tokens += prompt.asked[0]
                self.counts.asked_generated_tokens += prompt.asked[1]
            seen.add(prompt.key)
            records = self.cut(prompt)
            out.append(records[0] if records else None)
        return out

    def cut(self, prompt: Prompt, record: TeacherRecord | None = None) -> tuple[TeacherRecord, ...]:
        """All records of a stored prompt: of a signal with several tasks there are several."""
        assert isinstance(prompt, StoredPrompt)
        return tuple(replace(r, soft=self._kept(r.soft)) for r in prompt.records)

    def _kept(self, soft: Soft | None) -> Soft | None:
        if soft is None or self.soft is None:
            return None
        return soft if self.soft.entries is None else cut_to(soft, self.soft.entries)

    def encode(self, prompt: Prompt) -> NDArray[np.int32]:
        """What the student reads before the reply."""
        return as_ids(encode_prompt(self.tokenizer, self.style, prompt, self.signal.form))

    def score_many(self, passages: Sequence[Passage]) -> list[Soft]:
        """ConfigError: nobody is here who could."""
        raise ConfigError(
            f"{len(passages)} texts to score: a teach store has distributions of its own replies only; use "
            "on_policy = 0, or a teacher instead of data.store"
        )

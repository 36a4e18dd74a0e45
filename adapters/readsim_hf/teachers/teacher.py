"""A teacher: prompts in, supervised examples out, each reply asked for once and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.models.tokens import stated_length
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import whole_reply
from readsim_hf.teachers.base import ReadsReplies, TeacherCounts, ask_in_rounds
from readsim_hf.teachers.cache import SignalCache, content_key
from readsim_hf.teachers.decoding import Decoding, ReplyDistributions, generate
from readsim_hf.teachers.encoding import encode_prompt, end_ids
from readsim_hf.teachers.heard import Heard, Listener, tell
from readsim_hf.teachers.ids import Ids, as_ids, fingerprint
from readsim_hf.teachers.judging import FormatCheck, Judge, Keep, Rejections
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.scoring import Passage, SoftSettings, score
from readsim_hf.teachers.signals import TeacherSignal


class Question(NamedTuple):
    """A prompt in tokens, and whether its reply is trained on whole, whatever the signal."""

    ids: NDArray[np.int32]
    whole: bool


class Teacher(ReadsReplies):
    """Replies of one model under one signal, in records that the student trains on.

    model, tokenizer   a causal language model, and the tokenizer that it shares with the student
    format_ok, keep, keep_cut   see `Judge`: a reply that fails the format check, has no final answer, is
                       cut at the length limit, or that the signal does not accept is rejected and asked for
                       once more (not at temperature 0, where it would be the same); a prompt whose
                       replies are all rejected is dropped
    soft               which distributions to store; None for none
    vocab              ids that student and teacher share, `config.vocab_size` by default: only
                       those are generated, and distributions are over those
    cache              where records are looked up and kept, rejected ones too; the format check is
                       made again on what comes from it. What it refuses to keep is in its `problem`

    ConfigError if the signal needs distributions and `soft` is None or has none and it is not, the
    style lacks its form, `vocab` is not in 1 to `config.vocab_size`, k is above `vocab`, or nothing
    ends a reply.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        style: Style,
        signal: TeacherSignal,
        *,
        decoding: Decoding,
        format_ok: FormatCheck,
        keep: Keep = "all",
        keep_cut: bool = False,
        soft: SoftSettings | None = None,
        vocab: int | None = None,
        cache: SignalCache | None = None,
    ) -> None:
        config = model.config.get_text_config(decoder=True)
        self._context = stated_length(config)
        size = int(config.vocab_size)
        self.vocab = size if vocab is None else vocab
        if not 1 <= self.vocab <= size:
            raise ConfigError(
                f"vocab is {vocab}: it must be in 1 to {size}, the model's vocab_size"
            )
        if signal.needs_soft and soft is None:
            raise ConfigError(f"soft is None: the signal {signal.name!r} needs distributions")
        if signal.tasks > 1 and soft is not None:
            raise ConfigError(f"soft is {soft.kind!r}: the signal {signal.name!r} has text only")
        style.suffix(signal.form)
        if soft is not None:
            soft.check_fits(self.vocab)
        self.ends = tuple(end for end in end_ids(model, tokenizer) if end < self.vocab)
        if not self.ends:
            raise ConfigError(f"vocab is {self.vocab}: no end token has an id below that")
        self.model = model
        self.tokenizer = tokenizer
        self.style = style
        self.signal = signal
        self.decoding = decoding
        self.soft = soft
        self.cache = cache
        self.counts, self.rejections = TeacherCounts(), Rejections()
        self.listener: Listener | None = None
        self.reading = Reading(tokenizer, self.ends, style, signal)
        self._judge = Judge(style, signal, format_ok, keep, keep_cut)

    @cached_property
    def fingerprint(self) -> str:
        """Of model and tokenizer, computed once: the weights are taken not to change."""
        return fingerprint(self.model, self.tokenizer)

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        """One record per prompt, in order; None where it was dropped.

        ConfigError if a prompt with `max_new_tokens` does not fit the model, before anything is
        generated.
        """
        ids = [self.encode(p) for p in prompts]
        self.counts.prompts += len(prompts)

        def replies(rows: list[int], attempt: int) -> list[TeacherRecord | None]:
            some = [Question(ids[row], bool(prompts[row].messages)) for row in rows]
            made = self._replies(some, attempt)
            read = [
                self._judged(prompts[row], reply) for row, reply in zip(rows, made, strict=True)
            ]
            if self.cache is not None or self.listener is not None:
                keys = [self._key(one, attempt) for one in some]
                heard = [heard for _, heard in read]
                tell(dict(zip(keys, heard, strict=True)), self.cache, self.listener)
            return [record for record, _ in read]

        return ask_in_rounds(prompts, self.decoding.attempts, replies, self.counts, draw)

    def score(self, prompt_ids: Ids, completion_ids: Ids, span: tuple[int, int]) -> Soft:
        """The teacher's distributions on any text, such as the student's own; not cached.

        ConfigError without `soft` settings or with a span outside the completion.
        """
        return self.score_many([Passage(prompt_ids, completion_ids, span)])[0]

    def score_many(self, passages: Sequence[Passage]) -> list[Soft]:
        """`score` of several texts, in batches."""
        if self.soft is None:
            raise ConfigError("soft is None: name the distributions that scoring is to return")
        self.counts.scored_tokens += sum(p.span[1] - p.span[0] for p in passages)
        size = self.decoding.batch_size
        return score(self.model, passages, self.soft, vocab=self.vocab, batch_size=size)

    def encode(self, prompt: Prompt) -> NDArray[np.int32]:
        """Token ids of what the teacher is sent. ConfigError if there are none or too many."""
        ids = as_ids(encode_prompt(self.tokenizer, self.style, prompt, self.signal.form))
        new = self.decoding.max_new_tokens
        if not len(ids):
            raise ConfigError(f"a prompt of {prompt.template!r} has no tokens: it must have text")
        if self._context is not None and len(ids) + new > self._context:
            raise ConfigError(
                f"a prompt of {prompt.template!r} has {len(ids)} tokens: with max_new_tokens {new} "
                f"it must fit the teacher's context of {self._context}"
            )
        return ids

    def _judged(self, prompt: Prompt, record: TeacherRecord) -> tuple[TeacherRecord | None, Heard]:
        """What is trained on, None where the reply is rejected; and what was heard."""
        ended = self.reading.ended(record.completion_ids)
        said = whole_reply(self.text(record.completion_ids), self.reading.closing)
        judged = self._judge(prompt, said, "ended" if ended else "cut")
        self.counts.count(judged)
        if judged.reason is not None:
            self.rejections.add(prompt, judged.reason, said)
        first, end = record.span
        heard = Heard.of(
            prompt,
            self.signal,
            judged,
            teacher=self.fingerprint,
            reply=said,
            supervised=self.text(record.completion_ids[first:end]),
            finish="stop" if ended else "length",
            prompt_tokens=len(record.prompt_ids),
            reply_tokens=len(record.completion_ids),
        )
        return None if judged.reason else self.reading.trained(record), heard

    def _replies(self, asked: Sequence[Question], attempt: int) -> list[TeacherRecord]:
        """The reply of this attempt to each prompt; equal prompts are asked and counted once."""
        keys = [self._key(one, attempt) for one in asked]
        found = self.cache.get_many(keys) if self.cache is not None else {}
        distinct = dict(zip(keys, asked, strict=True))
        spanned = {key: self._spanned(record, distinct[key]) for key, record in found.items()}
        known = {key: record for key, record in spanned.items() if record is not None}
        new = [key for key in distinct if key not in known]
        made = self._generate([distinct[key] for key in new], attempt) if new else []
        fresh = dict(zip(new, made, strict=True))
        if self.cache is not None and fresh:
            self.cache.put_many(fresh)
        self.counts.cached += len(asked) - len(new)
        known |= fresh
        for key, one in distinct.items():
            self.counts.asked_prompt_tokens += len(one.ids)
            self.counts.asked_generated_tokens += len(known[key].completion_ids)
        return [known[key] for key in keys]

    def _spanned(self, record: TeacherRecord, asked: Question) -> TeacherRecord | None:
        """A kept record with the span of today: an older readsim took thoughts for the answer. None where
        the distributions that this needs were not kept."""
        span = first, end = self.span(record.completion_ids, whole=asked.whole)
        begin = record.span[0]
        if span == record.span or record.soft is None:
            return replace(record, span=span)
        if not (begin <= first and end == record.span[1]):
            return None
        return replace(record, span=span, soft=record.soft.at(slice(first - begin, None)))

    def _generate(self, asked: Sequence[Question], attempt: int) -> list[TeacherRecord]:
        """New records, with distributions, before the format check: it may be another next time."""
        prompts = [one.ids for one in asked]
        spoken = None if self.soft is None else ReplyDistributions(self.soft)
        replies = generate(
            self.model,
            prompts,
            self.decoding,
            ends=self.ends,
            vocab=self.vocab,
            attempt=attempt,
            spoken=spoken,
        )
        spans = [
            self.span(reply, whole=one.whole) for reply, one in zip(replies, asked, strict=True)
        ]
        self.counts.generated += len(prompts)
        self.counts.prompt_tokens += sum(map(len, prompts))
        self.counts.generated_tokens += sum(map(len, replies))
        texts = [Passage(*text) for text in zip(prompts, replies, spans, strict=True)]
        softs = [None] * len(texts) if spoken is None else self._softs(texts, spoken)
        return [
            TeacherRecord("", as_ids(prompt), as_ids(reply), span, soft)
            for (prompt, reply, span, _), soft in zip(texts, softs, strict=True)
        ]

    def _softs(self, texts: Sequence[Passage], spoken: ReplyDistributions) -> Sequence[Soft]:
        """What was kept while the texts were generated; a scoring pass where nothing was."""
        heard = spoken.softs([text.span for text in texts])
        kept = [soft for soft in heard if soft is not None]
        if len(kept) < len(texts):
            return self.score_many(texts)
        self.counts.scored_tokens += sum(len(soft.logp) for soft in kept)
        return kept

    def _key(self, asked: Question, attempt: int) -> bytes:
        whole = {"whole": True} if asked.whole else {}
        return content_key({**self._settings(attempt), **whole}, asked.ids)

    def _settings(self, attempt: int) -> Mapping[str, Any]:
        """All that a record depends on besides the prompt's tokens."""
        if self.cache is None:
            return {}  # keys only tell equal prompts apart from others
        soft = None if self.soft is None else (self.soft.kind, self.soft.entries)
        return {
            "teacher": self.fingerprint,
            "vocab": self.vocab,
            "ends": self.ends,
            "signal": self.signal.name,
            "mark": self.style.mark,
            "max_new_tokens": self.decoding.max_new_tokens,
            "temperature": float(self.decoding.temperature),
            "attempt": attempt,
            "soft": soft,
            # Replies that an older readsim drew in another way are not taken for these.
            **({"draw": "inverse"} if self.decoding.temperature > 0 else {}),
        }

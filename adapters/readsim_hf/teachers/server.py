"""A teacher behind an OpenAI-compatible server: each reply is kept the moment it arrives."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError, TrainingError
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import continuing, whole_reply
from readsim_hf.teachers.base import ReadsReplies, TeacherCounts, ask_in_rounds
from readsim_hf.teachers.cache import SignalCache, content_key
from readsim_hf.teachers.connection import NoReplyError, Server
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import encode_prompt, end_of
from readsim_hf.teachers.heard import Heard, Listener, tell
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.journal import Journal
from readsim_hf.teachers.judging import FormatCheck, Judge, Judgement, Keep, Rejections
from readsim_hf.teachers.lines import Crew, Lines
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.reply import Reply
from readsim_hf.teachers.scoring import Passage, SoftSettings
from readsim_hf.teachers.server_warnings import ServerWarnings
from readsim_hf.teachers.signals import TeacherSignal


class Asked(NamedTuple):
    """What is asked: as text or as a conversation with its tools, and in tokens."""

    text: str
    ids: NDArray[np.int32]
    messages: tuple[Mapping[str, Any], ...] = ()
    tools: tuple[Any, ...] = ()

    @property
    def turns(self) -> tuple[Mapping[str, Any], ...]:
        """What is sent."""
        return self.messages or ({"role": "user", "content": self.text},)

    @property
    def alone(self) -> str | None:
        """The one user turn that is all that is sent; None where there is more."""
        (first, *more) = self.turns
        single = first["role"] == "user" and not more and not self.tools
        return str(first["content"]) if single else None


class ServerTeacher(ReadsReplies):
    """Replies of a served model under one signal, in the student's tokens. See `Teacher`.

    server      its chat template is the server's matter; token counts are its own `usage`
    tokenizer   the student's
    known       the teacher's tokenizer, where it is known: the server's prompt lengths are held to it
    ends, vocab     what ends a reply of the student; ids that the student has
    context     tokens that the student reads at most; a `TeacherMessage` is held to the server's instead,
                where that says what it reads
    soft        needs a server with vLLM's completions and a known tokenizer that is the student's
    system_prompt, chat_template_kwargs   sent with each prompt, such as {"enable_thinking": False} as vLLM
                and SGLang take it; where token ids are sent, they are in the template of `known`
    keep, keep_cut  see `Judge`

    A reply is rejected and asked for once more where `Teacher` would; one that the student's tokenizer
    cannot write, too. What goes wrong on the way is tried again and then a TrainingError: replies that
    arrived are in the cache, and the same run resumes from there.
    """

    def __init__(
        self,
        server: Server,
        tokenizer: PreTrainedTokenizerBase,
        style: Style,
        signal: TeacherSignal,
        *,
        decoding: Decoding,
        format_ok: FormatCheck,
        ends: tuple[int, ...],
        vocab: int,
        context: int | None = None,
        known: PreTrainedTokenizerBase | None = None,
        soft: SoftSettings | None = None,
        keep: Keep = "all",
        keep_cut: bool = False,
        system_prompt: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if soft is not None and known is None:
            raise ConfigError(
                f"teacher_tokenizer is None: distributions of {server.model!r} need the tokenizer that "
                "it shares with the student (and a server with vLLM's completions); without them use "
                "resp-sft or cot-sft"
            )
        if soft is not None and soft.kind != "topk":
            raise ConfigError(f"soft.kind is {soft.kind!r}: a server gives 'topk' only")
        if signal.needs_soft and soft is None:
            raise ConfigError(f"soft is None: the signal {signal.name!r} needs distributions")
        self.server, self.tokenizer, self.known = server, tokenizer, known
        self.style, self.signal, self.decoding = style, signal, decoding
        self.soft, self.ends, self.vocab = soft, ends, vocab
        self.counts, self.rejections = TeacherCounts(), Rejections()
        self.listener: Listener | None = None
        self.reading = Reading(tokenizer, ends, style, signal)
        self._judge, self._context = Judge(style, signal, format_ok, keep, keep_cut), context
        self._around: dict[str, Any] = {
            name: value
            for name, value in (
                ("system_prompt", system_prompt),
                ("chat_template_kwargs", dict(chat_template_kwargs or {}) or None),
            )
            if value is not None and soft is None
        }
        self._cache: SignalCache | None = None
        self._journal: Journal | None = None
        self._suspicions = ServerWarnings(server.model, known)
        self._crew: Crew[bytes, tuple[Reply, int]] | None = None

    @property
    def cache(self) -> SignalCache | None:
        """Where replies are kept; None: a resumed run pays for them again."""
        return self._cache

    @cache.setter
    def cache(self, cache: SignalCache | None) -> None:
        self._cache = cache
        self._journal = None if cache is None else Journal(cache, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """The served model's name: weights are not shown. Where it is served is not part of it."""
        return f"server:{self.server.model}"

    def ask(self, prompts: Sequence[Prompt], draw: int = 0) -> list[TeacherRecord | None]:
        """One record per prompt, in order; None where it was dropped.

        ConfigError if a prompt with `max_new_tokens` does not fit the student, before anything is
        sent; TrainingError where the server gives no reply.
        """
        asked = [self._asked(prompt) for prompt in prompts]
        self.counts.prompts += len(prompts)

        def replies(rows: list[int], attempt: int) -> list[TeacherRecord | None]:
            some = [asked[row] for row in rows]
            made = self._replies(some, attempt)
            heard: list[Heard] = []
            records = [
                self._record(prompts[row], one.ids, reply, heard)
                for row, one, reply in zip(rows, some, made, strict=True)
            ]
            keys = [self._key(one, attempt) for one in some]
            tell(dict(zip(keys, heard, strict=True)), self.cache, self.listener)
            return records

        return ask_in_rounds(prompts, self.decoding.attempts, replies, self.counts, draw)

    def begin(self, prompts: Sequence[Prompt]) -> None:
        """Let the server answer these meanwhile: `ask` finds what has come, and waits for the rest. What it
        returns and counts does not depend on that. ConfigError as `ask`."""
        asked = [self._asked(prompt) for prompt in prompts]
        jobs = {self._key(one, 0): partial(self._one, self._key(one, 0), one) for one in asked}
        known = self._journal.get_many(list(jobs)) if self._journal is not None else {}
        self._at_work().begin({key: job for key, job in jobs.items() if key not in known})

    def stop(self) -> None:
        """Ask for nothing more; what is under way is cut off."""
        if self._crew is not None:
            self._crew.stop()
        self._crew, self.server.lines = None, Lines()

    def _at_work(self) -> Crew[bytes, tuple[Reply, int]]:
        if self._crew is None:
            self._crew = Crew(self.server.settings.concurrency, self.server.lines)
        return self._crew

    def _asked(self, prompt: Prompt) -> Asked:
        text = self.style.ask(prompt, self.signal.form)
        return Asked(text, self.encode(prompt), prompt.messages, prompt.tools)

    def encode(self, prompt: Prompt) -> NDArray[np.int32]:
        """What the student, or of a `TeacherMessage` the teacher, reads before the reply. ConfigError if
        there is none or too much."""
        theirs = self.soft is not None or not prompt.to_student
        tokenizer = self.known if theirs and self.known is not None else self.tokenizer
        context = self._context if prompt.to_student else self.server.context
        ids = as_ids(encode_prompt(tokenizer, self.style, prompt, self.signal.form))
        new = self.decoding.max_new_tokens
        if not len(ids) or (context is not None and len(ids) + new > context):
            raise ConfigError(
                f"a prompt of {prompt.template!r} has {len(ids)} tokens: with max_new_tokens {new} it "
                f"must have text and fit the context of {context}"
            )
        return ids

    def score_many(self, passages: Sequence[Passage]) -> list[Soft]:
        """The teacher's distributions on given texts, such as the student's own; not cached.

        ConfigError without `soft`; TrainingError where the server gives none.
        """
        if self.soft is None:
            raise ConfigError("soft is None: name the distributions that scoring is to return")
        jobs = {n: partial(self._score, one) for n, one in enumerate(passages)}
        crew = Crew[int, Soft](self.server.settings.concurrency, self.server.lines)
        crew.begin(jobs)
        done = crew.take(jobs)
        failed = next((made for made in done.values() if isinstance(made, BaseException)), None)
        if failed is not None:
            self.stop()
        if isinstance(failed, NoReplyError):
            raise TrainingError(f"{failed}; {self._kept()}") from failed
        if failed is not None:
            raise failed
        self.counts.scored_tokens += sum(p.span[1] - p.span[0] for p in passages)
        return [done[n] for n in range(len(passages))]  # type: ignore[misc]  # no errors are left

    def _score(self, passage: Passage) -> Soft:
        assert self.soft is not None
        prompt, completion, (first, end), _ = passage
        text = as_ids([*prompt, *completion[:end]])
        soft, _ = self.server.score(text, len(prompt) + first, self.soft.k, self.vocab)
        return soft

    def _record(
        self,
        prompt: Prompt,
        asked: NDArray[np.int32],
        reply: Reply,
        heard: list[Heard] | None = None,
    ) -> TeacherRecord | None:
        """What the student trains on, None where it is rejected; what was heard is added to `heard`."""
        said = reply.whole
        if reply.ids is not None:
            said = whole_reply(self.text(reply.ids), self.reading.closing)
        judged = self._judge(prompt, said, reply.end)
        record: TeacherRecord | None = None
        if judged.reason is None and not prompt.to_student:
            record = TeacherRecord("", asked, as_ids([]), (0, 0), None, text=said)
        elif judged.reason is None:
            record = self._in_tokens(asked, said, reply, bool(prompt.messages))
        if record is None and judged.reason is None:
            judged = Judgement("student", judged.right)
        self.counts.count(judged)
        if judged.reason is not None:
            self.rejections.add(prompt, judged.reason, said)
        first, end = (0, 0) if record is None else record.span
        if heard is not None:
            heard.append(
                Heard.of(
                    prompt,
                    self.signal,
                    judged,
                    teacher=self.fingerprint,
                    reply=said,
                    supervised=""
                    if record is None
                    else record.text or self.text(record.completion_ids[first:end]),
                    finish=reply.finish,
                    prompt_tokens=reply.prompt_tokens,
                    reply_tokens=reply.generated_tokens,
                )
            )
        return record

    def _in_tokens(
        self, asked: NDArray[np.int32], said: str, reply: Reply, whole: bool
    ) -> TeacherRecord | None:
        """A reply in the student's tokens; None where it cannot read it."""
        if reply.ids is not None:
            ids = reply.ids
        else:
            keep = whole or self.reading.keeps_thoughts
            text = continuing(said, self.reading.closing, keep=keep)
            made = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            ends = [end_of(self.tokenizer, self.ends)] if reply.end == "ended" else []
            ids = as_ids([*made, *ends])
        first, end = self.span(ids, whole=whole)
        unknown = self.tokenizer.unk_token_id
        too_long = self._context is not None and len(asked) + len(ids) > self._context
        if end <= first or too_long or (unknown is not None and unknown in ids):
            return None
        soft = reply.top
        if soft is not None:
            self.counts.scored_tokens += end - first
            soft = soft.at(np.arange(first, end))  # a copy
        return self.reading.trained(TeacherRecord("", asked, ids, (first, end), soft))

    def _replies(self, asked: Sequence[Asked], attempt: int) -> list[Reply]:
        """The reply of this attempt to each prompt; equal prompts are asked and counted once."""
        keys = [self._key(one, attempt) for one in asked]
        distinct = dict(zip(keys, asked, strict=True))
        kept = [key for key in distinct if self._crew is None or key not in self._crew]
        known = self._journal.get_many(kept) if self._journal is not None else {}
        new = {key: one for key, one in distinct.items() if key not in known}
        self.counts.cached += len(asked) - len(new)
        fresh = self._fetch(new, attempt)
        known |= fresh
        for key, one in distinct.items():
            reply = known[key]
            self.counts.asked_prompt_tokens += reply.prompt_tokens
            self.counts.asked_generated_tokens += reply.generated_tokens
            self._suspicions.look(one.alone, reply, self.ends)
        return [known[key] for key in keys]

    def _fetch(self, new: Mapping[bytes, Asked], attempt: int) -> dict[bytes, Reply]:
        """Ask, a few at a time. An error waits for what is under way, so that it is kept."""
        if not new:
            return {}
        crew = self._at_work()
        crew.begin({key: partial(self._one, key, one) for key, one in new.items()}, first=True)
        out: dict[bytes, Reply] = {}
        failed: NoReplyError | None = None
        for key, made in crew.take(new).items():
            if isinstance(made, NoReplyError):
                self.counts.in_doubt += made.lost
                failed = failed or made
                continue
            if isinstance(made, BaseException):  # what nobody foresaw
                self.stop()
                raise made
            out[key], lost = made
            self.counts.in_doubt += lost
            self.counts.generated += 1
            self.counts.prompt_tokens += out[key].prompt_tokens
            self.counts.generated_tokens += out[key].generated_tokens
        if self._journal is not None:
            self.counts.in_doubt = self._journal.in_doubt()
        if failed is not None:
            self.stop()
            raise TrainingError(f"{failed}; {self._kept()}") from failed
        return out

    def _one(self, key: bytes, asked: Asked) -> tuple[Reply, int]:
        """Ask one prompt; what comes back is on disk before this returns."""
        seed = int.from_bytes(key[:4]) >> 1  # of prompt and attempt: a second attempt differs
        if self._journal is not None:
            self._journal.begin(key)
        lost = 1  # for what nobody foresaw
        try:
            if self.soft is None:
                around = {**self._around, **({"tools": asked.tools} if asked.tools else {})}
                reply, lost = self.server.chat(asked.turns, self.decoding, seed, **around)
            else:
                k, vocab = self.soft.k, self.vocab
                reply, lost = self.server.complete(asked.ids, self.decoding, seed, k, vocab)
        except BaseException as error:
            if self._journal is not None:
                self._journal.fail(key, error.lost if isinstance(error, NoReplyError) else lost)
            raise
        if self._journal is not None:
            self._journal.keep(key, reply, lost)
        return reply, lost

    def _key(self, asked: Asked, attempt: int) -> bytes:
        """Of all that a reply depends on; neither the server's address nor the student is."""
        own = {"messages": [dict(m) for m in asked.messages], "tools": list(asked.tools)}
        settings: dict[str, Any] = {
            "teacher": self.fingerprint,
            "text": asked.text,
            **(own if asked.messages else {}),
            "max_new_tokens": self.decoding.max_new_tokens,
            "temperature": float(self.decoding.temperature),
            "attempt": attempt,
            "k": None if self.soft is None else self.soft.k,
            **self._around,  # where they are set alone: what was kept before stays of use
        }
        return content_key(settings, asked.ids if self.soft is not None else [])

    def _kept(self) -> str:
        doubt = f"{self.counts.in_doubt} requests may have been paid for without a reply"
        if self._cache is None:
            return f"there is no cache: what was paid for is lost; {doubt}"
        return (
            f"what was paid for is kept in {self._cache.path}, and the same command with --resume "
            f"resumes the run; {doubt}"
        )

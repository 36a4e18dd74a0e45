"""What a teacher was heard to say, as text: to whoever listens, and on disk beside the replies themselves.

Replies are kept by a digest of what was asked, in token ids; what is kept here can be read by a person.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from readsim_hf.prompts import checkers
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.cache import SignalCache, value_checksum
from readsim_hf.teachers.signals import SIGNALS, TeacherSignal

_TABLE = (
    "CREATE TABLE IF NOT EXISTS heard (key BLOB PRIMARY KEY, checksum BLOB NOT NULL, value BLOB)"
)


@dataclass(frozen=True)
class Heard:
    """One reply. Plain data: every field can be written to JSON.

    prompt       what is asked, without what the signal adds
    gold         its answer, where there is one; `checker`, `expect` judge a reply, see `Prompt`
    signal, mark what was asked for, and what stands before a final answer
    reply        all that was said; `supervised` the part that is trained on, "" where it is rejected
    finish       why it ended: "stop", "length", or in a server's words
    prompt_tokens, reply_tokens   the teacher's own
    kept         whether it is trained on
    """

    teacher: str
    capability: str
    template: str
    prompt: str
    gold: str | None
    checker: str
    expect: Mapping[str, Any]
    signal: str
    mark: str
    reply: str
    supervised: str
    finish: str
    prompt_tokens: int
    reply_tokens: int
    kept: bool

    @classmethod
    def of(cls, prompt: Prompt, style: Style, signal: TeacherSignal, **said: Any) -> "Heard":
        """Of a reply to `prompt`; `said` are the fields of the reply."""
        return cls(
            capability=prompt.capability,
            template=prompt.template,
            prompt=prompt.text,
            gold=prompt.answer,
            checker=prompt.checker,
            expect=prompt.expect,
            signal=signal.name,
            mark=style.mark,
            **said,
        )

    @property
    def asked(self) -> Prompt:
        """The prompt, as far as it judges a reply."""
        return Prompt(
            self.capability, self.template, self.prompt, self.gold, None, self.checker, self.expect
        )

    @property
    def reason(self) -> str | None:
        """Why it is not trained on, in one word; None where it is. "student": the student cannot read it."""
        if self.kept:
            return None
        style = Style(answer="", rationale="", mark=self.mark)
        return why_rejected(style, SIGNALS[self.signal], self.asked, self.reply) or "student"

    @property
    def right(self) -> bool | None:
        """Whether its final answer is the gold one; None where there is none or it would have to be run."""
        if self.gold is None or self.checker == "unit_tests":
            return None
        style = Style(answer="", rationale="", mark=self.mark)
        return checkers.check(self.asked, style.final_answer(self.reply))


def why_rejected(style: Style, signal: TeacherSignal, prompt: Prompt, reply: str) -> str | None:
    """Why a reply, as text without end tokens, is not trained on: "empty" (no final answer), "form" (not
    of the form that is asked for), "signal" (the signal has no use for it); None where it is."""
    answer = style.final_answer(reply)
    if not answer:
        return "empty"
    if not checkers.format_ok(prompt, answer):
        return "form"
    return None if signal.accepts(style, prompt, reply) else "signal"


# Is told of all replies of an attempt, cached ones too, in the order of their prompts.
Listener = Callable[[Sequence[Heard]], None]


def tell(
    replies: Mapping[bytes, Heard], cache: SignalCache | None, listener: Listener | None
) -> None:
    """Keep replies, by the key of what was asked, beside those in `cache`; and tell `listener`."""
    if listener is not None:
        listener(list(replies.values()))
    if cache is None:
        return
    rows = []
    for key, heard in replies.items():
        value = json.dumps(asdict(heard), sort_keys=True).encode()
        rows.append((key, value_checksum(key, value), value))
    try:
        with cache.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            connection.executemany("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:  # as the cache itself: it never stops a run
        cache.problem = str(error)


class Kept(NamedTuple):
    """What a file of teacher replies holds.

    heard          those that can be shown
    without_text   replies that an older readsim kept in token ids, or without their prompt
    damaged        entries with a wrong checksum, which a run asks for again
    """

    heard: list[Heard]
    without_text: int
    damaged: int


def kept_in(path: str | Path) -> Kept:
    """All that the file at `path` holds. The errors are those of `SignalCache`."""
    known = {field.name for field in fields(Heard)}
    found: list[Heard] = []
    keys: set[bytes] = set()
    damaged = 0
    with SignalCache(path).connection() as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        query = "SELECT key, checksum, CAST(value AS BLOB) FROM "
        for key, digest, value in connection.execute(query + "heard") if "heard" in tables else ():
            if digest == value_checksum(key, value):
                facts = json.loads(value)
                found.append(Heard(**{k: v for k, v in facts.items() if k in known}))
                keys.add(key)
            else:
                damaged += 1
        replies = set()
        for table in ("records", "replies"):
            for key, digest, value in connection.execute(query + table) if table in tables else ():
                if digest == value_checksum(key, value):
                    replies.add(key)
                else:
                    damaged += 1
    return Kept(found, len(replies - keys), damaged)

"""What a teacher was heard to say, as text: to whoever listens, and on disk beside the replies themselves.

Replies are kept by a digest of what was asked, in token ids; what is kept here can be read by a person.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.cache import SignalCache, value_checksum
from readsim_hf.teachers.judging import Judgement, Reason
from readsim_hf.teachers.signals import TeacherSignal

HEARD_TABLE = (
    "CREATE TABLE IF NOT EXISTS heard (key BLOB PRIMARY KEY, checksum BLOB NOT NULL, value BLOB)"
)


@dataclass(frozen=True)
class Heard:
    """One reply. Plain data: every field can be written to JSON.

    prompt       what is asked, without what the signal adds; `gold` its answer, where there is one
    reply        all that was said, thoughts in their marks; `supervised` the part that is trained on, ""
                 where it is rejected
    finish       why it ended: "stop", "length", or in a server's words
    prompt_tokens, reply_tokens   the teacher's own
    reason, right   see `Judgement`
    key          of the prompt, see `Prompt`; "" of what an older readsim kept
    """

    teacher: str
    capability: str
    template: str
    prompt: str
    gold: str | None
    signal: str
    reply: str
    supervised: str
    finish: str
    prompt_tokens: int
    reply_tokens: int
    reason: Reason | None
    right: bool | None
    key: str = ""

    @classmethod
    def of(
        cls,
        prompt: Prompt,
        signal: TeacherSignal,
        judged: Judgement,
        *,
        supervised: str,
        **said: Any,
    ) -> "Heard":
        """Of a reply to `prompt`; `said` are the other fields of the reply."""
        return cls(
            capability=prompt.capability,
            template=prompt.template,
            prompt=prompt.text,
            gold=prompt.answer,
            signal=signal.name,
            supervised="" if judged.reason else supervised,
            reason=judged.reason,
            right=judged.right,
            key=prompt.key,
            **said,
        )

    @property
    def kept(self) -> bool:
        """Whether it is trained on."""
        return self.reason is None


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
            connection.execute(HEARD_TABLE)
            connection.executemany("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:  # as the cache itself: it never stops a run
        cache.problem = str(error)


class Kept(NamedTuple):
    """What a file of teacher replies holds.

    heard          those that can be shown
    without_text   replies that an older readsim kept in token ids, or without their prompt; a judge's grades
    damaged        entries with a wrong checksum, which a run asks for again
    """

    heard: list[Heard]
    without_text: int
    damaged: int


def some_kept(path: str | Path, most: int) -> list[Heard]:
    """At most so many whole replies of the file at `path` that are trained on, at random; none where there is
    no file. The errors are those of `SignalCache`."""
    if not Path(path).is_file():
        return []
    known = {field.name for field in fields(Heard)}
    with SignalCache(path).connection() as connection:
        connection.execute(HEARD_TABLE)
        query = (
            "SELECT key, checksum, CAST(value AS BLOB) FROM heard ORDER BY key LIMIT ?"  # digests
        )
        rows = connection.execute(query, (most,)).fetchall()
    whole = [
        json.loads(value) for key, digest, value in rows if digest == value_checksum(key, value)
    ]
    found = [Heard(**{k: v for k, v in facts.items() if k in known}) for facts in whole]
    return [one for one in found if one.kept]


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

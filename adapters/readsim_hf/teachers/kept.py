"""What a cache file holds, as text."""

from collections.abc import Iterator
from typing import NamedTuple

from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.codec import record_from_bytes
from readsim_hf.teachers.finish import End, end_of_reply
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.reply import reply_from_bytes


class Kept(NamedTuple):
    """One reply.

    asked    the prompt as the teacher read it, template and all; a server's as the user message alone, ""
             where an older readsim did not keep it
    reply    with thoughts in their marks, without end tokens
    end      how it ended; None where the server's word is unknown
    tokens   of the reply, as it was paid for
    source   "model", or "server:NAME" with the served model's own name for itself
    """

    asked: str
    reply: str
    end: End | None
    tokens: int
    source: str


def kept_replies(cache: SignalCache, reading: Reading) -> Iterator[Kept]:
    """The replies of teachers in this process, read with `reading`, then those of servers.

    The cache does not say whose tokens a record is in: `reading` is that of the run beside it. Damaged
    values are left out and counted in `cache.corrupt`.
    """
    size = len(reading.tokenizer)
    for value in cache.values("records"):
        record = record_from_bytes(value)
        if max(*record.prompt_ids, *record.completion_ids, 0) >= size:
            continue  # another teacher's
        asked = reading.tokenizer.decode(
            record.prompt_ids.tolist(), clean_up_tokenization_spaces=False
        )
        said = reading.text(record.completion_ids)
        end: End = "ended" if reading.ended(record.completion_ids) else "cut"
        yield Kept(str(asked), said, end, len(record.completion_ids), "model")
    for value in cache.values("replies"):
        reply = reply_from_bytes(value)
        end_of = end_of_reply(reply.finish)
        name = f"server:{reply.model}"
        yield Kept(reply.asked, reply.whole, end_of, reply.generated_tokens, name)

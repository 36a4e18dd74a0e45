"""A given reply as a record: the conversation in tokens, and which of them the assistant says."""

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import chat_text
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import continuing, said_from
from readsim_hf.teachers.encoding import bare_ids, closing_mark, conversation, end_of, ids_of
from readsim_hf.teachers.record import TeacherRecord


def given_record(prompt: Prompt, tokenizer: Tokenizer, ends: Sequence[int]) -> TeacherRecord:
    """`prompt.reply`, and the earlier turns that are `taught`, in these tokens; no distributions.

    A reply is read as a teacher's would be: it stands behind what the template puts in front of replies, and
    one of `ends` stands behind it. The end token belongs to each turn that is trained on, where the template
    writes it.

    Raises ConfigError where the chat template does not take the conversation, or writes an earlier turn so
    that it cannot be told which tokens are the assistant's.
    """
    before, end = conversation(tokenizer, prompt), end_of(tokenizer, ends)
    asked = ids_of(tokenizer, before)
    said = _reply(prompt, tokenizer, before, end)
    ids = np.array([*asked, *said], dtype=np.int32)
    first, positions = len(asked), None
    if prompt.taught:
        starts = _starts(prompt, tokenizer, before)
        turns = [_turn(prompt, turn, tokenizer, before, end) for turn in prompt.taught]
        taught = [n for n, at in enumerate(starts) if any(a <= at < b for a, b in turns)]
        places = np.array([*taught, *range(first, len(ids))], dtype=np.int32)
        first = int(places[0])
        positions = places - np.int32(first)
    return TeacherRecord(
        prompt.capability,
        ids[:first],
        ids[first:],
        (0, len(ids) - first),
        None,
        positions=positions,
        row=prompt.row,
    )


def _reply(prompt: Prompt, tokenizer: Tokenizer, before: str, end: int) -> list[int]:
    assert prompt.reply is not None
    if not prompt.calls:
        text = continuing(prompt.reply, closing_mark(tokenizer), keep=True)
        return [*bare_ids(tokenizer, text), end]
    last = {"role": "assistant", "content": prompt.reply, "tool_calls": list(prompt.calls)}
    whole = chat_text(tokenizer, [*prompt.messages, last], ended=True, tools=prompt.tools)
    if not whole.startswith(before):
        raise _unclear(prompt, "the calls of tools in the reply")
    said, _, _ = whole[len(before) :].partition(_written(tokenizer, end))
    return [*bare_ids(tokenizer, said), end]


def _starts(prompt: Prompt, tokenizer: Tokenizer, before: str) -> list[int]:
    """Where in the text each of its tokens begins."""
    if not tokenizer.is_fast:
        raise _unclear(
            prompt, "earlier turns with a tokenizer that does not tell where tokens begin"
        )
    made = tokenizer(before, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
    return [int(start) for start, _ in made["offset_mapping"]]


def _turn(
    prompt: Prompt, turn: int, tokenizer: Tokenizer, before: str, end: int
) -> tuple[int, int]:
    """Half-open range of letters of the whole text that an assistant turn says, with its end mark."""
    earlier, message = prompt.messages[:turn], prompt.messages[turn]
    opened = chat_text(tokenizer, earlier, tools=prompt.tools) if earlier else ""
    exact = bool(earlier) and before.startswith(opened)
    first, last = (len(opened), len(before)) if exact else _place(prompt, turn, tokenizer, before)
    content = str(message["content"])
    words = (content, content.strip(), content[said_from(content) :].strip())
    at, said = next(((at, w) for w in words if (at := before.find(w, first, last)) >= 0), (-1, ""))
    mark = _written(tokenizer, end)
    stop = before.find(mark, at + len(said))
    calls = bool(message.get("tool_calls"))
    if at < 0 or (calls and stop < 0):
        raise _unclear(prompt, f"turn {turn}")
    if stop >= 0 and (calls or not before[at + len(said) : stop].strip()):
        return (first if exact else at), stop + len(mark)
    return (first if exact else at), at + len(said)


def _place(prompt: Prompt, turn: int, tokenizer: Tokenizer, before: str) -> tuple[int, int]:
    """Half-open range of letters of `before` that change with what a turn says: behind its header, where the
    prompt of a reply has more than that (thoughts opened and closed)."""
    other = next(letter for letter in map(chr, range(0xE000, 0xF900)) if letter not in before)
    messages = [dict(message) for message in prompt.messages]
    messages[turn]["content"] = other
    changed = chat_text(tokenizer, messages, tools=prompt.tools)
    if other not in changed:
        raise _unclear(prompt, f"turn {turn}")
    first = _common_start(before, changed)
    return first, len(before) - _common_start(before[first:][::-1], changed[first:][::-1])


def _common_start(one: str, other: str) -> int:
    """How many letters both begin with."""
    both = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in both if a != b), min(len(one), len(other)))


def _written(tokenizer: Tokenizer, end: int) -> str:
    return str(tokenizer.convert_ids_to_tokens(end))


def _unclear(prompt: Prompt, what: str) -> ConfigError:
    return ConfigError(
        f"row {prompt.row} of source {prompt.capability!r}: the chat template does not show which tokens are "
        f"the assistant's in {what}; say train_on = 'last', or give pair.chat_template, a file"
    )

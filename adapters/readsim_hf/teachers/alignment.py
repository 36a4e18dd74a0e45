"""A teacher's distributions at the positions of a student that cuts the same text into other tokens.

A token begins at a character of the reply's text where what stands before it decodes to just the text up to
there; inside of a character, or where a tokenizer does not give the text back, nothing begins. Where tokens
of both begin, both models predict what comes next from the same text: there the teacher's top-k is laid,
with the ids of the student's tokens of the same text, -1 for those that it does not have. Between two such
places lies a span, whose likelihood is the product over the teacher's tokens.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.objectives.sparse import said_log_probs
from readsim_hf.teachers.encoding import bare_ids, decoder, end_of
from readsim_hf.teachers.ids import Ids
from readsim_hf.teachers.record import Soft, TeacherRecord
from readsim_hf.teachers.signals import Decode

_WINDOW = 32  # tokens that are decoded again to see where the next one begins
_TEXT = "17 + 25 = 42\n a: b"


class Alignment:
    """Between the tokens of a teacher and of a student, each with the ids that end a reply.

    ConfigError for a tokenizer that does not give back a text that it read: its offsets are unknown.
    """

    def __init__(
        self,
        teacher: tuple[PreTrainedTokenizerBase, Sequence[int]],
        student: tuple[PreTrainedTokenizerBase, Sequence[int]],
    ) -> None:
        self._sides = teacher, student
        self._decode = [decoder(tokenizer, ends) for tokenizer, ends in self._sides]
        for who, side, decode in zip(
            ("teacher", "student"), self._sides, self._decode, strict=True
        ):
            ids = bare_ids(side[0], _TEXT)
            if None in starts(ids, decode, _TEXT) or decode(ids) != _TEXT:
                raise ConfigError(
                    f"the {who}'s tokenizer reads {_TEXT!r} and gives back {decode(ids)!r}: where its tokens "
                    "begin in a text is unknown; use resp-sft or cot-sft, which need no distributions"
                )

    @cached_property
    def student_id(self) -> Ids:
        """(V,) of each of the teacher's ids that of the student's token with the same text, -1 for none; of
        special tokens and parts of a character, that have no text, the token of the same name."""
        theirs, ours = (named_texts(tokenizer, ends) for tokenizer, ends in self._sides)
        place = {both: i for i, both in enumerate(ours)}
        found = np.array([place.pop(both, -1) if both[0] else -1 for both in theirs], np.int32)
        left = {text: i for (_, text), i in place.items() if text}
        for i in np.flatnonzero(found < 0):
            found[i] = left.pop(theirs[i][1], -1)
        end, own = (end_of(tokenizer, ends) for tokenizer, ends in self._sides)
        found[found == own] = -1
        found[end] = own
        return found

    def carried(self, theirs: TeacherRecord, ours: TeacherRecord) -> TeacherRecord:
        """`ours`, the student's record of a reply, with what the teacher's record of it knows."""
        assert theirs.soft is not None
        texts = [
            d(r.completion_ids.tolist()) for d, r in zip(self._decode, (theirs, ours), strict=True)
        ]
        k, first, begin = theirs.soft.ids.shape[1], theirs.span[0], ours.span[0]
        ids = np.full((ours.supervised, k), -1, np.int32)
        logp = np.full((ours.supervised, k), -np.inf, np.float32)
        spans = np.full(ours.supervised, np.nan, np.float32)
        made = Soft("topk", ids, logp)
        if not texts[0].endswith(texts[1]):  # thoughts that are left out stand first
            return replace(ours, soft=made, spans=spans)
        shift = len(texts[0]) - len(texts[1])
        at = [
            {s: n for n, s in enumerate(starts(r.completion_ids.tolist(), d, t)) if s is not None}
            for r, d, t in zip((theirs, ours), self._decode, texts, strict=True)
        ]  # of tokens without text the last one counts
        both = sorted((at[0][s + shift], n) for s, n in at[1].items() if s + shift in at[0])
        ends = [*both[1:], (len(theirs.completion_ids), len(ours.completion_ids))]
        said = said_log_probs(theirs.soft, theirs.completion_ids[theirs.places])
        for (i, j), (i_end, j_end) in zip(both, ends, strict=True):
            if i >= first and begin <= j < ours.span[1]:
                top = theirs.soft.ids[i - first]
                there = np.minimum(
                    top, len(self.student_id) - 1
                )  # some rows of a head have no token
                ids[j - begin] = np.where(there == top, self.student_id[there], -1)
                logp[j - begin] = theirs.soft.logp[i - first]
            if begin < j_end <= ours.span[1]:
                whole = i >= first and j >= begin
                value = said[i - first : i_end - first].sum() if whole else np.inf
                spans[j_end - 1 - begin] = value if np.isfinite(value) else np.inf
        return replace(ours, soft=made, spans=spans)


def starts(ids: Sequence[int], decode: Decode, text: str) -> list[int | None]:
    """The character of `text` at which each token begins; None where that is not known."""
    out: list[int | None] = [0] if ids else []
    base, at = 0, 0  # a token whose place is known, and its place
    for n in range(1, len(ids)):
        lead = list(ids[max(base - 1, 0) : base])  # some leave out a space at the start
        part = decode([*lead, *ids[base:n]])[len(decode(lead)) :]
        known = text.startswith(part, at)
        out.append(at + len(part) if known else None)
        if known and n - base >= _WINDOW:
            base, at = n, at + len(part)
    return out


def named_texts(tokenizer: PreTrainedTokenizerBase, ends: Sequence[int]) -> list[tuple[str, str]]:
    """Of each id its name in the vocabulary, and its text behind another token: "" for special tokens and
    for parts of a character."""
    lead, decode = bare_ids(tokenizer, "a"), decoder(tokenizer, ())
    named, skip = (
        {i: t for t, i in tokenizer.get_vocab().items()},
        {*tokenizer.all_special_ids, *ends},
    )
    start, out = decode(lead), []
    for n in range(max(named) + 1):
        text = decode([*lead, n]) if n in named and n not in skip else ""
        whole = text.startswith(start) and "\ufffd" not in text
        out.append((named.get(n, ""), text[len(start) :] if whole else ""))
    return out

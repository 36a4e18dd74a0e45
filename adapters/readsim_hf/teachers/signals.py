"""What the teacher is asked for, and which tokens of its reply are supervised."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from readsim.errors import unknown
from readsim_hf.prompts.library import Form, Style

# Token ids to text, without end tokens and other special tokens.
Decode = Callable[[Sequence[int]], str]


class TeacherSignal(Protocol):
    """A kind of supervision (R71, D22).

    It decides three things and no other: the form that the prompt asks for, the span of the reply
    that is supervised, and whether the teacher's distributions have to be stored.
    """

    @property
    def name(self) -> str: ...

    @property
    def form(self) -> Form: ...

    @property
    def needs_soft(self) -> bool:
        """Whether it means nothing without the teacher's distributions."""
        ...

    def span(self, style: Style, completion: Sequence[int], decode: Decode) -> tuple[int, int]:
        """Half-open range of the completion's tokens that are supervised."""
        ...


def token_of(completion: Sequence[int], char: int, decode: Decode) -> int:
    """Index of the first token with a byte of character `char` of the decoded completion.

    `len(completion)` if the text is not longer than `char`. Found by decoding prefixes (about
    log2 of the length of them), since a token of a byte-level vocabulary may end inside a character
    and one token may hold characters on both sides of a mark.
    """
    text = decode(completion)

    def begun(last: int) -> int:
        """Characters of the text that begin in the tokens up to `last`."""
        part = decode(completion[: last + 1])
        same = enumerate(zip(part, text, strict=False))
        whole = next((i for i, (a, b) in same if a != b), min(len(part), len(text)))
        return whole + (len(part) > whole)  # what differs is one character with bytes missing

    return bisect_right(range(len(completion)), char, key=begun)


@dataclass(frozen=True)
class FinalAnswer:
    """The final answer with its end token; what stands before it is context, not supervised."""

    name: str
    form: Form
    needs_soft: bool = False

    def span(self, style: Style, completion: Sequence[int], decode: Decode) -> tuple[int, int]:
        """From the token that holds the first character of the answer; space after a mark is none."""
        text = decode(completion)
        start = style.answer_start(text)
        if start == 0:
            return 0, len(completion)
        start = len(text) - len(text[start:].lstrip())
        return token_of(completion, start, decode), len(completion)


@dataclass(frozen=True)
class WholeReply:
    """All that the teacher says, with the end token."""

    name: str
    form: Form
    needs_soft: bool = False

    def span(self, style: Style, completion: Sequence[int], decode: Decode) -> tuple[int, int]:
        """All tokens."""
        return 0, len(completion)


RESP = FinalAnswer("resp", "answer")
COT = WholeReply("cot", "rationale")
LOGIT = WholeReply("logit", "answer", needs_soft=True)
SIGNALS: Mapping[str, TeacherSignal] = MappingProxyType({s.name: s for s in (RESP, COT, LOGIT)})


def signal_named(name: str) -> TeacherSignal:
    """One of `SIGNALS`; UnknownNameError for another name."""
    if name not in SIGNALS:
        raise unknown("teacher signal", name, SIGNALS)
    return SIGNALS[name]

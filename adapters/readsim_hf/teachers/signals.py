"""What the teacher is asked for, and which tokens of its reply are supervised."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from readsim.errors import unknown
from readsim_hf.prompts.equations import judge
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import said_from

# Token ids to text, without end tokens and other special tokens.
Decode = Callable[[Sequence[int]], str]


class Piece(NamedTuple):
    """A part of a reply that is a training record of its own.

    form        in which the student is asked for it
    text        what it is to say, and no more
    auxiliary   whether it is there to help with the other piece
    """

    form: Form
    text: str
    auxiliary: bool


class TeacherSignal(Protocol):
    """A kind of supervision.

    It decides the form that the teacher's prompt asks for, the span of the reply that is supervised,
    whether the teacher's distributions have to be stored, which replies are of use, and, where a
    reply is not trained on as it is, which records it is cut into.
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

    @property
    def tasks(self) -> int:
        """Training records of one reply: 1, or the number of its pieces."""
        ...

    def accepts(self, style: Style, prompt: Prompt, reply: str) -> bool:
        """Whether a reply with a well-formed final answer may be trained on."""
        ...

    def pieces(self, style: Style, reply: str) -> tuple[Piece, ...]:
        """The records that a reply is cut into; none where the reply itself is the record."""
        ...


class _OneRecord:
    """The reply itself is the record, whatever it says."""

    tasks = 1

    def accepts(self, style: Style, prompt: Prompt, reply: str) -> bool:
        return True

    def pieces(self, style: Style, reply: str) -> tuple[Piece, ...]:
        return ()


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
class FinalAnswer(_OneRecord):
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
class WholeReply(_OneRecord):
    """All that the teacher says, with the end token."""

    name: str
    form: Form
    needs_soft: bool = False

    def span(self, style: Style, completion: Sequence[int], decode: Decode) -> tuple[int, int]:
        """All tokens; those of thoughts only where more than the answer was asked for."""
        start = said_from(decode(completion)) if self.form == "answer" else 0
        return (token_of(completion, start, decode) if start else 0), len(completion)


@dataclass(frozen=True)
class SolvedEquations(WholeReply):
    """Equations and the answer to which they lead (EoTD, arXiv 2401.11864); the solver is ours."""

    def accepts(self, style: Style, prompt: Prompt, reply: str) -> bool:
        """Not where the answer is to be a number and there are no equations, or they give another.

        Equations that are not solved to the end, and answers that are no numbers, are not judged.
        """
        if prompt.checker != "number":
            return True
        return judge(style.before_answer(reply), style.final_answer(reply)) in ("leads", "unclear")


@dataclass(frozen=True)
class TwoTasks:
    """One reply, two tasks: its answer, and what leads there; the prompt's suffix tells them apart.

    Each is a record of its own, asked for as `answer` and as `form`. Text only: the student's words are
    not positions of the teacher's reply, so that no distributions belong to them.
    """

    name: str
    form: Form
    needs_soft: bool = False
    tasks: int = 2

    def span(self, style: Style, completion: Sequence[int], decode: Decode) -> tuple[int, int]:
        """All tokens: the reply is cut as text."""
        return 0, len(completion)

    def accepts(self, style: Style, prompt: Prompt, reply: str) -> bool:
        """Where both pieces say something."""
        return all(piece.text for piece in self.pieces(style, reply))

    def pieces(self, style: Style, reply: str) -> tuple[Piece, ...]:
        return (
            Piece("answer", style.final_answer(reply), auxiliary=False),
            Piece(self.form, style.before_answer(reply), auxiliary=True),
        )


RESP = FinalAnswer("resp", "answer")
COT = WholeReply("cot", "rationale")
LOGIT = WholeReply("logit", "answer", needs_soft=True)
# The specialised ones of Figure 5: Distilling step-by-step (arXiv 2305.02301), EoTD, and CodePLAN's
# multi-task learning (2403.13271).
STEPS = TwoTasks("step-by-step", "rationale")
EQUATIONS = SolvedEquations("equation-of-thought", "equations")
PLAN = TwoTasks("plan-then-code", "plan")
_ALL: tuple[TeacherSignal, ...] = (RESP, COT, LOGIT, STEPS, EQUATIONS, PLAN)
SIGNALS: Mapping[str, TeacherSignal] = MappingProxyType({s.name: s for s in _ALL})


def signal_named(name: str) -> TeacherSignal:
    """One of `SIGNALS`; UnknownNameError for another name."""
    if name not in SIGNALS:
        raise unknown("teacher signal", name, SIGNALS)
    return SIGNALS[name]

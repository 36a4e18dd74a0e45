"""What a signal of several requests is, and what it may ask of teacher and student."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

from readsim.errors import ConfigError
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.ids import Ids
from readsim_hf.teachers.signals import WholeReply


@dataclass(frozen=True)
class ElicitationConfig:
    """How much is asked by signals of several requests.

    traces        replies that are drawn of one prompt, where several are
    keep_traces   of these at most so many are trained on
    explained     share of the prompts that the teacher may explain, its budget of messages
    shown         prompts that the teacher is shown when it writes another
    novelty       a new prompt that is more alike to an earlier one than this (ROUGE-L, 0 to 1) is none
    only_missed   new prompts that the student answers as the teacher does are left out
    score         mean score of peers, 1 to 10, from which a reply is trained on
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012
    traces: int = 4
    keep_traces: int = 2
    explained: float = 0.5
    shown: int = 3
    novelty: float = 0.7
    only_missed: bool = False
    score: float = 7.0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("traces", 1, 1000),
            ("keep_traces", 1, 1000),
            ("explained", 0, 1),
            ("shown", 1, 100),
            ("novelty", 0, 1),
            ("score", 1, 10),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r}: expected a number from {least} to {most}"
                )


@dataclass(frozen=True)
class Lesson:
    """A training record as text.

    asked    what the student reads: a prompt, asked for in `form`, or the text of one user turn
    said     what it is to say; with `ids`, which are these words in its own tokens, as they stand
    weight   of its tokens' losses
    shown    what the model reads in the place of `asked` where it teaches itself, like `asked`; None: no
             distributions
    """

    asked: Prompt | str
    said: str
    form: Form = "rationale"
    weight: float = 1.0
    ids: Ids | None = None
    shown: Prompt | str | None = None


class Request(NamedTuple):
    """A user turn about a prompt. `draw` tells equal ones apart: each number has a reply of its own."""

    prompt: Prompt
    text: str
    draw: int = 0


class StudentReply(NamedTuple):
    """What the student said, as text without thoughts; `ids` are all its tokens."""

    text: str
    ids: Ids


class ReadAs(NamedTuple):
    """How the student reads a text that it is to say: means over its tokens.

    surprisal   -log p of the token, in nats
    rank        1 for the likeliest token, at most `FAR`
    """

    surprisal: float
    rank: float


FAR = 100  # ranks beyond it count as it


class Voices(Protocol):
    """Teacher, student and checkers, as a signal of several requests uses them.

    Replies come in the order asked, None where there is none of use. Nothing depends on which prompts are
    asked together. Tokens are charged to whom it concerns.
    """

    @property
    def style(self) -> Style: ...

    @property
    def peers(self) -> tuple[str, ...]:
        """One capability of each teacher: a request about a prompt of it goes to that teacher."""
        ...

    def teach(self, prompts: Sequence[Prompt], draw: int = 0) -> list[str | None]:
        """What the teacher says to prompts in the signal's form, judged as ever."""
        ...

    def tell(self, requests: Sequence[Request], kind: str = "") -> list[str | None]:
        """What the teacher says to requests. `kind`: "judge" or "expansion", how it is charged."""
        ...

    def attempt(self, prompts: Sequence[Prompt], draw: int = 0) -> list[StudentReply | None]:
        """What the student says to prompts in the signal's form."""
        ...

    def write(self, requests: Sequence[Request]) -> list[StudentReply | None]:
        """What the student says to requests."""
        ...

    def right(self, prompt: Prompt, reply: str) -> bool | None:
        """Whether a reply's final answer is right; None where nothing can tell."""
        ...

    def fits(self, lessons: Sequence[Lesson]) -> list[ReadAs]:
        """How the student reads what lessons say."""
        ...

    def may_train(self, text: str) -> bool:
        """Whether a new prompt is no held-out item and overlaps with none."""
        ...


# The lessons of one prompt, or in words why there are none.
Lessons = list[Lesson] | str


@dataclass(frozen=True)
class Elicitation(WholeReply, ABC):
    """A signal of several requests. `settings` say how much is asked.

    The teacher's own reply to a prompt is asked for in `form` and judged as that of any other signal;
    what else is asked is free text. Lessons are text, so that no distributions of the teacher belong to
    them.

    prose      whether the teacher is asked in prose, which it has to read and write
    gold       whether a prompt without a gold answer gives no lesson
    drawer     who writes different replies to one prompt where it wants several, see `draws`
    reads      the fields of `settings` that it reads
    asks       whether anything is asked of the teacher
    own_soft   whether the student's own distributions are stored with its lessons, see `Lesson.shown`
    tries      whether the student has to be there
    """

    settings: ElicitationConfig = ElicitationConfig()
    prose = False
    gold = False
    drawer: ClassVar[Literal["teacher", "student"]] = "teacher"
    reads: ClassVar[tuple[str, ...]] = ()
    asks = True
    own_soft = False
    tries = True

    def draws(self, teachers: int) -> int:
        """Replies to one prompt that have to differ, where so many teachers answer; 1 for none."""
        del teachers
        return 1

    def reads_of(self, teachers: int) -> tuple[str, ...]:
        """Of `reads`, what is read where so many teachers answer."""
        del teachers
        return self.reads

    @abstractmethod
    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        """What the student is to learn of each prompt, in order."""


def asked_text(prompt: Prompt, style: Style, form: Form) -> str:
    """What the student is asked, as a text for somebody who is told about it."""
    return prompt.whole if prompt.messages else style.ask(prompt, form)


def reference(prompt: Prompt, style: Style) -> str | None:
    """The gold solution as a reply with its reasoning before the answer, where there is one; None without
    a gold answer."""
    if prompt.answer is None:
        return None
    if style.name == "nano":
        return f"{prompt.rationale or ''}{style.mark}{prompt.answer}"
    return f"{prompt.rationale or ''}\n{style.mark} {prompt.answer}".lstrip()


def verdict(text: str | None, yes: str, no: str, mark: str = "") -> bool | None:
    """What a judge decided: the last of both words that follows the `mark`. Where none is asked for, the last
    that stands alone, at the start of a line or sentence, behind a colon or "answer is". None where neither
    does: words of an argument are no verdict."""
    word = rf"(?:[^\w\n]|_)*({yes}|{no})"
    if mark:
        found = re.findall(
            rf"(?<![^\W_]){mark}{word}(?![^\W_])(?! or\b)", text or "", re.IGNORECASE
        )
    else:
        alone = r"(?![^\W_])(?!\. ?\d)(?=(?:[^\w\n]|_)*$|[_*\"')\]]*[.,;:!?])"
        lead = r"(?:^|[:.!?]|\banswer is\b)"
        found = re.findall(f"{lead}{word}{alone}", text or "", re.IGNORECASE | re.MULTILINE)
    return found[-1].casefold() == yes.casefold() if found else None

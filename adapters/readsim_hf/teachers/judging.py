"""Which replies are trained on: one reply judged, with the reason where it is not; and what was rejected."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from readsim_hf.prompts import checkers
from readsim_hf.prompts.library import PROSE, Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import said_from
from readsim_hf.teachers.finish import End
from readsim_hf.teachers.signals import TeacherSignal

# Whether the final answer of a reply has the form that the prompt asks for.
FormatCheck = Callable[[Prompt, str], bool]
Keep = Literal["all", "correct"]
# Why a reply is not trained on, in the order in which it is asked:
# refused   the server gave no reply (filtered, broken off, a call of a tool)
# cut       it was cut at the length limit
# thoughts  it has thoughts and no end of them
# empty     it has no final answer
# form      its final answer is not of the form that the prompt asks for
# signal    the signal has no use for it: a piece is missing, equations lead elsewhere
# wrong     its final answer is not the gold one
# student   the student cannot read it: too long, or not in its tokens
Reason = Literal["refused", "cut", "thoughts", "empty", "form", "signal", "wrong", "student"]
REASONS: tuple[Reason, ...] = get_args(Reason)
SHOWN = 3  # examples kept of each capability and reason


class Judgement(NamedTuple):
    """`reason` None: the reply is trained on. `right` None: nobody asked, or no gold answer can tell."""

    reason: Reason | None
    right: bool | None


@dataclass(frozen=True)
class Judge:
    """Judges replies to prompts of one style under one signal.

    keep       "correct" rejects a reply whose final answer is not the gold one, where there is one
    keep_cut   keeps replies that were cut at the length limit
    """

    style: Style
    signal: TeacherSignal
    format_ok: FormatCheck = checkers.format_ok
    keep: Keep = "all"
    keep_cut: bool = False

    def __call__(self, prompt: Prompt, reply: str, end: End = "ended") -> Judgement:
        """One reply, as text without end tokens, thoughts with their marks in it."""
        if end == "refused":
            return Judgement("refused", None)
        if end == "cut" and not self.keep_cut:
            return Judgement("cut", None)
        answer = final_answer(self.style, prompt, reply)
        if not answer:
            endless = 0 < len(reply) == said_from(reply)
            return Judgement("thoughts" if endless else "empty", None)
        if not self.format_ok(prompt, answer):
            return Judgement("form", None)
        if not prompt.messages and not self.signal.accepts(self.style, prompt, reply):
            return Judgement("signal", None)
        right = checkers.correct(prompt, answer)
        return Judgement("wrong" if self.keep == "correct" and right is False else None, right)


def final_answer(style: Style, prompt: Prompt, reply: str) -> str:
    """The final answer in a reply; where the prompt asked for no mark, all that is said behind thoughts, or
    what stands behind the mark of prose."""
    if not prompt.messages:
        return style.final_answer(reply)
    return PROSE.final_answer(reply) or reply[said_from(reply) :].strip()


class Rejection(NamedTuple):
    """A reply that is not trained on. `gold` is the prompt's answer, where it has one."""

    capability: str
    reason: Reason
    prompt: str
    reply: str
    gold: str | None


@dataclass
class Rejections:
    """What was rejected: how many by (capability, reason), and the first `SHOWN` of each."""

    counts: dict[tuple[str, Reason], int] = field(default_factory=dict)
    examples: list[Rejection] = field(default_factory=list)

    def add(self, prompt: Prompt, reason: Reason, reply: str) -> None:
        """One more."""
        key = (prompt.capability, reason)
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.counts[key] <= SHOWN:
            self.examples.append(
                Rejection(prompt.capability, reason, prompt.text, reply, prompt.answer)
            )

    def merged(self, other: "Rejections") -> "Rejections":
        """Both together."""
        counts = dict(self.counts)
        for key, n in other.counts.items():
            counts[key] = counts.get(key, 0) + n
        seen: dict[tuple[str, Reason], int] = {}
        examples = []
        for one in (*self.examples, *other.examples):
            key = (one.capability, one.reason)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= SHOWN:
                examples.append(one)
        return Rejections(counts, examples)

    def table(self) -> dict[str, dict[str, int]]:
        """Capability -> reason -> replies, as plain data."""
        out: dict[str, dict[str, int]] = {}
        for (capability, reason), n in self.counts.items():
            out.setdefault(capability, {})[reason] = n
        return out

    def by_reason(self) -> dict[str, int]:
        """Replies by reason, of all capabilities; reasons without any are left out."""
        sums: dict[str, int] = {
            r: sum(n for (_, why), n in self.counts.items() if why == r) for r in REASONS
        }
        return {reason: n for reason, n in sums.items() if n}

    def __iter__(self) -> Iterator[Rejection]:
        return iter(self.examples)

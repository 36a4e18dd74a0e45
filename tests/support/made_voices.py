"""Voices that say what a test tells them to, and remember what they were asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from readsim_hf.prompts.checkers import correct
from readsim_hf.prompts.library import PROSE, Style
from readsim_hf.prompts.prompt import Prompt

# What is said to a text, the draw after it.
Says = Callable[[str, int], str | None]


def silent(text: str, draw: int) -> str | None:
    """Nothing."""
    return None


def sum_of(a: int, b: int, capability: str = "math") -> Prompt:
    """A prompt with a gold number."""
    text = f"What is {a} plus {b}?"
    return Prompt(
        capability, "math/sum", text, str(a + b), f"{a} + {b} = {a + b}", checker="number"
    )


class MadeVoices:
    """See `readsim_hf.elicitation.base.Voices`.

    teacher, student   what each says to prompts; `told`, `wrote` to requests
    reads              (surprisal, rank) of what a lesson says
    held_out           texts that must not be trained on
    """

    def __init__(
        self,
        teacher: Says = silent,
        student: Says = silent,
        told: Says = silent,
        wrote: Says = silent,
        reads: Callable[[Any], tuple[float, float]] = lambda lesson: (1.0, 1.0),
        held_out: Sequence[str] = (),
        peers: tuple[str, ...] = ("",),
        style: Style = PROSE,
    ) -> None:
        self.teacher, self.student, self.told, self.wrote = teacher, student, told, wrote
        self.reads, self.held_out, self.peers, self.style = reads, held_out, peers, style
        self.asked: list[tuple[str, str]] = []  # by whom, and what

    def teach(self, prompts: Sequence[Prompt], draw: int = 0) -> list[str | None]:
        self.asked += [("teach", p.text) for p in prompts]
        return [self.teacher(p.text, draw) for p in prompts]

    def tell(self, requests: Sequence[Any], kind: str = "") -> list[str | None]:
        self.asked += [(kind or "tell", r.text) for r in requests]
        self.about = [r.prompt for r in requests]
        return [self.told(r.text, r.draw) for r in requests]

    def attempt(self, prompts: Sequence[Prompt], draw: int = 0) -> list[Any]:
        return [self._reply(self.student(p.text, draw)) for p in prompts]

    def write(self, requests: Sequence[Any]) -> list[Any]:
        self.asked += [("write", r.text) for r in requests]
        return [self._reply(self.wrote(r.text, r.draw)) for r in requests]

    def right(self, prompt: Prompt, reply: str) -> bool | None:
        return correct(prompt, self.style.final_answer(reply))

    def fits(self, lessons: Sequence[Any]) -> list[Any]:
        from readsim_hf.elicitation.base import ReadAs

        return [ReadAs(*self.reads(lesson)) for lesson in lessons]

    def may_train(self, text: str) -> bool:
        return text not in self.held_out

    def _reply(self, text: str | None) -> Any:
        from readsim_hf.elicitation.base import StudentReply

        return None if text is None else StudentReply(text, [ord(c) for c in text])


def by_text(table: Mapping[str, str | None], otherwise: str | None = None) -> Says:
    """What is said to texts that hold a key of the table."""

    def says(text: str, draw: int) -> str | None:
        return next((said for key, said in table.items() if key in text), otherwise)

    return says


def lessons_of(
    voices: MadeVoices, name: str, prompts: Sequence[Prompt], **settings: Any
) -> list[Any]:
    """Of the signal of that name: (asked, said) of each lesson, prompts by their text; a reason as it is."""
    from readsim_hf.elicitation.base import Elicitation, ElicitationConfig
    from readsim_hf.elicitation.catalogue import make_signal

    signal = make_signal(name, ElicitationConfig(**settings))
    assert isinstance(signal, Elicitation)
    return [
        found
        if isinstance(found, str)
        else [(x.asked if isinstance(x.asked, str) else x.asked.text, x.said) for x in found]
        for found in signal.lessons(prompts, voices)
    ]


def only_lessons(voices: MadeVoices, name: str, prompt: Prompt, **settings: Any) -> Any:
    """Of one prompt."""
    (found,) = lessons_of(voices, name, [prompt], **settings)
    return found

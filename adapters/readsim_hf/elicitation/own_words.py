"""The reference reply in the student's own words (SDFT, arXiv 2402.13669)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import (
    Elicitation,
    Lesson,
    Lessons,
    Request,
    Voices,
    asked_text,
    reference,
)
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

REWRITE = (
    "{asked}\n\nBelow is a good reply. Write it again in your own words, with the same answer at the end.\n\n"
    "{reply}"
)


@dataclass(frozen=True)
class OwnWords(Elicitation):
    """The student, shown the question c and a reply y, writes y' in its own words, and learns c -> y'.

        L = -log p_theta(y' | c),   y' ~ p_theta(. | c, y),   y where y' lost the answer

    So that the text trained on is near what the student says anyway, which forgets less. y is the gold
    solution, or the teacher's reply where there is none. y' keeps the answer where the checker says so,
    or, without a gold answer, where both final answers are the same text.

    A rollout a prompt, a request to the teacher where there is no gold answer. Needs a student that follows
    instructions; run with the nano pair, which does not read the request and falls back to y.
    """

    name: str = "own-words"
    form: Form = "rationale"

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style = voices.style
        known = references(prompts, voices)
        rows = [n for n, reply in enumerate(known) if reply is not None]
        asked = [
            Request(
                prompts[n],
                REWRITE.format(asked=asked_text(prompts[n], style, self.form), reply=known[n]),
            )
            for n in rows
        ]
        out: list[Lessons] = ["there is neither a gold answer nor a usable reply" for _ in prompts]
        for n, written in zip(rows, voices.write(asked), strict=True):
            given, own = known[n] or "", "" if written is None else written.text
            right = voices.right(prompts[n], own) if own else False
            same = style.final_answer(own) == style.final_answer(given)
            keeps = right or (right is None and same)
            out[n] = [Lesson(prompts[n], own if keeps else given)]
        return out


def references(prompts: Sequence[Prompt], voices: Voices) -> list[str | None]:
    """The gold solution of each prompt; the teacher's reply where there is none, if it is of use."""
    known = [reference(prompt, voices.style) for prompt in prompts]
    open_ = [n for n, reply in enumerate(known) if reply is None]
    for n, reply in zip(open_, voices.teach([prompts[n] for n in open_]), strict=True):
        known[n] = reply
    return known

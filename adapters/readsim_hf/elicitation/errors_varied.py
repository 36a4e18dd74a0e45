"""What the student gets wrong, again and in a variant (LLM2LLM, arXiv 2403.15042)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import (
    Elicitation,
    Lesson,
    Lessons,
    Request,
    StudentReply,
    Voices,
)
from readsim_hf.elicitation.new_prompts import write_and_solve
from readsim_hf.elicitation.own_words import references
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

VARY = (
    "A student got this task wrong:\n\n{question}\n\nThe right solution:\n{right}\n\nWrite another task that "
    "needs the same skill, with other names and numbers and one short answer. Reply with the task only."
)


@dataclass(frozen=True)
class ErrorsVaried(Elicitation):
    """A prompt that the student gets wrong is learned, and with it one that the teacher writes like it.

        D <- D_wrong + {T(x) : x in D_wrong},   D_wrong the prompts whose reply is not the gold one

    What the student gets right gives no lesson: the budget goes to its errors. Variants have to be new,
    no leak, and answered twice alike, as in `NewPrompts`; one that is not leaves the error alone.

    A rollout a prompt; of an error three requests, charged as expansion. Needs gold answers, a teacher that
    writes prose and decoding.temperature > 0; tried with made-up teachers only.
    """

    name: str = "errors-varied"
    form: Form = "rationale"
    prose = True
    gold = True
    reads = ("novelty",)

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: two solutions of a new prompt, which tell whether it can be answered."""
        return 2

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        out, wrong = errors_of(prompts, voices.attempt(prompts), voices)
        some = [prompts[n] for n in wrong]
        right = references(some, voices)
        there = [n for n, reply in enumerate(right) if reply is not None]
        wrong, some = [wrong[n] for n in there], [some[n] for n in there]
        right = [right[n] for n in there]
        asked = [
            Request(p, VARY.format(question=p.whole, right=reply))
            for p, reply in zip(some, right, strict=True)
        ]
        texts = voices.tell(asked, "expansion")
        made = write_and_solve(some, texts, self.form, self.settings.novelty, voices)
        for n, reply, variant in zip(wrong, right, made, strict=True):
            lessons = [Lesson(prompts[n], reply or "")]
            if not variant.refused:
                asked_for = variant.text + voices.style.suffix(self.form)
                lessons.append(Lesson(asked_for, variant.reply))
            out[n] = lessons
        return out


def errors_of(
    prompts: Sequence[Prompt], tries: Sequence[StudentReply | None], voices: Voices
) -> tuple[list[Lessons], list[int]]:
    """Why each prompt is none to learn from, and the numbers of those that the student's tries get wrong."""
    out: list[Lessons] = []
    wrong = []
    for n, (prompt, tried) in enumerate(zip(prompts, tries, strict=True)):
        right = voices.right(prompt, "" if tried is None else tried.text)
        if right is None:
            out.append("there is no gold answer to tell by")
        elif right:
            out.append("the student is right already")
        else:
            out.append("there is neither a right reply nor a gold answer")
            wrong.append(n)
    return out, wrong

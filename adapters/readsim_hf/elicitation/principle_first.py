"""The principle that the student lacked, before the solution (TPD, arXiv 2401.13849)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, reference
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

FIND = (
    "Question: {question}\n\nA student's solution, which is wrong:\n{attempt}\n\nThe right solution:\n{right}"
    "\n\nName the one principle that would have kept the student from this error, so that it also helps with "
    "other questions of the kind. Reply with one sentence only."
)


@dataclass(frozen=True)
class PrincipleFirst(Elicitation):
    """One lesson a question Q: what the student got wrong begins with the principle P that it lacked.

        Q -> P, R   where the student's own reply is wrong;   Q -> R   where it is not known to be

    R is the teacher's reply, the gold solution where that is not right. The student tries first; shown its
    error and R, the teacher names the principle; where it names none, Q -> R stays. The paper collects
    principles in a list that stands in the student's prompt; here they stand in what it learns to say.

    A rollout and up to two requests a prompt. Needs a gold answer, without which no error is seen, and a
    teacher that writes prose; tried with made-up teachers only.
    """

    name: str = "principle-first"
    form: Form = "rationale"
    prose = True

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        tries = voices.attempt(prompts)
        replies = [
            reply
            if reply and voices.right(prompt, reply) is not False
            else reference(prompt, voices.style)
            for prompt, reply in zip(prompts, voices.teach(prompts), strict=True)
        ]
        out: list[Lessons] = []
        wrong: list[int] = []
        for n, (prompt, reply, tried) in enumerate(zip(prompts, replies, tries, strict=True)):
            if reply is None:
                out.append("there is neither a right reply nor a gold answer")
                continue
            out.append([Lesson(prompt, reply)])
            if tried is not None and voices.right(prompt, tried.text) is False:
                wrong.append(n)
        asked = []
        for n in wrong:
            tried = tries[n]
            assert tried is not None
            text = FIND.format(question=prompts[n].whole, attempt=tried.text, right=replies[n])
            asked.append(Request(prompts[n], text))
        for n, principle in zip(wrong, voices.tell(asked), strict=True):
            if principle is not None and principle.strip():
                out[n] = [Lesson(prompts[n], f"{principle.strip()}\n{replies[n]}")]
        return out

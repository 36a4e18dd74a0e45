"""The student tries, the teacher corrects what went wrong (PERsD, arXiv 2310.18628)."""

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
from readsim_hf.elicitation.errors_varied import errors_of
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

CORRECT = (
    "{asked}\n\nA student replied:\n{attempt}\n\nThis is wrong{gold}. Correct the reply: keep what is right "
    "in it, change what is not, and end as the task asks. Reply with the corrected reply only."
)
REFINE = "{asked}\n\nMy reply was:\n{attempt}\n\nIt is wrong. Write the corrected reply."


@dataclass(frozen=True)
class Corrected(Elicitation):
    """Two lessons of a prompt x that the student's try y fails (PERsD-combined):

        x -> c,   (x, y, "it is wrong") -> c,   c the teacher's correction of y, near y and right

    What the student gets right gives no lesson. A correction that the checker finds wrong is dropped. The
    paper feeds back the errors of unit tests; here the feedback is the gold answer.

    A rollout a prompt, a request of an error. Needs gold answers and a teacher that writes prose; tried
    with made-up teachers only.
    """

    name: str = "corrected"
    form: Form = "rationale"
    prose = True
    gold = True
    tasks = 2

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style, tries = voices.style, voices.attempt(prompts)
        out, wrong = errors_of(prompts, tries, voices)
        said = {n: "" if (reply := tries[n]) is None else reply.text for n in wrong}
        asked = {n: asked_text(prompts[n], style, self.form) for n in wrong}
        requests = []
        for n in wrong:
            gold = reference(prompts[n], style)
            known = f"; a right reply is:\n{gold}\n" if gold is not None else ""
            text = CORRECT.format(asked=asked[n], attempt=said[n], gold=known)
            requests.append(Request(prompts[n], text))
        for n, better in zip(wrong, voices.tell(requests), strict=True):
            if not better:
                out[n] = "the teacher wrote no correction"
            elif not voices.right(prompts[n], better):
                out[n] = "the teacher's correction is wrong too"
            else:
                again = REFINE.format(asked=asked[n], attempt=said[n])
                out[n] = [Lesson(prompts[n], better), Lesson(again, better)]
        return out

"""A critique of the student's reply as what is learned (CFT, arXiv 2501.17703)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, verdict
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

CRITIQUE = (
    "Question: {question}\n\nSolution: {attempt}\n\nCriticise the solution step by step. Finish with a line "
    "that says 'Verdict: right' or 'Verdict: wrong'."
)


@dataclass(frozen=True)
class Critique(Elicitation):
    """The student learns to criticise: (x, y) -> c.

        L = -log p_theta(c | x, y),   y the student's reply to x, c the teacher's critique of it

    A critique without 'Verdict:' and one of both words, or with another verdict than the checker's where that
    can tell, is dropped. The paper criticises replies of other models, kept once; here they are the student's
    own. The student never learns to reply to x itself: probes show what carries over.

    A rollout and a request a prompt. Needs a teacher that writes prose; tried with made-up teachers only.
    """

    name: str = "critique"
    form: Form = "rationale"
    prose = True

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        out: list[Lessons] = ["the student said nothing" for _ in prompts]
        tries = {
            n: reply.text
            for n, reply in enumerate(voices.attempt(prompts))
            if reply is not None and reply.text
        }
        asked = {
            n: CRITIQUE.format(question=prompts[n].whole, attempt=text) for n, text in tries.items()
        }
        told = voices.tell([Request(prompts[n], text) for n, text in asked.items()])
        for (n, text), said in zip(asked.items(), told, strict=True):
            right = voices.right(prompts[n], tries[n])
            found = verdict(said, "right", "wrong", "verdict")
            if not said:
                out[n] = "the teacher wrote no critique"
            elif found is None:
                out[n] = "the critique has no verdict"
            elif right is not None and found != right:
                out[n] = "the critique's verdict is not the checker's"
            else:
                out[n] = [Lesson(text, said)]
        return out

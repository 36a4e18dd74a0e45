"""The question turned round, and its solution (RevThink, arXiv 2411.19865)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, verdict
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

TURN = (
    "{question}\n\nThe answer is {answer}. Write the reverse question: one whose text contains this answer "
    "as something known, and asks for something that the question above gives. Reply with the question only."
)
AGREE = (
    "Question: {question}\nIts answer: {answer}\n\nReverse question: {reverse}\nIts answer: {found}\n\n"
    "Do the two agree: does the answer to the reverse question stand in the first question? "
    "Reply with Yes or No."
)
ASK = "{question}\n\nWrite the reverse question of this one. Reply with the question only."


@dataclass(frozen=True)
class ReverseQuestion(Elicitation):
    """Three lessons of a question Q, each of weight 1:

        L = 1/3 (l(Q -> R_f) + l(Q -> Q_b) + l(Q_b -> R_b)),   l the mean cross entropy

    R_f   the teacher's solution, left out with all the rest where a gold answer says that it is wrong
    Q_b   the reverse question, which the teacher writes from Q and the answer of R_f
    R_b   its solution by the teacher, where the teacher finds both consistent

    Four requests a prompt. Needs a teacher that writes prose; tried with made-up teachers only. Equal
    weights of the three are the paper's; tokens count equally here, so that a longer part weighs more.
    """

    name: str = "reverse-question"
    form: Form = "rationale"
    prose = True
    tries = False
    tasks = 3

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style = voices.style
        out: list[Lessons] = ["the teacher gave no usable reply" for _ in prompts]
        forward: dict[int, str] = {}
        for n, reply in enumerate(voices.teach(prompts)):
            if reply is not None and voices.right(prompts[n], reply) is False:
                out[n] = "the teacher's answer is not the gold one"
            elif reply is not None:
                forward[n] = reply
        answers = {n: style.final_answer(reply) for n, reply in forward.items()}
        rows = list(forward)
        asked = [
            Request(prompts[n], TURN.format(question=prompts[n].whole, answer=answers[n]))
            for n in rows
        ]
        turned = dict(zip(rows, voices.tell(asked), strict=True))
        reverse = {n: text.strip() for n, text in turned.items() if text and text.strip()}
        for n in set(rows) - set(reverse):
            out[n] = "the teacher wrote no reverse question"
        rows = list(reverse)
        solve = [Request(prompts[n], reverse[n] + style.suffix(self.form)) for n in rows]
        solved = dict(zip(rows, voices.tell(solve), strict=True))
        for n in rows:
            if not solved[n] or not style.final_answer(solved[n] or ""):
                out[n] = "the reverse question got no answer"
        rows = [n for n in rows if solved[n] and style.final_answer(solved[n] or "")]
        check = [
            Request(
                prompts[n],
                AGREE.format(
                    question=prompts[n].whole,
                    answer=answers[n],
                    reverse=reverse[n],
                    found=style.final_answer(solved[n] or ""),
                ),
            )
            for n in rows
        ]
        for n, said in zip(rows, voices.tell(check, "judge"), strict=True):
            agrees = verdict(said, "yes", "no")
            if agrees is None:
                out[n] = "the judge said neither Yes nor No"
            elif not agrees:
                out[n] = "question and reverse question do not agree"
            else:
                out[n] = [
                    Lesson(prompts[n], forward[n]),
                    Lesson(ASK.format(question=prompts[n].whole), reverse[n]),
                    Lesson(reverse[n] + style.suffix(self.form), solved[n] or ""),
                ]
        return out

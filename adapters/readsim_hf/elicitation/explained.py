"""The teacher explains only where it helps, under a budget of messages (theory of mind, arXiv 2306.09299)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, asked_text
from readsim_hf.elicitation.own_words import references
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

EXPLAIN = (
    "{question}\n\nThe answer is {answer}. Explain in a few sentences, to a student who does not see it, how "
    "one gets there. Do not name the answer itself."
)


@dataclass(frozen=True)
class Explained(Elicitation):
    """Of each group's prompts the `explained` share that the student knows least is explained by the teacher;
    an explanation e is kept where it raises the student's likelihood of the answer a.

        u = log p_theta(a | x, e) - log p_theta(a | x)   per token;   u > 0:  x -> e, a;   else  x -> a

    An explanation with an a that the question does not have is dropped: it helps a student that only copies.

    The paper's teacher estimates the utility of a message from a few examples of the student; here log
    p_theta(a | x) of the student itself says whom to help, the lowest first, and u whether it did. a is
    the gold answer, or the teacher's. The budget is per group, rounded down, so that no message of one
    group depends on another.

    Two readings of the answer a prompt, one request of each that is explained. Needs a teacher that
    writes prose; tried with made-up teachers only.
    """

    name: str = "explained"
    form: Form = "rationale"
    prose = True
    reads = ("explained",)

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style = voices.style
        known = references(prompts, voices)
        out: list[Lessons] = ["there is neither a gold answer nor a usable reply" for _ in prompts]
        rows = [n for n, reply in enumerate(known) if reply and style.final_answer(reply)]
        answers = {n: style.final_answer(known[n] or "") for n in rows}
        ends = {
            n: f"{style.mark} {answers[n]}" if style.name != "nano" else answers[n] for n in rows
        }
        alone = voices.fits(
            [Lesson(asked_text(prompts[n], style, self.form), ends[n]) for n in rows]
        )
        before = {n: fit.surprisal for n, fit in zip(rows, alone, strict=True)}
        helped = sorted(rows, key=lambda n: (-before[n], n))[
            : int(self.settings.explained * len(rows))
        ]
        asked = [
            Request(prompts[n], EXPLAIN.format(question=prompts[n].whole, answer=answers[n]))
            for n in helped
        ]
        told = {
            n: e
            for n, e in zip(helped, voices.tell(asked), strict=True)
            if e and not gives_away(e, answers[n], prompts[n].text)
        }
        after = voices.fits(
            [
                Lesson(f"{asked_text(prompts[n], style, self.form)}\n{told[n]}", ends[n])
                for n in told
            ]
        )
        useful = {n for n, fit in zip(told, after, strict=True) if fit.surprisal < before[n]}
        for n in rows:
            said = f"{told[n]}\n{ends[n]}" if n in useful else ends[n]
            out[n] = [Lesson(prompts[n], said)]
        return out


def gives_away(explanation: str, answer: str, question: str) -> bool:
    """Whether an explanation has the answer, as a whole word or number, which the question does not have.
    Large and small letters are alike, but for an answer of one letter."""
    one = re.escape(answer.strip())
    case = re.NOFLAG if len(answer.strip()) == 1 else re.IGNORECASE
    word = re.compile(rf"(?<!\w)(?<!\d[.,]){one}(?!\w)(?![.,]\d)", case)
    return bool(word.search(explanation)) and not word.search(question)

"""The same model, shown the answer, teaches itself without it (OPSD, SDFT)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Voices
from readsim_hf.elicitation.own_words import references
from readsim_hf.prompts.library import Form, Style
from readsim_hf.prompts.prompt import Prompt

NANO = "{question}{reply} {question}{suffix}"
SHOW = "{question}\n\nThis is a right reply to it:\n{reply}\n\nNow answer in your own way.{suffix}"


@dataclass(frozen=True)
class AnswerShown(Elicitation):
    """The student writes y to x; it is taught by itself where it also reads a right reply y*.

        L = 1/|y| sum_n D( p_theta(. | x, y*, y_<n) || p_theta(. | x, y_<n) ),   y ~ p_theta(. | x)

    The first distribution is without gradient; D is the objective: jsd, rkl, fkl and those skewed or
    generalised. y* is the gold solution, or the teacher's reply where there is none. The paper of OPSD
    (arXiv 2601.18734) holds the shown model at its first weights, SDFT (arXiv 2601.19897) at a running
    mean of them; here it has the present ones, so that no second model is held.

    Shapes: y of L tokens has distributions (L, V), (L, k) or (L, n), as `soft.kind` says.

    A rollout a prompt and a reading of x, y* and y by the student, both charged as student_rollout. Needs
    room for both in the context. Tried with the nano pair.
    """

    name: str = "answer-shown"
    form: Form = "rationale"
    own_soft = True

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style = voices.style
        known = references(prompts, voices)
        out: list[Lessons] = []
        for prompt, reply, said in zip(prompts, known, voices.attempt(prompts), strict=True):
            if reply is None:
                out.append("there is neither a gold answer nor a usable reply")
            elif said is None:
                out.append("the student said nothing")
            else:
                shown = shown_beside(prompt, reply, style, self.form)
                out.append([Lesson(prompt, said.text, ids=said.ids, shown=shown)])
        return out


def shown_beside(prompt: Prompt, reply: str, style: Style, form: Form) -> Prompt | str:
    """The prompt with a right reply in it, of a conversation in its last user turn; in the notation of nano
    the reply stands before it."""
    show = NANO if style.name == "nano" else SHOW
    if not prompt.messages:
        return show.format(question=prompt.text, reply=reply, suffix=style.suffix(form))
    turns = list(prompt.messages)
    last = max(n for n, turn in enumerate(turns) if turn["role"] == "user")
    text = show.format(question=turns[last]["content"], reply=reply, suffix="")
    turns[last] = {**turns[last], "content": text}
    return replace(prompt, messages=tuple(turns))

"""The student's own replies that turn out right (STaR, RFT, ReST-EM)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, asked_text
from readsim_hf.elicitation.several_traces import most_different, right_traces
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

HINT = "{asked}\n(The answer is {answer}. Show how one gets there.)"


@dataclass(frozen=True)
class OwnRight(Elicitation):
    """n replies of the student, of those with the gold answer the `keep_traces` most different; the teacher
    says nothing.

        max_theta  E_{y ~ p_theta(. | x)} [ r(x, y) log p_theta(y | x) ],   r = 1 where y is right

    Where none is right, the student is shown the answer once, and what it then says is learned without
    the answer in the prompt, if it is right (rationalisation, STaR, arXiv 2203.14465). More in RFT (arXiv
    2308.01825) and ReST-EM (arXiv 2312.06585), which start each round from the base model; here the
    student's present weights answer.

    n to n + 1 rollouts a prompt. Needs gold answers and decoding.student_temperature > 0. Tried with the nano
    pair, which does not read the hint.
    """

    name: str = "own-right"
    form: Form = "rationale"
    gold = True
    drawer = "student"
    asks = False
    reads = ("traces", "keep_traces")

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: its traces."""
        return self.settings.traces

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        drawn = [voices.attempt(prompts, draw) for draw in range(self.settings.traces)]
        out: list[Lessons] = []
        missed: list[int] = []
        for n, prompt in enumerate(prompts):
            if prompt.answer is None and voices.right(prompt, "") is None:
                out.append("there is no gold answer to tell by")
                continue
            said = [None if (reply := some[n]) is None else reply.text for some in drawn]
            right = right_traces(prompt, said, voices)
            if isinstance(right, str):
                out.append(right)
                missed.append(n)
            else:
                kept = most_different(right, self.settings.keep_traces)
                out.append([Lesson(prompt, trace) for trace in kept])
        missed = [n for n in missed if prompts[n].answer is not None]
        hints = [
            HINT.format(
                asked=asked_text(prompts[n], voices.style, self.form), answer=prompts[n].answer
            )
            for n in missed
        ]
        asked = [Request(prompts[n], hint) for n, hint in zip(missed, hints, strict=True)]
        for n, reply in zip(missed, voices.write(asked), strict=True):
            if reply is not None and reply.text and voices.right(prompts[n], reply.text):
                out[n] = [Lesson(prompts[n], reply.text)]
        return out

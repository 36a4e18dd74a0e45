"""A library: the templates of each capability, and how a form of supervision is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from readsim_hf.prompts.prompt import Prompt, Template

Form = Literal["answer", "rationale"]  # final answer only; rationale, then final answer


@dataclass(frozen=True)
class Style:
    """How a prompt asks for the form of the reply (R30), and where the final answer begins.

    The form changes the suffix of the prompt and nothing else.
    """

    answer: str
    rationale: str
    mark: str

    def ask(self, prompt: Prompt, form: Form) -> str:
        """The text to send."""
        return prompt.text + (self.answer if form == "answer" else self.rationale)

    def answer_start(self, reply: str) -> int:
        """Where the final answer begins in a reply: after the last mark, else at its start."""
        at = reply.rfind(self.mark)
        return 0 if at < 0 else at + len(self.mark)

    def final_answer(self, reply: str) -> str:
        """The final answer in a reply."""
        return reply[self.answer_start(reply) :].strip()


# For models that read prose.
PROSE = Style(
    answer="\nReply with the final answer only.",
    rationale="\nThink step by step, then finish with a line that starts with 'Answer:'.",
    mark="Answer:",
)
# For the nano pair, which reads characters: `17+25=` asks for the answer, `17+25~` for the steps,
# an equals sign, and the answer.
NANO = Style(answer="=", rationale="~", mark="=")


@dataclass(frozen=True)
class Library:
    """Templates by capability, in a fixed order."""

    name: str
    style: Style
    templates: Mapping[str, tuple[Template, ...]]

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.templates)

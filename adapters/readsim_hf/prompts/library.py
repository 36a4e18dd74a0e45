"""A library: the templates of each capability, and how a form of supervision is asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from readsim.errors import ConfigError, unknown
from readsim_hf.prompts.prompt import Prompt, Template

# The final answer only; or a rationale, equations or a plan, and then the final answer.
Form = Literal["answer", "rationale", "equations", "plan"]


@dataclass(frozen=True)
class Style:
    """How a prompt asks for the form of the reply, and where the final answer begins.

    The form changes the suffix of the prompt and nothing else. A style may lack a form (None).
    """

    answer: str
    rationale: str
    mark: str
    equations: str | None = None
    plan: str | None = None
    name: str = "custom"

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that it has."""
        return tuple(form for form in get_args(Form) if getattr(self, form) is not None)

    def suffix(self, form: Form) -> str:
        """What is added to a prompt. ConfigError for a form that the style lacks."""
        suffix: str | None = getattr(self, form)
        if suffix is None:
            raise ConfigError(
                f"form = {form!r}: prompts of style {self.name!r} do not ask for it; accepted: "
                f"{', '.join(self.forms)}"
            )
        return suffix

    def ask(self, prompt: Prompt, form: Form) -> str:
        """The text to send."""
        return prompt.text + self.suffix(form)

    def answer_start(self, reply: str) -> int:
        """Where the final answer begins in a reply: after the last mark, else at its start."""
        at = reply.rfind(self.mark)
        return 0 if at < 0 else at + len(self.mark)

    def final_answer(self, reply: str) -> str:
        """The final answer in a reply."""
        return reply[self.answer_start(reply) :].strip()

    def before_answer(self, reply: str) -> str:
        """What a reply says before the mark of its final answer; nothing where it has no mark."""
        return reply[: max(0, reply.rfind(self.mark))].strip()


# For models that read prose.
PROSE = Style(
    answer="\nReply with the final answer only.",
    rationale="\nThink step by step, then finish with a line that starts with 'Answer:'.",
    mark="Answer:",
    equations="\nWrite the problem as equations, one a line, then finish with a line that starts with "
    "'Answer:'.",
    plan="\nFirst write a short plan, one step a line. Then write 'Answer:' and after it the solution "
    "only.",
    name="prose",
)
# For the nano pair, which reads characters: `17+25=` asks for the answer, `17+25~` for the steps,
# an equals sign, and the answer. Its steps are notes on digits, no equations to be solved.
NANO = Style(answer="=", rationale="~", mark="=", name="nano")


@dataclass(frozen=True)
class Library:
    """Templates by capability, in a fixed order."""

    name: str
    style: Style
    templates: Mapping[str, tuple[Template, ...]]

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.templates)

    def only(self, capabilities: Collection[str]) -> "Library":
        """The library of these capabilities alone, in its own order; of all where none is named.

        Raises UnknownNameError for a capability that it does not have.
        """
        for name in capabilities:
            if name not in self.templates:
                raise unknown("capability", name, self.templates)
        if not capabilities:
            return self
        return replace(
            self, templates={n: t for n, t in self.templates.items() if n in capabilities}
        )

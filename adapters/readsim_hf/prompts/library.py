"""A library: the templates of each capability, and how a form of supervision is asked for."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from readsim.errors import ConfigError, unknown
from readsim_hf.prompts.latex import last_box, undressed
from readsim_hf.prompts.prompt import Prompt, Template
from readsim_hf.prompts.thinking import said_from, thoughts

# The final answer only; or a rationale, equations or a plan, and then the final answer.
Form = Literal["answer", "rationale", "equations", "plan"]


class _Found(NamedTuple):
    """A reply's final answer begins at `start`; what leads there is from `said` to `before`."""

    said: int
    before: int
    start: int
    boxed: str | None


@dataclass(frozen=True)
class Style:
    """How a prompt asks for the form of the reply, and where the final answer begins.

    Thoughts (`<think>...</think>`) are never part of the answer: one is looked for behind them.

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
        """The text to send; somebody's own prompt is sent as it is."""
        return prompt.text if prompt.messages else prompt.text + self.suffix(form)

    def answer_start(self, reply: str) -> int:
        r"""Where the final answer begins in a reply: behind the last mark, else at the last `\boxed{...}`,
        else where the thoughts end; at the end of a reply whose thoughts do not."""
        return self._find(reply).start

    def final_answer(self, reply: str) -> str:
        r"""The final answer in a reply, without a `\boxed{...}` around it."""
        found = self._find(reply)
        if found.boxed is not None:
            return undressed(found.boxed)
        answer = reply[found.start :].strip()
        box = last_box(answer)
        if box is not None and not undressed(answer[: box.start] + answer[box.end :]):
            return undressed(box.content)
        return answer

    def before_answer(self, reply: str) -> str:
        """What a reply says before its final answer; its thoughts where it says nothing there."""
        found = self._find(reply)
        return reply[found.said : found.before].strip() or thoughts(reply)

    @cached_property
    def _mark(self) -> re.Pattern[str]:
        """The mark, also where it is emphasised: `**Answer:**`, `**Answer**:`."""
        stem = self.mark.removesuffix(":")
        pattern = re.escape(self.mark)
        if stem and stem != self.mark:
            pattern = rf"[*_]{{0,3}}{re.escape(stem)}(?:[*_]{{1,3}}:|:[*_]{{0,3}})"
        return re.compile(pattern)

    def _find(self, reply: str) -> _Found:
        said = said_from(reply)
        marks = [*self._mark.finditer(reply, said)] if self.mark else []
        if marks:
            return _Found(said, marks[-1].start(), marks[-1].end(), None)
        box = last_box(reply[said:])
        if box is None:
            return _Found(said, said, said, None)
        lead = reply[said : said + box.start].rstrip("$\\([* \n")
        return _Found(said, said + len(lead), said + box.start, box.content)


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

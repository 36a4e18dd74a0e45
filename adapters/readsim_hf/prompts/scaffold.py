"""A scaffold: instruction text with typed slots, and the rule that solves what it asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

import numpy as np

from readsim.errors import ConfigError
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.slots import Slot

Values = Mapping[str, Any]
# Tables of slots and of control factors, for those that several scaffolds share.
Slots = Mapping[str, Slot]
Factors = Mapping[str, float | Callable[[Values], float]]


@dataclass(frozen=True)
class Solution:
    """What follows from the slot values.

    answer      the gold final answer, None where there is none
    rationale   the worked solution, without the final answer's line
    expect      what the checker needs beyond the answer; plain data
    shown       derived fields of the text
    """

    answer: str | None
    rationale: str | None = None
    expect: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Scaffold:
    """A template that is declared, not programmed.

    id        `capability/name`
    text      the instruction; each `{field}` is a slot or one of the solution's `shown`.
              A tuple or list is shown with commas between its members.
    slots     name -> typed slot; they are drawn in this order
    solve     slot values -> solution
    factors   control factors of Eq. (7): name -> a number, or a function of the slot values
    """

    id: str
    text: str
    slots: Slots
    solve: Callable[[Values], Solution]
    factors: Factors
    checker: str = "exact"
    language: str = "en"

    @property
    def capability(self) -> str:
        return self.id.partition("/")[0]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the text, each once."""
        names = (name for _, name, _, _ in Formatter().parse(self.text) if name is not None)
        return tuple(dict.fromkeys(names))

    def make(self, rng: np.random.Generator) -> Prompt:
        """Draw every slot, then fill."""
        return self.fill({name: slot.draw(rng) for name, slot in self.slots.items()})

    def fill(self, values: Values) -> Prompt:
        """The prompt with these slot values.

        Raises ConfigError for a value that is missing, of no slot, or not of the slot's type, and
        for a field of the text that nothing fills.
        """
        self._check(values)
        solution = self.solve(values)
        shown = {**values, **solution.shown}
        self._check_fields(shown, solution)
        return Prompt(
            capability=self.capability,
            template=self.id,
            text=self.text.format_map({name: show(shown[name]) for name in self.fields}),
            answer=solution.answer,
            rationale=solution.rationale,
            checker=self.checker,
            expect=solution.expect,
            factors={
                name: float(rule(values) if callable(rule) else rule)
                for name, rule in self.factors.items()
            },
            language=self.language,
        )

    def _check(self, values: Values) -> None:
        for name in values:
            if name not in self.slots:
                known = ", ".join(self.slots) or "none"
                raise ConfigError(f"{self.id}: {name!r} is not a slot (slots: {known})")
        for name, slot in self.slots.items():
            if name not in values:
                raise ConfigError(f"{self.id}: slot {name!r} is not filled")
            if not slot.check(values[name]):
                raise ConfigError(f"{self.id}: slot {name!r} is {values[name]!r}; accepted: {slot}")

    def _check_fields(self, shown: Values, solution: Solution) -> None:
        for name in self.fields:
            if name not in shown:
                raise ConfigError(f"{self.id}: field {name!r} of the text is not filled")
        for name in solution.shown:
            if name not in self.fields or name in self.slots:
                raise ConfigError(
                    f"{self.id}: {name!r} is derived but is no free field of the text"
                )


def show(value: object) -> str:
    """A slot value as text: members of a tuple or list with commas between them."""
    if isinstance(value, tuple | list):
        return ", ".join(show(item) for item in value)
    return str(value)

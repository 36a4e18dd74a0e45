"""Slots over the fact table, and what the general templates share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from readsim_hf.prompts.scaffold import Solution, Values
from readsim_hf.prompts.slots import Integer
from readsim_hf.prompts.text.general.facts import BY_RELATION, FACTS, Fact

LETTERS = "ABCDE"
# Where the right option stands: modulo the number of options, which divides 60.
PLACE = Integer(0, 59)


@dataclass(frozen=True)
class FactSample:
    """`least` to `most` facts from `narrow` to `broad` relations; in a relation no object twice."""

    relations: Sequence[str]
    least: int
    most: int
    narrow: int = 1
    broad: int = 1

    def draw(self, rng: np.random.Generator) -> tuple[Fact, ...]:
        count = int(rng.integers(self.least, self.most, endpoint=True))
        breadth = min(count, int(rng.integers(self.narrow, self.broad, endpoint=True)))
        chosen = [self.relations[int(at)] for at in rng.permutation(len(self.relations))[:breadth]]
        rest = [chosen[int(at)] for at in rng.integers(breadth, size=count - breadth)]
        facts: list[Fact] = []
        for relation in (*chosen, *rest):
            used = {fact.object for fact in facts if fact.relation == relation}
            free = [fact for fact in BY_RELATION[relation] if fact.object not in used]
            facts.append(free[int(rng.integers(len(free)))])
        return tuple(facts)

    def check(self, value: object) -> bool:
        return (
            isinstance(value, tuple)
            and self.least <= len(value) <= self.most
            and all(fact in FACTS and fact.relation in self.relations for fact in value)
            and min(self.narrow, len(value)) <= breadth(value) <= self.broad
            and len({(fact.relation, fact.object) for fact in value}) == len(value)
        )


def breadth(facts: Sequence[Fact]) -> int:
    """How many relations the facts are of."""
    return len({fact.relation for fact in facts})


def rarity(facts: Sequence[Fact]) -> float:
    """Mean tier."""
    return fmean(fact.tier for fact in facts)


def fact_factors(options: Callable[[Values], float]) -> dict[str, Callable[[Values], float]]:
    """The factors of a template whose facts are all in the slot `facts`."""
    return {
        "options": options,
        "breadth": lambda v: breadth(v["facts"]),
        "rarity": lambda v: rarity(v["facts"]),
    }


def place(right: str, wrong: Sequence[str], at: int) -> tuple[list[str], str]:
    """The options with the right one at a place, and its letter."""
    options = list(wrong)
    at %= len(options) + 1
    options.insert(at, right)
    return options, LETTERS[at]


def option_lines(options: Sequence[str]) -> str:
    """One option a line, with its letter."""
    return "\n".join(
        f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)
    )


def multiple_choice(
    right: str, wrong: Sequence[str], at: int, why: str, **shown: object
) -> Solution:
    """The solution of a multiple choice, whose text has the field `listed`."""
    options, letter = place(right, wrong, at)
    return Solution(
        answer=letter,
        rationale=f"{why} That is option {letter}.",
        expect={"letters": LETTERS[: len(options)], "options": options},
        shown={"listed": option_lines(options), **shown},
    )

"""Small templates for tests of what is asked next; numbers to add, factors that say how hard."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from readsim_hf.prompts.library import NANO, Library
from readsim_hf.prompts.prompt import Prompt, Template


@dataclass(frozen=True)
class Sum:
    """Add `terms` numbers below `below`: the more of both, the harder."""

    id: str
    capability: str
    terms: tuple[int, ...] = (2, 3, 4)
    below: int = 1000

    def make(self, rng: np.random.Generator) -> Prompt:
        terms = rng.integers(0, self.below, size=int(rng.choice(self.terms)))
        text = self.id + " " + "+".join(map(str, terms.tolist()))
        factors = {"terms": float(len(terms)), "size": float(terms.max())}
        return Prompt(self.capability, self.id, text, str(terms.sum()), factors=factors)


def library(**templates: tuple[Template, ...]) -> Library:
    return Library("made", NANO, MappingProxyType(templates))


def sums(
    capability: str, count: int = 5, *, terms: tuple[int, ...] = (2, 3, 4), below: int = 1000
) -> tuple[Sum, ...]:
    return tuple(Sum(f"{capability}/{n}", capability, terms, below) for n in range(count))


MATH = library(math=sums("math"), code=sums("code", 3))
# Each template has one difficulty of its own.
GRADED = library(
    math=tuple(Sum(f"math/{n}", "math", terms=(n,)) for n in range(1, 10)),
)


def asked(checker: str, **options: object) -> Prompt:
    """A prompt with this checker; `answer` is the gold answer, the rest what the checker expects."""
    answer = options.pop("answer", None)
    assert answer is None or isinstance(answer, str)
    return Prompt("math", "math/x", "?", answer=answer, checker=checker, expect=options)

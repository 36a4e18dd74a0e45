"""A nano template: a function that fills the slots, under an id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from readsim_hf.prompts.prompt import Prompt


@dataclass(frozen=True)
class Filled:
    """What filling the slots gives; the fields are those of `Prompt`."""

    text: str
    answer: str
    rationale: str
    factors: Mapping[str, float]
    language: str = "en"


@dataclass(frozen=True)
class NanoTemplate:
    """A template whose slots are filled by one function; its prompts are checked by exact match."""

    id: str
    capability: str
    fill: Callable[[np.random.Generator], Filled]

    def make(self, rng: np.random.Generator) -> Prompt:
        """Fill the slots; the same generator state gives the same prompt."""
        filled = self.fill(rng)
        return Prompt(
            capability=self.capability,
            template=self.id,
            text=filled.text,
            answer=filled.answer,
            rationale=filled.rationale,
            factors=filled.factors,
            language=filled.language,
        )

"""Templates for models with a short context: prompts that do not fit are drawn again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readsim.errors import ConfigError
from readsim.streams import generator
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Prompt, Template

TRIES = 20  # draws of a prompt that fits
SAMPLE = 8  # prompts of a template that show whether it can


@dataclass(frozen=True)
class LengthFilter:
    """A template that only makes prompts that fit; where the first draw does, the same as before."""

    template: Template
    fits: Callable[[Prompt], bool]

    @property
    def id(self) -> str:
        return self.template.id

    @property
    def capability(self) -> str:
        return self.template.capability

    def make(self, rng: np.random.Generator) -> Prompt:
        """Raises ConfigError if TRIES draws do not fit."""
        for _ in range(TRIES):
            prompt = self.template.make(rng)
            if self.fits(prompt):
                return prompt
        raise ConfigError(f"{TRIES} prompts of {self.id!r} do not fit the models' context")


def filter_by_length(library: Library, fits: Callable[[Prompt], bool]) -> tuple[Library, list[str]]:
    """The library for models in which `fits` prompts fit, and the ids of templates left out.

    Raises ConfigError for a capability without any template left.
    """
    kept: dict[str, tuple[Template, ...]] = {}
    left_out: list[str] = []
    for place, (capability, templates) in enumerate(library.templates.items()):
        able = [LengthFilter(t, fits) for t in templates]
        good = tuple(t for n, t in enumerate(able) if _can(t, place, n))
        left_out += [t.id for t in able if t not in good]
        if not good:
            raise ConfigError(
                f"no template of {capability!r} makes prompts that fit the models' context: use models "
                "with a longer one, fewer new tokens, or add short templates"
            )
        kept[capability] = good
    return Library(library.name, library.style, kept), left_out


def _can(template: LengthFilter, place: int, number: int) -> bool:
    try:
        for index in range(SAMPLE):
            template.make(generator(0, "items", place, number, index))
    except ConfigError:
        return False
    return True

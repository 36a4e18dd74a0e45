"""The prose templates of four capabilities, and prompts of one of them."""

from collections.abc import Iterator, Mapping

import numpy as np

from readsim_hf.prompts.prompt import Prompt, Template
from readsim_hf.prompts.text import long_context, multilingual, steerability, tool_use

MODULES: Mapping[str, tuple[Template, ...]] = {
    "steerability": steerability.TEMPLATES,
    "tool_use": tool_use.TEMPLATES,
    "long_context": long_context.TEMPLATES,
    "multilingual": multilingual.TEMPLATES,
}
BY_ID = {template.id: template for templates in MODULES.values() for template in templates}


def made(name: str, count: int = 40) -> Iterator[Prompt]:
    """Prompts of one template, from the seeds 0, 1, ..."""
    for seed in range(count):
        yield BY_ID[name].make(np.random.default_rng(seed))

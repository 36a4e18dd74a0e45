"""The prose templates of general, reasoning, math and code, and prompts of each."""

from functools import cache
from importlib import import_module

import numpy as np

from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.scaffold import Scaffold

FACTORS = {
    "general": ("options", "breadth", "rarity"),
    "reasoning": ("constraints", "hops", "symbols"),
    "math": ("operations", "operand_size", "steps"),
    "code": ("functions", "tests"),
}


def scaffolds(capability: str) -> tuple[Scaffold, ...]:
    """The templates of one capability."""
    module = import_module(f"readsim_hf.prompts.text.{capability}")
    templates: tuple[Scaffold, ...] = module.TEMPLATES
    return templates


ALL = [template for capability in FACTORS for template in scaffolds(capability)]
BY_ID = {template.id: template for template in ALL}


@cache
def made(name: str, count: int = 100) -> list[Prompt]:
    """Prompts of one template, from the seeds 0, 1, ..."""
    return [BY_ID[name].make(np.random.default_rng(seed)) for seed in range(count)]

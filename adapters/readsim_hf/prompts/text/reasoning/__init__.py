"""Reasoning without knowledge (factors: constraints, hops, symbols)."""

from readsim_hf.prompts.text.reasoning import logic, order, relations, state

TEMPLATES = (*order.TEMPLATES, *logic.TEMPLATES, *state.TEMPLATES, *relations.TEMPLATES)

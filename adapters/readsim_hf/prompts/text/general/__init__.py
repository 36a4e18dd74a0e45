"""General knowledge: questions over a table of facts (factors: options, breadth, rarity)."""

from readsim_hf.prompts.text.general import mixed, ordered, single

TEMPLATES = (*single.TEMPLATES, *mixed.TEMPLATES, *ordered.TEMPLATES)

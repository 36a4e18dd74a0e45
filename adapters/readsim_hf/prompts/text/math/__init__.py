"""Mathematics (factors: operations, operand_size in digits, steps)."""

from readsim_hf.prompts.text.math import algebra, arithmetic, stories

TEMPLATES = (*arithmetic.TEMPLATES, *stories.TEMPLATES, *algebra.TEMPLATES)

"""General knowledge: `gcapital japan:oslo,tokyo,lima` asks which option belongs to japan."""

from collections.abc import Callable

import numpy as np

from readsim_hf.prompts.nano.draws import between, draw_one, draw_order, several
from readsim_hf.prompts.nano.facts import TOPICS
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

TIERS = 3


def _fact(topic: str) -> Callable[[np.random.Generator], Filled]:
    """Options are values of the same topic. The rationale recalls the fact.

    Factors: options, breadth of the topic (facts in it), rarity tier.
    """
    table = TOPICS[topic]

    def fill(rng: np.random.Generator) -> Filled:
        row = between(rng, 0, len(table) - 1)
        thing, value = table[row]
        others = several(rng, [v for _, v in table if v != value], draw_one(rng, (2, 3)))
        options = draw_order(rng, [value, *others])
        return Filled(
            text=f"g{topic} {thing}:{','.join(options)}",
            answer=value,
            rationale=f"{thing} {value}",
            factors={
                "options": len(options),
                "breadth": len(table),
                "rarity": row * TIERS // len(table),
            },
        )

    return fill


TEMPLATES = tuple(
    NanoTemplate(f"nano/general/{topic}", "general", _fact(topic)) for topic in TOPICS
)

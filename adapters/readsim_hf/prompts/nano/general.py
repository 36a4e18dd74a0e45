"""General knowledge: `gcapital japan:oslo,tokyo,lima` asks which option belongs to japan."""

from collections.abc import Callable

import numpy as np

from readsim_hf.prompts.nano.draws import between, draw_one, draw_order, several
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

CAPITALS = (
    "france paris|italy rome|spain madrid|japan tokyo|egypt cairo|cuba havana|greece athens|"
    "russia moscow|china beijing|india delhi|norway oslo|peru lima|poland warsaw|austria vienna|"
    "kenya nairobi|iran tehran|iraq baghdad|ukraine kyiv|qatar doha|ghana accra|latvia riga|"
    "senegal dakar|mali bamako|fiji suva"
)
OPPOSITES = (
    "hot cold|big small|up down|day night|wet dry|old new|fast slow|high low|good bad|"
    "open shut|long short|rich poor|hard soft|full empty|first last|light dark|near far|"
    "win lose|buy sell|push pull|early late|thick thin|war peace|true false"
)
SYMBOLS = (
    "gold Au|iron Fe|silver Ag|copper Cu|lead Pb|tin Sn|zinc Zn|neon Ne|helium He|sodium Na|"
    "calcium Ca|nickel Ni|mercury Hg|lithium Li|argon Ar|radium Ra|cobalt Co|silicon Si|"
    "bromine Br|barium Ba|xenon Xe|krypton Kr|platinum Pt|titanium Ti"
)
YOUNG = (
    "dog pup|cat kitten|cow calf|hen chick|sheep lamb|horse foal|pig piglet|bear cub|deer fawn|"
    "goat kid|frog tadpole|goose gosling|owl owlet|swan cygnet|fish fry|hare leveret|"
    "kangaroo joey|eel elver"
)
TIERS = 3


def _table(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.split(" ") for pair in text.split("|"))
    return tuple((thing, value) for thing, value in pairs)


TOPICS = {
    "capital": _table(CAPITALS),
    "opposite": _table(OPPOSITES),
    "symbol": _table(SYMBOLS),
    "young": _table(YOUNG),
}


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

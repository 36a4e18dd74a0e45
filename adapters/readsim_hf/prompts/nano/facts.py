"""The nano world's facts: what a capital, an opposite, a symbol, a young animal is called.

Each topic is ordered from common to rare: the first third is tier 0, the last third tier 2.
"""

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


def _table(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.split(" ") for pair in text.split("|"))
    return tuple((thing, value) for thing, value in pairs)


TOPICS = {
    "capital": _table(CAPITALS),
    "opposite": _table(OPPOSITES),
    "symbol": _table(SYMBOLS),
    "young": _table(YOUNG),
}

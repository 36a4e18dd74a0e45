"""Numbers, colours and things in five languages, in ASCII (German umlauts as ae, oe, ue)."""

LANGUAGES = ("en", "es", "de", "fr", "it")
FIRST = 2  # all phrases are plural
TIER = {"en": 0, "es": 1, "fr": 1, "it": 1, "de": 2}  # by how far from English order and endings

NUMBERS = {
    "en": "two three four five six seven eight nine ten eleven twelve",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "de": "zwei drei vier fuenf sechs sieben acht neun zehn elf zwoelf",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici",
}
# Plural nouns; in Romance languages with their gender.
THINGS = {
    "en": "cats dogs houses books tables apples letters trains rings keys",
    "es": "gatos:m perros:m casas:f libros:m mesas:f manzanas:f cartas:f trenes:m anillos:m llaves:f",
    "de": "katzen hunde haeuser buecher tische aepfel briefe zuege ringe schluessel",
    "fr": "chats:m chiens:m maisons:f livres:m tables:f pommes:f lettres:f trains:m bagues:f cles:f",
    "it": "gatti:m cani:m case:f libri:m tavoli:m mele:f lettere:f treni:m anelli:m chiavi:f",
}
# Plural adjectives: one form, or masculine/feminine.
COLOURS = {
    "en": "red white black green yellow blue",
    "es": "rojos/rojas blancos/blancas negros/negras verdes amarillos/amarillas azules",
    "de": "rote weisse schwarze gruene gelbe blaue",
    "fr": "rouges blancs/blanches noirs/noires verts/vertes jaunes bleus/bleues",
    "it": "rossi/rosse bianchi/bianche neri/nere verdi gialli/gialle blu",
}
NOUN_FIRST = ("es", "fr", "it")


def number_word(language: str, n: int) -> str:
    """The number word, for FIRST <= n < FIRST + 11."""
    return NUMBERS[language].split()[n - FIRST]


def thing(language: str, index: int) -> str:
    """The plural noun."""
    return THINGS[language].split()[index].partition(":")[0]


def colour(language: str, index: int, of: int) -> str:
    """The colour's form beside the thing `of`."""
    forms = COLOURS[language].split()[index].split("/")
    return forms[-1] if THINGS[language].split()[of].endswith(":f") else forms[0]


def phrase(language: str, n: int, hue: int | None, of: int) -> str:
    """`seven red cats`, `siete gatos rojos`; without a colour where `hue` is None."""
    noun = thing(language, of)
    if hue is None:
        return f"{number_word(language, n)} {noun}"
    adjective = colour(language, hue, of)
    pair = (noun, adjective) if language in NOUN_FIRST else (adjective, noun)
    return f"{number_word(language, n)} {' '.join(pair)}"

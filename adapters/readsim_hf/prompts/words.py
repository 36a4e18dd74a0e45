"""Pools of common words for slots. No word is in two pools of nouns."""

WOMEN = (
    *("Ada", "Carla", "Elena", "Grace", "Ines", "Kira", "Maya", "Nadia", "Priya", "Rosa"),
    *("Tara", "Vera", "Wendy", "Yara", "Bella", "Dora", "Fiona", "Hana", "Julia", "Nora"),
)
MEN = (
    *("Ben", "Dario", "Farid", "Hugo", "Jonas", "Liam", "Oscar", "Samir", "Ugo", "Xavier"),
    *("Zeno", "Amir", "Chen", "Emil", "Goran", "Ivan", "Kofi", "Marco", "Peter", "Victor"),
)
NAMES = (*WOMEN, *MEN)
FRUITS = (
    *("apple", "banana", "cherry", "fig", "grape", "lemon", "lime", "mango", "orange", "papaya"),
    *("peach", "pear", "plum", "quince", "apricot", "guava", "kiwi", "melon", "coconut", "date"),
)
THINGS = (
    *(
        "book",
        "chair",
        "lamp",
        "pencil",
        "mirror",
        "bottle",
        "candle",
        "basket",
        "hammer",
        "kettle",
    ),
    *(
        "ladder",
        "map",
        "needle",
        "pillow",
        "ruler",
        "spoon",
        "ticket",
        "umbrella",
        "vase",
        "whistle",
    ),
    *("button", "coin", "drum", "envelope", "flag", "helmet", "jar", "key", "marble", "stamp"),
)
ANIMALS = (
    *("cat", "dog", "horse", "cow", "sheep", "goat", "rabbit", "fox", "wolf", "bear"),
    *("mouse", "duck", "goose", "owl", "frog", "camel", "tiger", "lion", "seal", "otter"),
)
COLOURS = (
    *("red", "blue", "green", "yellow", "black", "white", "purple", "brown", "pink", "grey"),
)
PLACES = (
    *("library", "museum", "market", "station", "harbour", "school", "bakery", "theatre", "garden"),
    *("hospital", "castle", "bridge", "tower", "factory", "stadium", "airport", "temple", "farm"),
)
ADJECTIVES = (
    *(
        "quiet",
        "bright",
        "heavy",
        "smooth",
        "narrow",
        "gentle",
        "rapid",
        "sturdy",
        "curious",
        "plain",
    ),
    *(
        "warm",
        "distant",
        "simple",
        "hollow",
        "silver",
        "ancient",
        "clever",
        "humble",
        "lively",
        "rare",
    ),
)
# Made-up kinds, for reasoning that no fact can help.
KINDS = (
    *("blick", "dax", "fep", "gorp", "kiv", "lorp", "mip", "nolt", "pell", "quib"),
    *("rusk", "snerd", "tove", "vorn", "wug", "yalp", "zorb", "brill", "cromp", "drell"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def plural(word: str) -> str:
    """The plural of a noun of the word pools."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("ch", "s", "o")) else "s")

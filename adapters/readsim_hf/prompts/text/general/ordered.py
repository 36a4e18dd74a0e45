"""Facts with numbers (years, atomic numbers) and facts in two steps."""

from collections.abc import Sequence

from readsim_hf.prompts.scaffold import Factors, Scaffold, Solution, Values
from readsim_hf.prompts.slots import Integer, Sample
from readsim_hf.prompts.text.general.culture import EVENTS
from readsim_hf.prompts.text.general.draws import PLACE, multiple_choice, rarity
from readsim_hf.prompts.text.general.facts import BY_RELATION, Fact
from readsim_hf.prompts.text.general.single import LETTER
from readsim_hf.prompts.text.general.tables import ELEMENTS, element_tier

CONTINENT = {fact.subject: fact.object for fact in BY_RELATION["continent"]}
CURRENCY = {fact.subject: fact.object for fact in BY_RELATION["currency"]}
_PLACED = tuple(fact for fact in BY_RELATION["capital"] if fact.subject in CONTINENT)
_PAID = tuple(fact for fact in BY_RELATION["capital"] if fact.subject in CURRENCY)


def _extreme(items: Sequence[tuple[str, int]], place: int, last: bool, why: str) -> Solution:
    """The choice of the item with the smallest (with `last`, the largest) number."""
    ranked = sorted(items, key=lambda item: item[1], reverse=last)
    others = [name for name, *_ in items if name != ranked[0][0]]
    return multiple_choice(ranked[0][0], others, place, why)


def _dated(v: Values) -> str:
    """The events in order, with their years."""
    ordered = sorted(v["events"], key=lambda event: event[1])
    return "In order of time: " + "; ".join(f"{name} ({year})" for name, year, _ in ordered) + "."


def _first(v: Values) -> Solution:
    return _extreme([event[:2] for event in v["events"]], v["place"], False, _dated(v))


def _last(v: Values) -> Solution:
    return _extreme([event[:2] for event in v["events"]], v["place"], True, _dated(v))


def _timeline(v: Values) -> Solution:
    letters = [*"ABCDE"[: len(v["events"])]]
    ordered = sorted(zip(letters, v["events"], strict=True), key=lambda item: item[1][1])
    return Solution(
        ", ".join(letter for letter, _ in ordered),
        rationale=_dated(v),
        shown={
            "listed": "\n".join(
                f"{letter}. {event[0]}" for letter, event in zip(letters, v["events"], strict=True)
            )
        },
    )


def _century(v: Values) -> Solution:
    name, year, _ = v["events"][0]
    century = (year - 1) // 100 + 1
    wrong = [str(century + step) for step in v["steps"] if 1 <= century + step <= 21]
    why = f"The year of {name} is {year}, which is in century {century}."
    return multiple_choice(str(century), wrong[: v["count"] - 1], v["place"], why, name=name)


def _atomic(v: Values) -> Solution:
    items = [(name, number) for name, _, number in v["elements"]]
    numbers = "; ".join(f"{name} {number}" for name, number in items)
    why = f"The atomic numbers are: {numbers}."
    return _extreme(items, v["place"], True, why)


def _capital_in(v: Values) -> Solution:
    facts: tuple[Fact, ...] = v["capitals"]
    continent = CONTINENT[facts[0].subject]
    wrong = [fact.object for fact in facts if CONTINENT[fact.subject] != continent]
    why = f"{facts[0].object} is the capital of {facts[0].subject}, which is in {continent}."
    return multiple_choice(
        facts[0].object, wrong[: v["count"] - 1], v["place"], why, continent=continent
    )


def _capital_of_currency(v: Values) -> Solution:
    facts: tuple[Fact, ...] = v["capitals"]
    currency = CURRENCY[facts[0].subject]
    why = (
        f"The {currency} is the currency of {facts[0].subject}, whose capital is {facts[0].object}."
    )
    return multiple_choice(
        facts[0].object, [fact.object for fact in facts[1:]], v["place"], why, currency=currency
    )


_EVENTS: Factors = {
    "options": lambda v: len(v["events"]),
    "breadth": 1,
    "rarity": lambda v: sum(tier for _, _, tier in v["events"]) / len(v["events"]),
}

TEMPLATES = (
    Scaffold(
        "general/first-event",
        "Which of these happened first?\n{listed}\n" + LETTER,
        slots={"events": Sample(EVENTS, 3, 5), "place": PLACE},
        solve=_first,
        factors=_EVENTS,
        checker="choice",
    ),
    Scaffold(
        "general/last-event",
        "Which of these happened most recently?\n{listed}\n" + LETTER,
        slots={"events": Sample(EVENTS, 3, 5), "place": PLACE},
        solve=_last,
        factors=_EVENTS,
        checker="choice",
    ),
    Scaffold(
        "general/timeline",
        "Put these events in order of time, earliest first.\n{listed}\n"
        "Give the letters with commas between them.",
        slots={"events": Sample(EVENTS, 3, 5)},
        solve=_timeline,
        factors=_EVENTS,
        checker="list_equal",
    ),
    Scaffold(
        "general/century",
        "In which century AD was {name}?\n{listed}\n" + LETTER,
        slots={
            "events": Sample(EVENTS, 1, 1),
            "steps": Sample((-4, -3, -2, -1, 1, 2, 3, 4), 8, 8),
            "count": Integer(3, 5),
            "place": PLACE,
        },
        solve=_century,
        factors={**_EVENTS, "options": lambda v: v["count"]},
        checker="choice",
    ),
    Scaffold(
        "general/atomic-number",
        "Which of these elements has the highest atomic number?\n{listed}\n" + LETTER,
        slots={"elements": Sample(ELEMENTS, 3, 5), "place": PLACE},
        solve=_atomic,
        factors={
            "options": lambda v: len(v["elements"]),
            "breadth": 1,
            "rarity": lambda v: (
                sum(element_tier(name) for name, _, _ in v["elements"]) / len(v["elements"])
            ),
        },
        checker="choice",
    ),
    Scaffold(
        "general/capital-continent",
        "Which of these cities is the capital of a country in {continent}?\n{listed}\n" + LETTER,
        slots={
            "capitals": Sample(_PLACED, len(_PLACED), len(_PLACED)),
            "count": Integer(3, 5),
            "place": PLACE,
        },
        solve=_capital_in,
        factors={
            "options": lambda v: v["count"],
            "breadth": 2,
            "rarity": lambda v: v["capitals"][0].tier,
        },
        checker="choice",
    ),
    Scaffold(
        "general/capital-currency",
        "Which of these cities is the capital of the country whose currency is the {currency}?\n"
        "{listed}\n" + LETTER,
        slots={"capitals": Sample(_PAID, 3, 5), "place": PLACE},
        solve=_capital_of_currency,
        factors={
            "options": lambda v: len(v["capitals"]),
            "breadth": 2,
            "rarity": lambda v: rarity(v["capitals"][:1]),
        },
        checker="choice",
    ),
)

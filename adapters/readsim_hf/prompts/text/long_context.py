"""Questions about texts of about 50 to 600 words.

Factors: context_length in words asked for by the slot, distractors (facts of the kind asked
about that are not needed), hops (facts that have to be put together).
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Made, Sample, Slot
from readsim_hf.prompts.text import long_lists as lists
from readsim_hf.prompts.text.burying import bury
from readsim_hf.prompts.text.shared import (
    LAYOUT,
    distinct_rows,
    layout_rng,
    pick,
    shuffled,
    word_total,
)
from readsim_hf.prompts.words import COLOURS, FRUITS, NAMES, PLACES, THINGS

Rule = Callable[[Values], float]
_WORDS = Integer(50, 600)
_CODES = tuple(range(1000, 10_000))
_ASK = "Read this text.\n{context}\nQuestion: {question}"


class Found(NamedTuple):
    """Facts to bury, in their order; the question; the answer, the facts it needs, how it follows."""

    facts: Sequence[str]
    question: str
    answer: str
    used: Sequence[str]
    so: str = ""
    expect: Mapping[str, Any] = MappingProxyType({})


def _scaffold(
    name: str,
    slots: Mapping[str, Slot],
    solve: Callable[[Values], Found],
    distractors: float | Rule,
    hops: float | Rule,
    checker: str = "exact",
) -> Scaffold:
    def answer(values: Values) -> Solution:
        found = solve(values)
        context = bury(found.facts, values["words"], layout_rng(values["layout"]))
        shown = {"context": context, "question": found.question}
        rationale = " ".join((*found.used, found.so)).strip()
        return Solution(found.answer, rationale, dict(found.expect), shown)

    return Scaffold(
        id=f"long_context/{name}",
        text=_ASK,
        slots={**slots, "words": _WORDS, "layout": LAYOUT},
        solve=answer,
        factors={
            "context_length": lambda values: max(values["words"], word_total(solve(values).facts)),
            "distractors": distractors,
            "hops": hops,
        },
        checker=checker,
    )


def _mixed(facts: Sequence[str], values: Values) -> list[str]:
    """The facts in random order."""
    return shuffled(facts, layout_rng(values["layout"] + 1))


def _at(facts: Sequence[str], question: str, place: str, used: Sequence[str]) -> Found:
    """The answer is a place, with or without an article."""
    return Found(facts, question, f"the {place}", used, expect={"accepted": [place]})


def _code(values: Values) -> Found:
    facts = [f"The code of {name} is {code}." for name, code in values["codes"]]
    name, code = values["codes"][0]
    return Found(_mixed(facts, values), f"What is the code of {name}?", str(code), facts[:1])


def _whose(values: Values) -> Found:
    facts = [f"The bag of {name} holds one {fruit}." for name, fruit in values["bags"]]
    name, fruit = values["bags"][0]
    return Found(_mixed(facts, values), f"Which fruit is in the bag of {name}?", fruit, facts[:1])


def _chain(values: Values) -> tuple[list[str], list[str], list[str]]:
    """Who owns what, where it is, what colour the door there has; one of each a person."""
    people = values["people"]
    things = values["things"][: len(people)]
    places = values["places"][: len(people)]
    owns = [f"The {t} belongs to {p}." for p, t in zip(people, things, strict=True)]
    lies = [f"The {t} is kept at the {a}." for t, a in zip(things, places, strict=True)]
    doors = zip(places, values["colours"], strict=False)
    return owns, lies, [f"The door of the {a} is {c}." for a, c in doors]


def _two_hops(values: Values) -> Found:
    owns, lies, _ = _chain(values)
    question = f"At which place is the thing kept that belongs to {values['people'][0]}?"
    used = [owns[0], lies[0]]
    return _at(_mixed([*owns, *lies], values), question, values["places"][0], used)


def _three_hops(values: Values) -> Found:
    owns, lies, doors = _chain(values)
    question = (
        f"What colour is the door of the place where the thing is kept that belongs to "
        f"{values['people'][0]}?"
    )
    used = [owns[0], lies[0], doors[0]]
    return Found(_mixed([*owns, *lies, *doors], values), question, values["colours"][0], used)


def _draw_visits(rng: np.random.Generator) -> tuple[tuple[str, str], ...]:
    """Who went where, one visit after the other."""
    people = shuffled(NAMES, rng)[: int(rng.integers(2, 5))]
    places = shuffled(PLACES, rng)[: int(rng.integers(2, 6))]
    count = int(rng.integers(5, 17))
    return tuple((pick(people, rng), pick(places, rng)) for _ in range(count))


def _are_visits(value: Any) -> bool:
    return 5 <= len(value) <= 16 and all(who in NAMES and to in PLACES for who, to in value)


_VISITS: Mapping[str, Slot] = {"visits": Made(_draw_visits, _are_visits), "which": Integer(0, 15)}


class _Trips(NamedTuple):
    """All visits as facts; the person asked about with their places and facts, in order."""

    facts: list[str]
    person: str
    places: list[str]
    mine: list[str]


def _trips(values: Values) -> _Trips:
    visits = values["visits"]
    person = visits[values["which"] % len(visits)][0]
    facts = [f"Then {who} went to the {place}." for who, place in visits]
    mine = [fact for fact, (who, _) in zip(facts, visits, strict=True) if who == person]
    return _Trips(facts, person, [place for who, place in visits if who == person], mine)


def _count(values: Values) -> Found:
    facts, person, places, mine = _trips(values)
    place = places[0]
    question = f"How many times did {person} go to the {place}?"
    used = [fact for fact, to in zip(mine, places, strict=True) if to == place]
    return Found(facts, question, str(len(used)), used, f"That is {len(used)}.")


def _last(values: Values) -> Found:
    facts, person, places, mine = _trips(values)
    question = f"Where did {person} go last?"
    return _at(facts, question, places[-1], mine[-1:])


def _nth(values: Values) -> Found:
    facts, person, places, mine = _trips(values)
    n = values["which"] % len(places) + 1
    question = f"{person} made {len(places)} visits. Which place was number {n}?"
    return _at(facts, question, places[n - 1], mine[:n])


def _route(values: Values) -> Found:
    facts, person, places, mine = _trips(values)
    question = (
        f"To which places did {person} go? List them all in order, separated by commas, without "
        f'"the", with repetitions.'
    )
    return Found(facts, question, ", ".join(places), mine)


def _ever(values: Values) -> Found:
    facts, person, places, mine = _trips(values)
    asked = values["place"] if values["place"] not in places else places[-1]
    asked = places[-1] if values["which"] % 2 else asked
    question = f"Does the text say that {person} went to the {asked}? Answer yes or no."
    went = asked in places
    so = "So yes." if went else f"The {asked} is not among them, so no."
    answer = "yes" if went else "no"
    return Found(facts, question, answer, mine, so, {"labels": ["yes", "no"]})


def _price(values: Values) -> Found:
    facts = [f"The {thing} now costs {price} euros." for thing, price in values["prices"]]
    thing = values["prices"][values["which"] % len(facts)][0]
    at = max(n for n, (other, _) in enumerate(values["prices"]) if other == thing)
    question = f"Prices change in the course of the text. What does the {thing} cost at its end?"
    so = "No later sentence changes it."
    return Found(facts, question, str(values["prices"][at][1]), [facts[at]], so)


def _draw_prices(rng: np.random.Generator) -> tuple[tuple[str, int], ...]:
    things = shuffled(THINGS, rng)[: int(rng.integers(2, 5))]
    count = int(rng.integers(5, 15))
    return tuple((pick(things, rng), int(rng.integers(2, 100))) for _ in range(count))


def _are_prices(value: Any) -> bool:
    return 5 <= len(value) <= 14 and all(thing in THINGS for thing, _ in value)


def _coins(values: Values) -> list[str]:
    return [f"{name} has {coins} coins." for name, coins in values["coins"]]


def _together(values: Values) -> Found:
    facts, some = _coins(values), values["coins"][: values["some"]]
    named = " and ".join(name for name, _ in some)
    total = sum(coins for _, coins in some)
    so = f"{' + '.join(str(coins) for _, coins in some)} = {total}."
    question = f"How many coins do {named} have together?"
    return Found(_mixed(facts, values), question, str(total), facts[: len(some)], so)


def _most(values: Values) -> Found:
    people = values["people"]
    coins = values["amounts"][: len(people)]
    facts = [f"{name} has {many} coins." for name, many in zip(people, coins, strict=True)]
    best = max(coins)
    winner = people[coins.index(best)]
    so = f"The largest number is {best}."
    return Found(facts, "Who has the most coins?", winner, facts, so, {"labels": list(people)})


_PEOPLE: Mapping[str, Slot] = {
    "people": Sample(NAMES, 2, 8),
    "things": Sample(THINGS, 8, 8),
    "places": Sample(PLACES, 8, 8),
    "colours": Sample(COLOURS, 8, 8),
}


def _others(slot: str, needed: int, kinds: int = 1) -> Rule:
    """Facts beyond the needed ones, with `kinds` facts for each member of the slot."""
    return lambda values: kinds * len(values[slot]) - needed


def _visits_beside(values: Values) -> float:
    trips = _trips(values)
    return float(len(trips.facts) - len(trips.mine))


def _own_visits(values: Values) -> float:
    return float(len(_trips(values).mine))


_BURIED: tuple[Scaffold, ...] = (
    _scaffold(
        "code",
        {"codes": distinct_rows(1, 12, NAMES, _CODES)},
        _code,
        _others("codes", 1),
        1,
        "number",
    ),
    _scaffold(
        "fruit", {"bags": distinct_rows(1, 12, NAMES, FRUITS)}, _whose, _others("bags", 1), 1
    ),
    _scaffold("two-hops", _PEOPLE, _two_hops, _others("people", 2, 2), 2, "one_of"),
    _scaffold("three-hops", _PEOPLE, _three_hops, _others("people", 3, 3), 3),
    _scaffold("count", _VISITS, _count, _visits_beside, _own_visits, "number"),
    _scaffold("last", _VISITS, _last, _visits_beside, 1, "one_of"),
    _scaffold("nth", _VISITS, _nth, _visits_beside, _own_visits, "one_of"),
    _scaffold("route", _VISITS, _route, _visits_beside, _own_visits, "list_equal"),
    _scaffold("ever", {**_VISITS, "place": Choice(PLACES)}, _ever, _visits_beside, 1, "label"),
    _scaffold(
        "latest-price",
        {"prices": Made(_draw_prices, _are_prices), "which": Integer(0, 13)},
        _price,
        _others("prices", 1),
        1,
        "number",
    ),
    _scaffold(
        "together",
        {"coins": distinct_rows(3, 10, NAMES, range(2, 100)), "some": Integer(2, 3)},
        _together,
        lambda values: len(values["coins"]) - values["some"],
        lambda values: values["some"],
        "number",
    ),
    _scaffold(
        "most",
        {"people": Sample(NAMES, 3, 10), "amounts": Sample(range(2, 100), 10, 10)},
        _most,
        0,
        lambda values: len(values["people"]),
        "label",
    ),
)

TEMPLATES: tuple[Template, ...] = (*_BURIED, *lists.SCAFFOLDS)

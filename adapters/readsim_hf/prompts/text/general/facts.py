"""The fact table of the general templates: relations, each with subjects, objects and rarity tiers.

In each relation a subject has one object only, so every other object of that relation is wrong for
it. Tiers: 1 most people know it, 2 school knowledge, 3 few know it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from readsim_hf.prompts.text.general import tables


class Fact(NamedTuple):
    """`object` is what `relation` gives for `subject`."""

    relation: str
    subject: str
    object: str
    tier: int


@dataclass(frozen=True)
class Relation:
    """How a relation is asked and said; `{s}` is the subject, `{o}` the object.

    which   asks for the subject; empty where an object has several subjects
    group   names the subjects that share an object; empty where each has its own
    """

    name: str
    ask: str
    say: str
    which: str = ""
    group: str = ""


RELATIONS = {
    relation.name: relation
    for relation in (
        Relation(
            "capital",
            ask="What is the capital of {s}?",
            say="{o} is the capital of {s}",
            which="Which country has {o} as its capital?",
        ),
        Relation(
            "currency",
            ask="What is the currency of {s}?",
            say="the {o} is the currency of {s}",
        ),
        Relation(
            "continent",
            ask="On which continent is {s}?",
            say="{s} is in {o}",
            group="countries in {o}",
        ),
        Relation(
            "symbol",
            ask="What is the chemical symbol of {s}?",
            say="the chemical symbol of {s} is {o}",
            which="Which element has the chemical symbol {o}?",
        ),
        Relation(
            "animal",
            ask="To which group of animals does the {s} belong?",
            say="the {s} belongs to the {o}",
            group="{o}",
        ),
        Relation(
            "author",
            ask="Who wrote '{s}'?",
            say="'{s}' was written by {o}",
            which="Which of these was written by {o}?",
        ),
        Relation(
            "science",
            ask="Who is known for {s}?",
            say="{o} is known for {s}",
            which="What is {o} known for?",
        ),
        Relation(
            "unit",
            ask="Which quantity is measured in {s}?",
            say="{o} is measured in {s}",
            which="Which is a unit of {o}?",
        ),
        Relation(
            "landmark",
            ask="In which country can one visit {s}?",
            say="{s} can be visited in {o}",
        ),
        Relation(
            "composer",
            ask="Who composed '{s}'?",
            say="'{s}' was composed by {o}",
            which="Which of these was composed by {o}?",
        ),
    )
}

FACTS = tuple(
    Fact(relation, subject, answer, tier)
    for relation, tiers in tables.TABLES.items()
    for tier, rows in enumerate(tiers, start=1)
    for subject, answer in rows
)
BY_RELATION = {name: tuple(fact for fact in FACTS if fact.relation == name) for name in RELATIONS}
OBJECTS = {
    name: tuple(dict.fromkeys(fact.object for fact in facts)) for name, facts in BY_RELATION.items()
}


def say(fact: Fact, instead: str = "") -> str:
    """The fact as a sentence, with `instead` in place of its object if given."""
    sentence = RELATIONS[fact.relation].say.format(s=fact.subject, o=instead or fact.object)
    return sentence[0].upper() + sentence[1:] + "."


def other_object(fact: Fact, shift: int) -> str:
    """An object of the same relation that is wrong for this fact; `shift` chooses which."""
    others = [item for item in OBJECTS[fact.relation] if item != fact.object]
    return others[shift % len(others)]

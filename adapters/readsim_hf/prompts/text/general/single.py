"""Multiple choice over one relation."""

from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Sample
from readsim_hf.prompts.text.general.draws import (
    LETTERS,
    PLACE,
    FactSample,
    fact_factors,
    multiple_choice,
    rarity,
)
from readsim_hf.prompts.text.general.facts import (
    BY_RELATION,
    OBJECTS,
    RELATIONS,
    Fact,
    other_object,
    say,
)

LETTER = "Give the letter only."
REVERSIBLE = tuple(name for name, relation in RELATIONS.items() if relation.which)
GROUPED = tuple(name for name, relation in RELATIONS.items() if relation.group)


def _asked(v: Values) -> Fact:
    """The fact that is asked for; the others of the slot give the wrong options."""
    fact: Fact = v["facts"][0]
    return fact


def _object(v: Values) -> Solution:
    fact = _asked(v)
    question = RELATIONS[fact.relation].ask.format(s=fact.subject)
    wrong = [other.object for other in v["facts"][1:]]
    return multiple_choice(fact.object, wrong, v["place"], say(fact), question=question)


def _subject(v: Values) -> Solution:
    fact = _asked(v)
    question = RELATIONS[fact.relation].which.format(o=fact.object)
    wrong = [other.subject for other in v["facts"][1:]]
    return multiple_choice(fact.subject, wrong, v["place"], say(fact), question=question)


def _pair(subject: str, answer: str) -> str:
    return f"{subject} - {answer}"


def _pairing(v: Values) -> Solution:
    fact, others = _asked(v), v["facts"][1:]
    # The others change objects in a ring, so that each of them is wrong.
    moved = [other.object for other in (*others[1:], others[0])]
    wrong = [_pair(other.subject, item) for other, item in zip(others, moved, strict=True)]
    return multiple_choice(_pair(fact.subject, fact.object), wrong, v["place"], say(fact))


def _wrong_pairing(v: Values) -> Solution:
    fact, others = _asked(v), v["facts"][1:]
    instead = other_object(fact, v["shift"])
    right = [_pair(other.subject, other.object) for other in others]
    return multiple_choice(_pair(fact.subject, instead), right, v["place"], say(fact))


def _members(v: Values, inside: bool) -> tuple[list[Fact], list[Fact]]:
    """One fact with the drawn object (or, not inside, another) and facts of the other kind."""
    pool = BY_RELATION[v["kind"]]
    group = OBJECTS[v["kind"]][v["group"] % len(OBJECTS[v["kind"]])]
    members = [fact for fact in pool if fact.object == group]
    others = [fact for fact in pool if fact.object != group]
    one, many = (members, others) if inside else (others, members)
    chosen = [many[at] for at in v["order"] if at < len(many)]
    return [one[v["pick"] % len(one)]], chosen[: v["count"] - 1]


def _group_name(v: Values) -> str:
    group = OBJECTS[v["kind"]][v["group"] % len(OBJECTS[v["kind"]])]
    return RELATIONS[v["kind"]].group.format(o=group)


def _member(v: Values) -> Solution:
    (fact,), others = _members(v, inside=True)
    wrong = [other.subject for other in others]
    return multiple_choice(fact.subject, wrong, v["place"], say(fact), name=_group_name(v))


def _odd(v: Values) -> Solution:
    (fact,), others = _members(v, inside=False)
    wrong = [other.subject for other in others]
    return multiple_choice(fact.subject, wrong, v["place"], say(fact), name=_group_name(v))


_ONE: Factors = {
    "options": lambda v: len(v["facts"]),
    "breadth": 1,
    "rarity": lambda v: _asked(v).tier,
}
_GROUP_SLOTS: Slots = {
    "kind": Choice(GROUPED),
    "group": Integer(0, 41),
    "pick": Integer(0, 999),
    "order": Sample(range(99), 99, 99),
    "count": Integer(3, len(LETTERS)),
    "place": PLACE,
}

TEMPLATES = (
    Scaffold(
        "general/pick-object",
        "{question}\n{listed}\n" + LETTER,
        slots={"facts": FactSample(tuple(RELATIONS), 3, 5), "place": PLACE},
        solve=_object,
        factors=_ONE,
        checker="choice",
    ),
    Scaffold(
        "general/pick-subject",
        "{question}\n{listed}\n" + LETTER,
        slots={"facts": FactSample(REVERSIBLE, 3, 5), "place": PLACE},
        solve=_subject,
        factors=_ONE,
        checker="choice",
    ),
    Scaffold(
        "general/right-pair",
        "Only one of these pairs belongs together. Which one?\n{listed}\n" + LETTER,
        slots={"facts": FactSample(tuple(RELATIONS), 3, 5), "place": PLACE},
        solve=_pairing,
        factors=fact_factors(lambda v: len(v["facts"])),
        checker="choice",
    ),
    Scaffold(
        "general/wrong-pair",
        "All but one of these pairs belong together. Which one is wrong?\n{listed}\n" + LETTER,
        slots={
            "facts": FactSample(tuple(RELATIONS), 3, 5, narrow=1, broad=4),
            "shift": Integer(0, 999),
            "place": PLACE,
        },
        solve=_wrong_pairing,
        factors=fact_factors(lambda v: len(v["facts"])),
        checker="choice",
    ),
    Scaffold(
        "general/member",
        "Which of these is one of the {name}?\n{listed}\n" + LETTER,
        slots=_GROUP_SLOTS,
        solve=_member,
        factors={
            "options": lambda v: v["count"],
            "breadth": 1,
            "rarity": lambda v: rarity(_members(v, inside=True)[0]),
        },
        checker="choice",
    ),
    Scaffold(
        "general/odd-one-out",
        "All but one of these are {name}. Which one is not?\n{listed}\n" + LETTER,
        slots=_GROUP_SLOTS,
        solve=_odd,
        factors={
            "options": lambda v: v["count"],
            "breadth": 1,
            "rarity": lambda v: rarity(_members(v, inside=False)[1]),
        },
        checker="choice",
    ),
)

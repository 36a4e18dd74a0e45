"""Family trees and sets."""

from itertools import pairwise

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Integers, Sample
from readsim_hf.prompts.text.reasoning.order import by_permutation
from readsim_hf.prompts.words import MEN, NAMES, WOMEN

DEEPEST = 5
# What is asked of the sets, as said and as computed.
SETS = {
    "in both A and B": lambda a, b, c: a & b,
    "in A or in B or in both": lambda a, b, c: a | b,
    "in A but not in B": lambda a, b, c: a - b,
    "in exactly one of A and B": lambda a, b, c: a ^ b,
    "in all of A, B and C": lambda a, b, c: a & b & c,
    "in A and B but not in C": lambda a, b, c: (a & b) - c,
    "in A but in neither B nor C": lambda a, b, c: a - b - c,
    "in at least one of A, B and C": lambda a, b, c: a | b | c,
    "in C and in exactly one of A and B": lambda a, b, c: (a ^ b) & c,
}
# Set names and operations in each phrase.
_SET_SYMBOLS = {said: said.count("A") + said.count("B") + said.count("C") for said in SETS}


def _elder(generations: int, female: bool) -> str:
    """The name of an ancestor."""
    parent = "mother" if female else "father"
    if generations == 1:
        return parent
    return "great-" * (generations - 2) + "grand" + parent


def _family(v: Values) -> tuple[list[str], list[bool]]:
    """The people, and who of them is a woman."""
    female = [bool(v["bits"] >> at & 1) for at in range(len(v["women"]))]
    pairs = zip(v["women"], v["men"], strict=False)
    return [pair[not woman] for pair, woman in zip(pairs, female, strict=True)], female


def _ancestor(v: Values) -> Solution:
    people, female = _family(v)
    facts = [
        f"{a} is the {_elder(1, female[at])} of {b}." for at, (a, b) in enumerate(pairwise(people))
    ]
    depth = len(people) - 1
    return Solution(
        _elder(depth, female[0]),
        rationale=" ".join(facts) + f" That is {depth} generations.",
        shown={
            "facts": " ".join(by_permutation(facts, v["shuffle"])),
            "one": people[0],
            "other": people[-1],
        },
    )


def _generations(v: Values) -> Solution:
    """How many generations apart two people are in a tree with a side branch."""
    people = v["people"]
    main = people[: v["depth"] + 1]
    side = (main[0], *people[v["depth"] + 1 :])
    facts = [f"{b} is a child of {a}." for line in (main, side) for a, b in pairwise(line)]
    path = " -> ".join(main)
    return Solution(
        str(v["depth"]),
        rationale=f"From ancestor to descendant: {path}. That is {v['depth']} steps.",
        shown={
            "facts": " ".join(by_permutation(facts, v["shuffle"])),
            "one": main[0],
            "other": main[-1],
        },
    )


def _sibling(v: Values) -> Solution:
    """Uncle and niece, or cousins, from three facts."""
    (one, parent, child, other), female = _family(v)
    facts = [
        f"{one} is the {'sister' if female[0] else 'brother'} of {parent}.",
        f"{parent} is the {_elder(1, female[1])} of {child}.",
        f"{child} is the {'daughter' if female[2] else 'son'} of {parent}.",
        f"{other} is the {'daughter' if female[3] else 'son'} of {one}.",
    ]
    questions = {
        0: ((0, v["either"] + 1), one, child, "aunt" if female[0] else "uncle"),
        1: ((0, 2), child, one, "niece" if female[2] else "nephew"),
        2: ((0, v["either"] + 1, 3), other, child, "cousin"),
    }
    used, who, whose, answer = questions[v["question"]]
    told = [facts[at] for at in used]
    return Solution(
        answer,
        rationale=" ".join(told) + f" So {who} is the {answer} of {whose}.",
        expect={"labels": ["aunt", "uncle", "niece", "nephew", "cousin"]},
        shown={"facts": " ".join(by_permutation(told, v["shuffle"])), "who": who, "whose": whose},
    )


def _sets(v: Values) -> tuple[set[int], set[int], set[int]]:
    return set(v["a"]), set(v["b"]), set(v["c"])


def _counted(v: Values) -> Solution:
    found = sorted(SETS[v["asked"]](*_sets(v)))
    return Solution(
        str(len(found)),
        rationale="They are: " + (", ".join(map(str, found)) or "none") + ".",
    )


def _survey(v: Values) -> Solution:
    """Two overlapping groups, some people in neither."""
    one, both, other, neither = v["parts"]
    total = one + both + other + neither
    return Solution(
        str(neither),
        rationale=f"Tea or coffee: {one + both} + {other + both} - {both} = {one + both + other}. "
        f"Neither: {total} - {one + both + other} = {neither}.",
        shown={"total": total, "tea": one + both, "coffee": other + both, "both": both},
    )


_SHUFFLE = Sample(range(8), 8, 8)
_MEMBERS = Integers(3, 7, 1, 20, distinct=True)

TEMPLATES = (
    Scaffold(
        "reasoning/ancestor",
        "{facts} Which relation is {one} to {other}? Use one word such as grandmother or "
        "great-grandfather.",
        slots={
            "women": Sample(WOMEN, 3, DEEPEST + 1),
            "men": Sample(MEN, DEEPEST + 1, DEEPEST + 1),
            "bits": Integer(0, 2 ** (DEEPEST + 1) - 1),
            "shuffle": _SHUFFLE,
        },
        solve=_ancestor,
        factors={
            "constraints": lambda v: len(v["women"]) - 1,
            "hops": lambda v: len(v["women"]) - 1,
            "symbols": lambda v: len({v["bits"] >> i & 1 for i in range(len(v["women"]) - 1)}),
        },
    ),
    Scaffold(
        "reasoning/generations",
        "{facts} How many generations lie from {one} down to {other}? (Parent to child is 1.)",
        slots={
            "people": Sample(NAMES, 7, 8),
            "depth": Integer(1, 5),
            "shuffle": _SHUFFLE,
        },
        solve=_generations,
        factors={
            "constraints": lambda v: len(v["people"]) - 1,
            "hops": lambda v: v["depth"],
            "symbols": 1,
        },
        checker="number",
    ),
    Scaffold(
        "reasoning/kinship",
        "{facts} Which relation is {who} to {whose}: aunt, uncle, niece, nephew or cousin?",
        slots={
            "women": Sample(WOMEN, 4, 4),
            "men": Sample(MEN, 4, 4),
            "bits": Integer(0, 15),
            "question": Integer(0, 2),
            "either": Integer(0, 1),
            "shuffle": _SHUFFLE,
        },
        solve=_sibling,
        factors={
            "constraints": lambda v: 2 + (v["question"] == 2),
            "hops": lambda v: 2 + (v["question"] == 2),
            "symbols": 2,
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/sets",
        "A = {{{a}}}, B = {{{b}}}, C = {{{c}}}. How many numbers are {asked}?",
        slots={"a": _MEMBERS, "b": _MEMBERS, "c": _MEMBERS, "asked": Choice(tuple(SETS))},
        solve=_counted,
        factors={
            "constraints": lambda v: 2 + ("C" in v["asked"]),
            "hops": lambda v: len(v["a"]) + len(v["b"]) + len(v["c"]) * ("C" in v["asked"]),
            "symbols": lambda v: _SET_SYMBOLS[v["asked"]],
        },
        checker="number",
    ),
    Scaffold(
        "reasoning/survey",
        "Of {total} people, {tea} drink tea, {coffee} drink coffee, and {both} of these drink "
        "both. How many drink neither?",
        slots={"parts": Integers(4, 4, 1, 60)},
        solve=_survey,
        factors={"constraints": 4, "hops": 2, "symbols": 3},
        checker="number",
    ),
)

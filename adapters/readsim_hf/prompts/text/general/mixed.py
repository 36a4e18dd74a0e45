"""Statements of several relations: which are true, and open questions."""

from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Integers
from readsim_hf.prompts.text.general.draws import (
    LETTERS,
    PLACE,
    FactSample,
    fact_factors,
    multiple_choice,
)
from readsim_hf.prompts.text.general.facts import RELATIONS, other_object, say
from readsim_hf.prompts.text.general.single import LETTER

ALL = tuple(RELATIONS)
MANY = len(LETTERS)
SHIFTS = Integers(MANY, MANY, 0, 999)


def _false(v: Values, at: int) -> str:
    """The statement of one fact with a wrong object."""
    fact = v["facts"][at]
    return say(fact, other_object(fact, v["shifts"][at]))


def _true_one(v: Values) -> Solution:
    wrong = [_false(v, at) for at in range(1, len(v["facts"]))]
    why = "The other statements are wrong: " + " ".join(say(fact) for fact in v["facts"][1:])
    return multiple_choice(say(v["facts"][0]), wrong, v["place"], why)


def _false_one(v: Values) -> Solution:
    right = [say(fact) for fact in v["facts"][1:]]
    why = f"The wrong one should say: {say(v['facts'][0])}"
    return multiple_choice(_false(v, 0), right, v["place"], why)


def _statements(v: Values) -> tuple[list[str], list[bool]]:
    """Every fact as it is, or with a wrong object where its bit of `truth` is 0."""
    truth = [bool(v["truth"][at]) for at in range(len(v["facts"]))]
    said = [say(f) if truth[at] else _false(v, at) for at, f in enumerate(v["facts"])]
    return said, truth


def _verdicts(v: Values) -> str:
    """What is right about each statement."""
    _, truth = _statements(v)
    return " ".join(
        f"{at}: {'true' if good else f'false, {say(fact)[:-1]}'}."
        for at, (good, fact) in enumerate(zip(truth, v["facts"], strict=True), start=1)
    )


def _numbered(v: Values) -> str:
    return "\n".join(f"{at}. {line}" for at, line in enumerate(_statements(v)[0], start=1))


def _count(v: Values) -> Solution:
    answer = str(sum(_statements(v)[1]))
    return Solution(answer, rationale=_verdicts(v), shown={"numbered": _numbered(v)})


def _all_true(v: Values) -> Solution:
    answer = "yes" if all(_statements(v)[1]) else "no"
    return Solution(
        answer,
        rationale=_verdicts(v),
        expect={"labels": ["yes", "no"]},
        shown={"numbered": _numbered(v)},
    )


def _verdict_list(v: Values) -> Solution:
    answer = ", ".join("true" if good else "false" for good in _statements(v)[1])
    return Solution(answer, rationale=_verdicts(v), shown={"numbered": _numbered(v)})


def _verdict(v: Values) -> Solution:
    (said,), (truth,) = _statements(v)
    return Solution(
        "true" if truth else "false",
        rationale=say(v["facts"][0]),
        expect={"labels": ["true", "false"]},
        shown={"said": said},
    )


def _open(v: Values) -> Solution:
    asked = (RELATIONS[fact.relation].ask.format(s=fact.subject) for fact in v["facts"])
    return Solution(
        ", ".join(fact.object for fact in v["facts"]),
        rationale=" ".join(say(fact) for fact in v["facts"]),
        shown={"questions": "\n".join(f"{at}. {line}" for at, line in enumerate(asked, start=1))},
    )


_FACTORS: Factors = fact_factors(lambda v: len(v["facts"]))
_TRUTH: Slots = {"truth": Integers(MANY, MANY, 0, 1), "shifts": SHIFTS}

TEMPLATES = (
    Scaffold(
        "general/true-statement",
        "Exactly one of these statements is true. Which one?\n{listed}\n" + LETTER,
        slots={"facts": FactSample(ALL, 3, MANY, 1, 4), "shifts": SHIFTS, "place": PLACE},
        solve=_true_one,
        factors=_FACTORS,
        checker="choice",
    ),
    Scaffold(
        "general/false-statement",
        "Exactly one of these statements is false. Which one?\n{listed}\n" + LETTER,
        slots={"facts": FactSample(ALL, 3, MANY, 1, 4), "shifts": SHIFTS, "place": PLACE},
        solve=_false_one,
        factors=_FACTORS,
        checker="choice",
    ),
    Scaffold(
        "general/count-true",
        "How many of these statements are true?\n{numbered}\nGive one number.",
        slots={"facts": FactSample(ALL, 3, MANY, 1, 4), **_TRUTH},
        solve=_count,
        factors=_FACTORS,
        checker="number",
    ),
    Scaffold(
        "general/all-true",
        "Is every one of these statements true?\n{numbered}\nSay yes or no.",
        slots={"facts": FactSample(ALL, 2, 3, 1, 3), **_TRUTH},
        solve=_all_true,
        factors=_FACTORS,
        checker="label",
    ),
    Scaffold(
        "general/verdicts",
        "Say of each statement, in order, whether it is true or false.\n{numbered}\n"
        "Give the words with commas between them, such as: true, false.",
        slots={"facts": FactSample(ALL, 2, 4, 1, 4), **_TRUTH},
        solve=_verdict_list,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "general/verdict",
        "True or false: {said}",
        slots={
            "facts": FactSample(ALL, 1, 1),
            "truth": Integers(1, 1, 0, 1),
            "shifts": SHIFTS,
        },
        solve=_verdict,
        factors=fact_factors(lambda v: 2),
        checker="label",
    ),
    Scaffold(
        "general/open-questions",
        "Answer these questions in order, with commas between the answers.\n{questions}",
        slots={"facts": FactSample(ALL, 2, 4, 1, 4)},
        solve=_open,
        factors=_FACTORS,
        checker="list_equal",
    ),
)

"""Truth values, syllogisms, chains of rules, truth-tellers and liars."""

from itertools import pairwise, product

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Integer, Sample
from readsim_hf.prompts.text.reasoning import formula as f
from readsim_hf.prompts.text.reasoning.order import by_permutation
from readsim_hf.prompts.words import KINDS, NAMES

LONGEST = 6
_YES_NO = {"labels": ["yes", "no"]}


def _assignment(v: Values) -> dict[str, bool]:
    return {
        letter: bool(v["bits"] >> f.VARIABLES.index(letter) & 1)
        for letter in f.letters_of(v["formula"])
    }


def _truth_value(v: Values) -> Solution:
    of = _assignment(v)
    given = ", ".join(f"{letter} is {str(bit).lower()}" for letter, bit in of.items())
    return Solution(
        str(f.truth(v["formula"], of)).lower(),
        rationale=" ".join(f.formula_steps(v["formula"], of)),
        expect={"labels": ["true", "false"]},
        shown={"given": given, "text": f.write_formula(v["formula"])},
    )


def _models(v: Values) -> Solution:
    letters = f.letters_of(v["formula"])
    rows = [
        dict(zip(letters, bits, strict=True))
        for bits in product((True, False), repeat=len(letters))
    ]
    true = [row for row in rows if f.truth(v["formula"], row)]
    listed = "; ".join(
        ", ".join(f"{letter} {str(bit).lower()}" for letter, bit in row.items()) for row in true
    )
    return Solution(
        str(len(true)),
        rationale=f"It is true for: {listed or 'no assignment'}.",
        shown={
            "letters": letters,
            "rows": len(rows),
            "text": f.write_formula(v["formula"]),
        },
    )


def _links(v: Values) -> int:
    return len(v["kinds"]) - 1


def _ends(v: Values) -> tuple[int, int]:
    """Two different places in the chain of kinds."""
    count = len(v["kinds"])
    at = v["at"] % count
    return at, (at + 1 + v["gap"] % (count - 1)) % count


def _syllogism(v: Values) -> Solution:
    kinds, (at, to) = v["kinds"], _ends(v)
    facts = [f"All {a}s are {b}s." for a, b in pairwise(kinds)]
    low, high = min(at, to), max(at, to)
    chain = " ".join(facts[low:high])
    follows = at < to
    why = (
        chain
        if follows
        else f"The facts lead from {kinds[to]}s to {kinds[at]}s, not the other way: {chain}"
    )
    return Solution(
        "yes" if follows else "no",
        rationale=why,
        expect=_YES_NO,
        shown={
            "facts": " ".join(by_permutation(facts, v["shuffle"])),
            "one": kinds[at],
            "other": kinds[to],
        },
    )


def _exclusion(v: Values) -> Solution:
    """Every A is a B, ..., no Y is a Z; somebody is an A. One link may be told the wrong way round."""
    kinds, who = v["kinds"], v["people"][0]
    *links, (last, end) = pairwise(kinds)
    facts = [f"Every {a} is a {b}." for a, b in links] + [f"No {last} is a {end}."]
    why = f"{who} is a {kinds[0]}. " + " ".join(facts)
    if v["broken"]:
        at = v["at"] % len(links)
        a, b = links[at]
        facts[at] = f"Every {b} is a {a}."
        why = f"{facts[at]} Nothing says that every {a} is a {b}, so the chain ends there."
    return Solution(
        "no" if v["broken"] else "yes",
        rationale=why,
        expect=_YES_NO,
        shown={
            "facts": " ".join(by_permutation(facts, v["shuffle"])),
            "who": who,
            "start": kinds[0],
            "end": end,
        },
    )


def _rules(v: Values) -> Solution:
    """A chain of rules from the switch that is on, and rules from switches that are off."""
    lamps, length = v["lamps"], v["length"]
    chain, off = lamps[: length + 1], lamps[length + 1 :]
    lit = [f"If lamp {a} is on, lamp {b} is on." for a, b in pairwise(chain)]
    dark = [f"If lamp {a} is on, lamp {b} is on." for a, b in pairwise(off)]
    asked = chain[-1] if v["ask_lit"] else off[-1]
    why = f"Lamp {chain[0]} is on. " + " ".join(lit)
    return Solution(
        "yes" if v["ask_lit"] else "no",
        rationale=why + ("" if v["ask_lit"] else f" Nothing switches lamp {asked} on."),
        expect=_YES_NO,
        shown={
            "rules": " ".join(by_permutation([*lit, *dark], v["shuffle"])),
            "start": chain[0],
            "asked": asked,
        },
    )


def _liars(v: Values) -> Solution:
    people = v["people"]
    honest, lines, why = True, [], [f"{people[0]} tells the truth."]
    for at, (a, b) in enumerate(pairwise(people)):
        # What a says about b, and what that makes b.
        says_honest = bool(v["bits"] >> at & 1)
        lines.append(f"{a} says that {b} {'tells the truth' if says_honest else 'lies'}.")
        honest = says_honest == honest
        why.append(f"So {b} {'tells the truth' if honest else 'lies'}.")
    return Solution(
        "yes" if honest else "no",
        rationale=" ".join(why),
        expect=_YES_NO,
        shown={
            "first": people[0],
            "lines": " ".join(by_permutation(lines, v["shuffle"])),
            "last": people[-1],
        },
    )


_SHUFFLE = Sample(range(12), 12, 12)

TEMPLATES = (
    Scaffold(
        "reasoning/truth-value",
        "{given}. Is this true or false: {text}",
        slots={"formula": f.Formulas(4, 2, 6), "bits": Integer(0, 15)},
        solve=_truth_value,
        factors={
            "constraints": lambda v: len(_assignment(v)),
            "hops": lambda v: f.formula_depth(v["formula"]),
            "symbols": lambda v: f.symbols(v["formula"]),
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/truth-table",
        "Each of {letters} is true or false, which makes {rows} cases. "
        "In how many of them is this true: {text}",
        slots={"formula": f.Formulas(3, 2, 5)},
        solve=_models,
        factors={
            "constraints": lambda v: len(f.letters_of(v["formula"])),
            "hops": lambda v: f.formula_depth(v["formula"]),
            "symbols": lambda v: f.symbols(v["formula"]),
        },
        checker="number",
    ),
    Scaffold(
        "reasoning/syllogism",
        "{facts} Does it follow from this that all {one}s are {other}s? Say yes or no.",
        slots={
            "kinds": Sample(KINDS, 3, LONGEST),
            "at": Integer(0, 59),
            "gap": Integer(0, 59),
            "shuffle": _SHUFFLE,
        },
        solve=_syllogism,
        factors={
            "constraints": _links,
            "hops": lambda v: abs(_ends(v)[0] - _ends(v)[1]),
            "symbols": 1,
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/exclusion",
        "{facts} {who} is a {start}. Does it follow that {who} is not a {end}? Say yes or no.",
        slots={
            "kinds": Sample(KINDS, 3, LONGEST),
            "people": Sample(NAMES, 1, 1),
            "broken": Integer(0, 1),
            "at": Integer(0, 59),
            "shuffle": _SHUFFLE,
        },
        solve=_exclusion,
        factors={"constraints": _links, "hops": _links, "symbols": 2},
        checker="label",
    ),
    Scaffold(
        "reasoning/lamps",
        "A lamp is on only if it is said to be, or if a rule switches it on. {rules} "
        "Lamp {start} is on. Is lamp {asked} on? Say yes or no.",
        slots={
            "lamps": Sample("ABCDEFGHJK", 8, 10),
            "length": Integer(1, 5),
            "ask_lit": Integer(0, 1),
            "shuffle": _SHUFFLE,
        },
        solve=_rules,
        factors={
            "constraints": lambda v: len(v["lamps"]) - 2,
            "hops": lambda v: v["length"],
            "symbols": 1,
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/liars",
        "Everybody here either always lies or always tells the truth. {first} tells the truth. "
        "{lines} Does {last} tell the truth? Say yes or no.",
        slots={
            "people": Sample(NAMES, 3, LONGEST),
            "bits": Integer(0, 2**LONGEST - 1),
            "shuffle": _SHUFFLE,
        },
        solve=_liars,
        factors={
            "constraints": lambda v: len(v["people"]),
            "hops": lambda v: len(v["people"]) - 1,
            "symbols": lambda v: 1 + len({v["bits"] >> i & 1 for i in range(len(v["people"]) - 1)}),
        },
        checker="label",
    ),
)

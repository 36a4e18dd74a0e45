"""Questions between two languages: translation, the same meaning, which language, mixed numbers."""

from collections.abc import Callable, Mapping
from typing import Any

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Made, Sample
from readsim_hf.prompts.text.languages import TONGUES, Tongue
from readsim_hf.prompts.text.numerals import settled, spell
from readsim_hf.prompts.text.shared import LAYOUT, layout_rng, pick, shuffled

Rule = Callable[[Values], float]
_LETTERS = "ABCD"


def _factors(source: Tongue, length: float | Rule) -> Mapping[str, float | Rule]:
    """Factors of a question in `source` about or into the language of the slot `other`."""

    def tier(values: Values) -> float:
        return max(source.tier, TONGUES[values["other"]].tier)

    def change(values: Values) -> float:
        return float(source.script != TONGUES[values["other"]].script)

    return {"language_tier": tier, "length": length, "script_change": change}


def _others(tongue: Tongue) -> Choice:
    return Choice(tuple(code for code in TONGUES if code != tongue.code))


def _translate(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        other, places = TONGUES[values["other"]], values["places"]
        words = [tongue.words[at] for at in places[:-2]]
        into = [other.words[at] for at in places]
        answer = into[:-2]  # the last two are only offered
        bank = shuffled(into, layout_rng(values["layout"]))
        steps = "; ".join(f"{a} = {b}" for a, b in zip(words, answer, strict=True))
        shown = {
            "language": tongue.languages[other.code],
            "items": ", ".join(words),
            "bank": ", ".join(bank),
        }
        return Solution(", ".join(answer), f"{steps}.", shown=shown)

    return Scaffold(
        id=f"multilingual/translate-{tongue.code}",
        text=tongue.sentences["translate"],
        slots={
            "other": _others(tongue),
            "places": Sample(range(len(tongue.words)), 4, 8),
            "layout": LAYOUT,
        },
        solve=solve,
        factors=_factors(tongue, lambda v: len(v["places"]) - 2),
        checker="list_equal",
        language=tongue.code,
    )


def _say(tongue: Tongue, fact: tuple[str, int, int]) -> str:
    """A sentence with one meaning in every language: about a day, a month or a date."""
    name, which, n = fact
    fields = {
        "weekday": {"day": tongue.weekdays[which % 7]},
        "month": {"month": tongue.months[which]},
        "date": {"date": tongue.on(n, which)},
    }[name]
    text = tongue.sentences[name].format(n=n, **fields)
    # What follows the question mark is about the form of a reply.
    end = max(text.find(mark) for mark in ("?", "\uff1f"))
    return text[: end + 1]


def _draw_facts(rng: Any) -> tuple[tuple[str, int, int], ...]:
    """Four facts of one kind, no two alike: different (which, n)."""
    name = pick(("weekday", "month", "date"), rng)
    many = 7 if name == "weekday" else 12
    first, second = shuffled(range(many), rng)[:2]
    one, two = shuffled(range(2, 29), rng)[:2]
    return tuple((name, which, n) for which in (first, second) for n in (one, two))


def _valid_facts(value: Any) -> bool:
    return len(value) == 4 and len(set(value)) == 4 and len({name for name, _, _ in value}) == 1


def _meaning(tongue: Tongue) -> Scaffold:
    def solve(values: Values) -> Solution:
        facts, other = values["facts"], TONGUES[values["other"]]
        order = shuffled(facts, layout_rng(values["layout"]))
        options = [_say(other, fact) for fact in order]
        letter = _LETTERS[order.index(facts[0])]
        lines = [f"{a}. {option}" for a, option in zip(_LETTERS, options, strict=True)]
        shown = {"sentence": _say(tongue, facts[0]), "options": "\n".join(lines)}
        rationale = f"{_say(tongue, facts[0])} = {_say(other, facts[0])}"
        expect = {"letters": _LETTERS, "options": options}
        return Solution(letter, rationale, expect, shown)

    return Scaffold(
        id=f"multilingual/meaning-{tongue.code}",
        text=tongue.sentences["meaning"],
        slots={
            "other": _others(tongue),
            "facts": Made(_draw_facts, _valid_facts),
            "layout": LAYOUT,
        },
        solve=solve,
        factors=_factors(tongue, 4),
        checker="choice",
        language=tongue.code,
    )


_ENGLISH = TONGUES["en"]


def _which(values: Values) -> Solution:
    tongue = TONGUES[values["other"]]
    sentences = " ".join(_say(tongue, fact) for fact in values["facts"][: values["many"]])
    labels = [other.name for other in TONGUES.values()]
    rationale = f"The words and the spelling are {tongue.name}."
    return Solution(tongue.name, rationale, {"labels": labels}, {"sentences": sentences})


def _mixed(values: Values) -> Solution:
    numbers, codes = values["numbers"], values["codes"]
    words = [spell(n, code) for n, code in zip(numbers, codes, strict=False)]
    used = numbers[: len(words)]
    steps = "; ".join(f"{word} = {n}" for word, n in zip(words, used, strict=True))
    total = sum(used)
    rationale = f"{steps}; {' + '.join(map(str, used))} = {total}."
    return Solution(str(total), rationale, shown={"items": ", ".join(words)})


def _mixed_factors() -> Mapping[str, float | Rule]:
    return {
        "language_tier": lambda v: max(TONGUES[code].tier for code in v["codes"]),
        "length": lambda v: len(v["codes"]),
        "script_change": lambda v: float(
            any(TONGUES[code].script != _ENGLISH.script for code in v["codes"])
        ),
    }


def _respell(values: Values) -> Solution:
    n = values["n"]
    source, other = (TONGUES[code] for code in values["codes"])
    words = spell(n, source.code)
    answer = spell(n, other.code)
    shown = {"language": other.name, "from_language": source.name, "words": words}
    return Solution(answer, f"{words} = {n} = {answer}.", shown=shown)


_SHARED = tuple(sorted(set.intersection(*(set(settled(code)) for code in TONGUES))))
_CODES = tuple(TONGUES)


def _respell_factors() -> Mapping[str, float | Rule]:
    return {
        "language_tier": lambda v: max(TONGUES[code].tier for code in v["codes"]),
        "length": 1,
        "script_change": lambda v: float(TONGUES[v["codes"][1]].script != _ENGLISH.script),
    }


SCAFFOLDS: tuple[Scaffold, ...] = (
    *(_translate(tongue) for tongue in TONGUES.values()),
    *(_meaning(tongue) for tongue in TONGUES.values()),
    Scaffold(
        id="multilingual/which-language",
        text="In which language is this written? {sentences}\nGive the English name of the language.",
        slots={
            "other": Choice(_CODES),
            "facts": Made(_draw_facts, _valid_facts),
            "many": Integer(1, 3),
        },
        solve=_which,
        factors=_factors(_ENGLISH, lambda v: v["many"]),
        checker="label",
    ),
    Scaffold(
        id="multilingual/mixed-sum",
        text="Add up these numbers, each written in another language: {items}. Answer in digits.",
        slots={"codes": Sample(_CODES, 2, 5), "numbers": Sample(range(2, 200), 5, 5)},
        solve=_mixed,
        factors=_mixed_factors(),
        checker="number",
    ),
    Scaffold(
        id="multilingual/respell",
        text='In {from_language}, a number is called "{words}". What is it called in {language}?',
        slots={"codes": Sample(_CODES, 2, 2), "n": Choice(_SHARED)},
        solve=_respell,
        factors=_respell_factors(),
    ),
)

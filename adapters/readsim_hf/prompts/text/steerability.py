"""Instructions about form whose fulfilment can be decided.

Factors: rules (constraints on the form), fields (schema fields asked for), length (words given, or
words asked for where nothing is given).
"""

from collections.abc import Callable, Mapping

from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Sample, Slot
from readsim_hf.prompts.text import steerability_free as free
from readsim_hf.prompts.text import steerability_schema as schema
from readsim_hf.prompts.text.shared import NOUNS, passage, verbatim, word_total

Rule = Callable[[Values], float]

WORDS = Sample(NOUNS, 4, 10)
_SEPARATORS = (" | ", " - ", "; ", " / ", " + ")


def _length(values: Values) -> float:
    return float(len(values["words"])) if "words" in values else word_total(values["text"])


def _scaffold(
    name: str,
    text: str,
    slots: dict[str, Slot],
    solve: Callable[[Values], Solution],
    rules: float | Rule = 1,
    checker: str = "regex",
) -> Scaffold:
    return Scaffold(
        id=f"steerability/{name}",
        text=text,
        slots=slots,
        solve=solve,
        factors={"rules": rules, "fields": 0, "length": _length},
        checker=checker,
    )


def _exactly(answer: str, rationale: str, shown: Mapping[str, object] | None = None) -> Solution:
    return Solution(answer, rationale, verbatim(answer), shown or {})


def _case(name: str, how: str, change: Callable[[str], str]) -> Scaffold:
    def solve(values: Values) -> Solution:
        text = " ".join(values["text"])
        rationale = f"The text has {len(text.split())} words; each is written in {how}."
        return _exactly(change(text), rationale, {"passage": text})

    text = f"Rewrite this text in {how} and change nothing else: {{passage}}"
    return _scaffold(name, text, {"text": passage(1, 3)}, solve)


def _swap(values: Values) -> Solution:
    text, new = " ".join(values["text"]), values["new"]
    answer = text.replace(" the ", f" {new} ")
    rationale = f'"the" occurs {text.count(" the ")} times; each time "{new}" takes its place.'
    return _exactly(answer, rationale, {"passage": text})


def _wrap(values: Values) -> Solution:
    text, tag = " ".join(values["text"]), values["tag"]
    answer = f"<{tag}>{text.upper()}</{tag}>"
    rationale = f"First the capital letters, then <{tag}> before and </{tag}> after the text."
    return _exactly(answer, rationale, {"passage": text})


def _reverse(values: Values) -> Solution:
    turned = values["words"][::-1]
    rationale = f"From the last word, {turned[0]}, back to the first, {turned[-1]}."
    return _exactly(values["separator"].join(turned), rationale)


def _sort(values: Values) -> Solution:
    falling = values["direction"] == "z to a"
    answer = sorted(values["words"], reverse=falling)
    joined = "\n".join(answer)
    count = len(answer)
    rules = [
        {"checker": "list_equal", "answer": joined},
        {"checker": "line_count", "expect": {"low": count, "high": count}},
    ]
    rationale = f"First letters in order: {' '.join(word[0] for word in answer)}."
    return Solution(joined, rationale, {"rules": rules})


def _bullets(values: Values) -> Solution:
    words = [word.upper() for word in values["words"]]
    answer = "\n".join(f"{values['marker']} {word}" for word in words)
    rationale = f"{len(words)} lines, each with {values['marker']} and a word in capital letters."
    return _exactly(answer, rationale)


def _numbered(values: Values) -> Solution:
    first, close = values["first"], values["close"]
    lines = [f"{at}{close} {word}" for at, word in enumerate(values["words"], first)]
    rationale = f"The numbers run from {first} to {first + len(lines) - 1}."
    return _exactly("\n".join(lines), rationale)


def _repeat(values: Values) -> Solution:
    count = values["count"]
    rationale = f'"{values["words"][0]}" {count} times, so {count - 1} separators.'
    answer = values["separator"].join(values["words"] * count)
    return _exactly(answer, rationale, {"word": values["words"][0]})


def _keep(values: Values) -> Solution:
    kept = [word for word in values["words"] if len(word) > values["limit"]]
    steps = ", ".join(f"{word} {len(word)}" for word in values["words"])
    return Solution(", ".join(kept) or "none", f"Letters: {steps}.")


def _initials(values: Values) -> Solution:
    letters = [word[0].upper() for word in values["words"]]
    steps = ", ".join(f"{w}: {a}" for w, a in zip(values["words"], letters, strict=True))
    return _exactly(values["mark"].join(letters), f"{steps}.")


def _vowels(values: Values) -> Solution:
    bare = ["".join(letter for letter in word if letter not in "aeiou") for word in values["words"]]
    steps = ", ".join(f"{a} becomes {b}" for a, b in zip(values["words"], bare, strict=True))
    return _exactly(" ".join(bare), f"{steps}.")


_STEPS: Mapping[str, Callable[[list[str]], list[str]]] = {
    "sort the words from a to z": sorted,
    "reverse the order of the words": lambda words: words[::-1],
    "drop the first word": lambda words: words[1:],
    "drop the last word": lambda words: words[:-1],
    "write every word in capital letters": lambda words: [word.upper() for word in words],
    "repeat the first word at the end": lambda words: [*words, words[0]],
    "swap the first and the last word": lambda words: [words[-1], *words[1:-1], words[0]],
    "put an exclamation mark right after each word": lambda words: [f"{word}!" for word in words],
}


def _several(values: Values) -> Solution:
    words = list(values["words"])
    done = []
    for at, step in enumerate(values["steps"], 1):
        words = _STEPS[step](words)
        done.append(f"{at}. {values['separator'].join(words)}")
    steps = "\n".join(f"{at}. {step}" for at, step in enumerate(values["steps"], 1))
    answer = values["separator"].join(words)
    return _exactly(answer, "\n".join(done), {"list_of_steps": steps})


def _count(name: str) -> Callable[[Values], float]:
    return lambda values: float(len(values[name]))


_REWRITES: tuple[Scaffold, ...] = (
    _case("upper", "capital letters", str.upper),
    _case("lower", "small letters", str.lower),
    _scaffold(
        "replace",
        'Rewrite this text with every "the" replaced by "{new}", and change nothing else: {passage}',
        {"text": passage(1, 3), "new": Choice(("this", "that", "one", "every", "no"))},
        _swap,
    ),
    _scaffold(
        "wrap",
        "Rewrite this text in capital letters, with <{tag}> right before it and </{tag}> right after "
        "it: {passage}",
        {"text": passage(1, 2), "tag": Choice(("note", "quote", "title", "text", "item"))},
        _wrap,
        rules=2,
    ),
    _scaffold(
        "reverse",
        'Write these words in reverse order, on one line, with "{separator}" between them: {words}',
        {"words": WORDS, "separator": Choice(_SEPARATORS)},
        _reverse,
        rules=2,
    ),
    _scaffold(
        "sort",
        "Sort these words from {direction} and write each on a line of its own: {words}",
        {"words": WORDS, "direction": Choice(("a to z", "z to a"))},
        _sort,
        rules=2,
        checker="all_of",
    ),
    _scaffold(
        "bullets",
        'Write these words as a list, each on a line of its own that starts with "{marker} ", in '
        "capital letters, in the same order: {words}",
        {"words": WORDS, "marker": Choice(("-", "*", "+", ">", "#"))},
        _bullets,
        rules=3,
    ),
    _scaffold(
        "numbered",
        "Write these words as a numbered list, one a line, in the same order. The number before the "
        'first word is "{first}{close} ": {words}',
        {"words": WORDS, "first": Integer(1, 20), "close": Choice((".", ")", ":"))},
        _numbered,
        rules=2,
    ),
    _scaffold(
        "repeat",
        'Write the word "{word}" exactly {count} times on one line, with "{separator}" between.',
        {"words": Sample(NOUNS, 1, 1), "count": Integer(2, 12), "separator": Choice(_SEPARATORS)},
        _repeat,
        rules=2,
    ),
    _scaffold(
        "keep",
        "Write those of these words that have more than {limit} letters, in the same order, "
        'separated by commas; if there are none, write "none": {words}',
        {"words": WORDS, "limit": Integer(3, 6)},
        _keep,
        rules=2,
        checker="list_equal",
    ),
    _scaffold(
        "initials",
        'Write the first letters of these words as capital letters, with "{mark}" between them and '
        "nothing else: {words}",
        {"words": WORDS, "mark": Choice((".", "-", "/", "_", "*"))},
        _initials,
        rules=2,
    ),
    _scaffold(
        "vowels",
        "Write these words without the letters a, e, i, o and u, separated by single spaces, in the "
        "same order: {words}",
        {"words": WORDS},
        _vowels,
        rules=2,
    ),
    _scaffold(
        "steps",
        "Take these words: {words}\nDo this in order:\n{list_of_steps}\n"
        'Write the words that result on one line, with "{separator}" between them.',
        {
            "words": WORDS,
            "steps": Sample(tuple(_STEPS), 2, 5),
            "separator": Choice((*_SEPARATORS, " ")),
        },
        _several,
        rules=lambda values: _count("steps")(values) + 1,
    ),
)

TEMPLATES: tuple[Template, ...] = (*_REWRITES, *schema.SCAFFOLDS, *free.SCAFFOLDS)

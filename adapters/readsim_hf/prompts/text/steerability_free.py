"""Free text under rules that can be decided; the gold answer is one text that keeps them."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Sample, Slot
from readsim_hf.prompts.text.shared import NOUNS
from readsim_hf.prompts.words import ADJECTIVES, PLACES, THINGS

Rule = Callable[[Values], float]

_OPENERS = ("Today", "Yesterday", "Often", "Sometimes", "Everyone", "Nobody", "Perhaps", "Tonight")
_LETTERS = "acdeilnorstu"


def _scaffold(
    name: str,
    text: str,
    slots: dict[str, Slot],
    solve: Callable[[Values], Solution],
    rules: float,
    length: Rule,
    checker: str = "all_of",
) -> Scaffold:
    return Scaffold(
        id=f"steerability/{name}",
        text=text,
        slots=slots,
        solve=solve,
        factors={"rules": rules, "fields": 0, "length": length},
        checker=checker,
    )


def _words(low: int, high: int) -> dict[str, Any]:
    return {"checker": "word_count", "expect": {"low": low, "high": high}}


def _contains(*parts: str) -> dict[str, Any]:
    return {"checker": "contains_all", "expect": {"parts": list(parts)}}


def _lacks(*parts: str) -> dict[str, Any]:
    return {"checker": "contains_none", "expect": {"parts": list(parts)}}


def _matches(pattern: str) -> dict[str, Any]:
    return {"checker": "regex", "expect": {"pattern": pattern}}


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _filled(start: Sequence[str], count: int, last: str) -> str:
    """A sentence of exactly `count` words that starts so and whose last word is `last`."""
    room = count - len(start) - 3
    places = [place for place in PLACES if place != last][: room // 3]
    phrases = [f"near the {place}" for place in (*places, last)]
    return " ".join((*start, *("quite", "still")[2 - room % 3 :], *phrases)) + "."


def _exact_count(values: Values) -> Solution:
    subject, count = f"{values['adjective']} {values['thing']}", values["count"]
    answer = _filled(("The", *subject.split(), "stands"), count, "garden")
    rules = [_words(count, count), _contains(values["thing"])]
    rationale = f"4 words, then {count - 4} that say how and where it stands: {count} words."
    return Solution(answer, rationale, {"rules": rules}, {"subject": _with_article(subject)})


def _start_end(values: Values) -> Solution:
    first, last, count = values["first"], values["last"], values["most"]
    answer = _filled((first, "the", values["thing"], "stands"), count, last)
    pattern = rf"\A{first}\b[\s\S]*\b{last}[.!]?\Z"
    rules = [_words(5, count), _matches(pattern), _contains(values["thing"])]
    rationale = f"It starts with {first}, ends with {last} and has {count} words."
    return Solution(answer, rationale, {"rules": rules})


def _forbidden(values: Values) -> Solution:
    first, count = values["first"], values["count"]
    free = [letter for letter in _LETTERS if letter not in first]
    letter = free[values["place"] % len(free)]
    answer = " ".join([first, *(word for word in NOUNS if letter not in f"{word}{first}")][:count])
    rules = [
        _words(count, count),
        _matches(rf"\A{first}\b"),
        _matches(rf"(?i)\A[^{letter}]+\Z"),
    ]
    rationale = f"None of these {count} words has the letter {letter}."
    return Solution(answer, rationale, {"rules": rules}, {"letter": letter})


def _both(values: Values) -> Solution:
    wanted, banned, most = values["wanted"], values["banned"], values["most"]
    answer = f"Somebody keeps {' and '.join(f'one {word}' for word in wanted)}."
    rules = [_contains(*wanted), _lacks(*banned), _words(3, most)]
    shown = {"use": ", ".join(wanted), "avoid": ", ".join(banned)}
    rationale = f"All of {shown['use']} occur, none of {shown['avoid']}; at most {most} words."
    return Solution(answer, rationale, {"rules": rules}, shown)


def _lines(values: Values) -> Solution:
    lines, each = values["lines"], values["each"]
    answer = "\n".join(
        " ".join((values["thing"], *ADJECTIVES[at : at + each - 1])) for at in range(lines)
    )
    line = rf"[ \t]*\S+(?:[ \t]+\S+){{{each - 1}}}[ \t]*"
    rules = [
        {"checker": "line_count", "expect": {"low": lines, "high": lines}},
        _matches(rf"\A{line}(?:\n{line}){{{lines - 1}}}\Z"),
        _contains(values["thing"]),
    ]
    rationale = f"{lines} lines of {each} words are {lines * each} words."
    return Solution(answer, rationale, {"rules": rules})


def _sentences(values: Values) -> Solution:
    count, thing, end = values["count"], values["thing"], values["end"]
    answer = " ".join(f"The {thing} is {word}." for word in ADJECTIVES[:count])
    answer = f"{answer}\n{end}"
    pattern = rf"\A(?:[^.!?]+[.!?]\s+){{{count}}}{re.escape(end)}\Z"
    rules = [_matches(pattern), _contains(thing)]
    shown = {"subject": _with_article(thing)}
    return Solution(answer, f"{count} sentences, then {end}.", {"rules": rules}, shown)


SCAFFOLDS: tuple[Scaffold, ...] = (
    _scaffold(
        "word-count",
        'Write one sentence of exactly {count} words about {subject}; use the word "{thing}".',
        {"adjective": Choice(ADJECTIVES), "thing": Choice(THINGS), "count": Integer(7, 30)},
        _exact_count,
        2,
        lambda values: values["count"],
    ),
    _scaffold(
        "start-end",
        'Write one sentence that begins with the word "{first}", ends with the word "{last}", '
        'contains "{thing}" and has from 5 to {most} words.',
        {
            "first": Choice(_OPENERS),
            "last": Choice(PLACES),
            "thing": Choice(THINGS),
            "most": Integer(8, 20),
        },
        _start_end,
        4,
        lambda values: values["most"],
    ),
    _scaffold(
        "forbidden-letter",
        'Write exactly {count} English words, separated by spaces. The first is "{first}", and the '
        'letter "{letter}" must not occur in any of them.',
        {"first": Choice(NOUNS), "place": Integer(0, 11), "count": Integer(3, 12)},
        _forbidden,
        3,
        lambda values: values["count"],
    ),
    _scaffold(
        "use-avoid",
        "Write a sentence of at most {most} words that contains all of these words: {use}. It must "
        "contain none of these: {avoid}.",
        {
            "wanted": Sample(NOUNS[:35], 2, 5),
            "banned": Sample(NOUNS[35:], 1, 4),
            "most": Integer(18, 40),
        },
        _both,
        3,
        lambda values: values["most"],
    ),
    _scaffold(
        "lines",
        'Write {lines} lines of exactly {each} words each. Use the word "{thing}" at least once.',
        {"lines": Integer(2, 8), "each": Integer(2, 9), "thing": Choice(THINGS)},
        _lines,
        3,
        lambda values: values["lines"] * values["each"],
    ),
    _scaffold(
        "sentences",
        'Write exactly {count} sentences about {subject}, then a last line that is only "{end}". Use '
        'the word "{thing}"; the full stop is used for ends of sentences only.',
        {
            "count": Integer(1, 5),
            "thing": Choice(NOUNS),
            "end": Choice(("END", "DONE", "OVER", "FINIS", "STOP")),
        },
        _sentences,
        3,
        lambda values: 8 * values["count"],
    ),
)

"""Questions about long lists, tables and transcripts: everything in them is of the kind asked about."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Integer, Slot
from readsim_hf.prompts.text.burying import filler
from readsim_hf.prompts.text.shared import LAYOUT, NOUNS, VERBS, layout_rng, pick, shuffled
from readsim_hf.prompts.words import ADJECTIVES, NAMES, PLACES, THINGS

Rule = Callable[[Values], float]
_KEYS = tuple(f"{adjective}-{thing}" for adjective, thing in product(ADJECTIVES, THINGS))
_LINE = 9  # words of a line of a transcript


def _of(words: int) -> Rule:
    """Entries of so many words; a key counts as two."""
    return lambda values: values["words"] // words


def _scaffold(
    name: str,
    text: str,
    slots: Mapping[str, Slot],
    solve: Callable[[Values], Solution],
    entries: Rule,
    hops: float | Rule = 1,
    checker: str = "exact",
) -> Scaffold:
    """`entries` counts the entries, all of which but the needed ones distract."""

    def needed(values: Values) -> float:
        return hops(values) if callable(hops) else hops

    return Scaffold(
        id=f"long_context/{name}",
        text=text,
        slots={"words": Integer(50, 600), "layout": LAYOUT, **slots},
        solve=solve,
        factors={
            "context_length": lambda values: values["words"],
            "distractors": lambda values: entries(values) - needed(values),
            "hops": hops,
        },
        checker=checker,
    )


def _table(values: Values) -> tuple[list[tuple[str, int]], np.random.Generator]:
    """Pairs of key and value, no two alike in either; the generator goes on after them."""
    rng = layout_rng(values["layout"])
    count = values["words"] // 3
    numbers = [int(n) + 1000 for n in rng.permutation(9000)[:count]]
    return list(zip(shuffled(_KEYS, rng)[:count], numbers, strict=True)), rng


def _lines(table: list[tuple[str, int]]) -> str:
    return "\n".join(f"{key}: {number}" for key, number in table)


def _value(values: Values) -> Solution:
    table, rng = _table(values)
    key, number = pick(table, rng)
    shown = {"context": _lines(table), "key": key}
    return Solution(str(number), f"{key}: {number}", shown=shown)


def _key(values: Values) -> Solution:
    table, rng = _table(values)
    key, number = pick(table, rng)
    return Solution(key, f"{key}: {number}", shown={"context": _lines(table), "number": number})


def _follow(values: Values) -> Solution:
    """Every key leads to the next of a cycle through all of them."""
    rng = layout_rng(values["layout"])
    keys = shuffled(_KEYS, rng)[: values["words"] // 6]
    links = [(key, keys[(at + 1) % len(keys)]) for at, key in enumerate(keys)]
    context = "\n".join(f"{key} leads to {other}." for key, other in shuffled(links, rng))
    used = [f"{key} leads to {other}." for key, other in links[: values["steps"]]]
    shown = {"context": context, "start": keys[0]}
    return Solution(keys[values["steps"]], " ".join(used), shown=shown)


def _items(values: Values) -> list[str]:
    rng = layout_rng(values["layout"])
    return shuffled(_KEYS, rng)[: values["words"] // 2]


def _after(values: Values) -> Solution:
    items = _items(values)
    at = values["place"] % (len(items) - 1)
    shown = {"context": " ".join(items), "item": items[at]}
    return Solution(items[at + 1], f"... {items[at]} {items[at + 1]} ...", shown=shown)


def _from_end(values: Values) -> Solution:
    items, n = _items(values), values["n"]
    tail = items[-n:]
    steps = ", ".join(f"{at} {item}" for at, item in enumerate(reversed(tail), 1))
    return Solution(tail[0], f"From the end: {steps}.", shown={"context": " ".join(items)})


def _from_start(values: Values) -> Solution:
    items, n = _items(values), values["n"]
    steps = ", ".join(f"{at} {item}" for at, item in enumerate(items[:n], 1))
    return Solution(items[n - 1], f"From the start: {steps}.", shown={"context": " ".join(items)})


def _talk(values: Values) -> tuple[list[tuple[str, str]], np.random.Generator]:
    """Speaker and sentence, line by line; no two sentences alike."""
    rng = layout_rng(values["layout"])
    people = shuffled(NAMES, rng)[: values["speakers"]]
    topics = shuffled(product(ADJECTIVES, THINGS), rng)[: values["words"] // _LINE]
    return [
        (
            pick(people, rng),
            f"I {pick(VERBS, rng)} the {adjective} {thing} near the {pick(PLACES, rng)}.",
        )
        for adjective, thing in topics
    ], rng


def _script(talk: list[tuple[str, str]]) -> str:
    return "\n".join(f"{who}: {said}" for who, said in talk)


def _who_said(values: Values) -> Solution:
    talk, rng = _talk(values)
    who, said = pick(talk, rng)
    expect = {"labels": sorted({speaker for speaker, _ in talk})}
    return Solution(who, f"{who}: {said}", expect, {"context": _script(talk), "said": said})


def _said_last(values: Values) -> Solution:
    talk, rng = _talk(values)
    who = pick(talk, rng)[0]
    said = [words for speaker, words in talk if speaker == who][-1]
    rationale = f"{who}: {said} No later line is {who}'s."
    return Solution(said, rationale, shown={"context": _script(talk), "who": who})


def _spoke(values: Values) -> Solution:
    talk, rng = _talk(values)
    who = pick(talk, rng)[0]
    mine = [f"{speaker}: {said}" for speaker, said in talk if speaker == who]
    rationale = "\n".join(f"{at}. {line}" for at, line in enumerate(mine, 1))
    return Solution(str(len(mine)), rationale, shown={"context": _script(talk), "who": who})


def _own_lines(values: Values) -> float:
    return float(_spoke(values).answer or 0)


def _replied(values: Values) -> Solution:
    talk, rng = _talk(values)
    at = int(rng.integers(len(talk) - 1))
    (_, said), (who, reply) = talk[at], talk[at + 1]
    expect = {"labels": sorted({speaker for speaker, _ in talk})}
    rationale = f"After {said} comes {who}: {reply}"
    return Solution(who, rationale, expect, {"context": _script(talk), "said": said})


def _section(values: Values) -> Solution:
    rng = layout_rng(values["layout"])
    titles = [noun.title() for noun in shuffled(NOUNS, rng)[: values["sections"]]]
    people = shuffled(NAMES, rng)[: len(titles)]
    parts = []
    for title, person in zip(titles, people, strict=True):
        room = values["words"] // len(titles) - 6
        sentences = [filler(rng) for _ in range(max(0, room // 9))]
        sentences.insert(int(rng.integers(len(sentences) + 1)), f"{person} was there too.")
        parts.append(f"# {title}\n{' '.join(sentences)}")
    title, person = pick(list(zip(titles, people, strict=True)), rng)
    shown = {"context": "\n".join(parts), "person": person}
    return Solution(title, f"# {title} ... {person} was there too.", {"labels": titles}, shown)


_SPEAKERS: Mapping[str, Slot] = {"speakers": Integer(2, 8)}

SCAFFOLDS: tuple[Scaffold, ...] = (
    _scaffold(
        "key-value",
        "{context}\nWhich number stands after {key}?",
        {},
        _value,
        _of(3),
        checker="number",
    ),
    _scaffold(
        "value-key", "{context}\nAfter which key does the number {number} stand?", {}, _key, _of(3)
    ),
    _scaffold(
        "follow",
        "{context}\nStart at {start} and go {steps} steps. Where do you arrive?",
        {"steps": Integer(2, 5)},
        _follow,
        _of(6),
        lambda values: values["steps"],
    ),
    _scaffold(
        "after-item",
        "Here is a list: {context}\nWhich item comes right after {item}?",
        {"place": Integer(0, 298)},
        _after,
        _of(2),
    ),
    _scaffold(
        "from-start",
        "Here is a list: {context}\nWhat is item number {n}, counted from the start?",
        {"n": Integer(2, 15)},
        _from_start,
        _of(2),
    ),
    _scaffold(
        "from-end",
        "Here is a list: {context}\nWhat is item number {n}, counted from the end (the last is 1)?",
        {"n": Integer(1, 10)},
        _from_end,
        _of(2),
    ),
    _scaffold(
        "who-said",
        '{context}\nWho said "{said}"?',
        _SPEAKERS,
        _who_said,
        _of(_LINE),
        checker="label",
    ),
    _scaffold(
        "said-last",
        "{context}\nWhat did {who} say last? Give the whole sentence.",
        _SPEAKERS,
        _said_last,
        _of(_LINE),
    ),
    _scaffold(
        "spoke",
        "{context}\nHow many lines does {who} have?",
        _SPEAKERS,
        _spoke,
        _of(_LINE),
        _own_lines,
        checker="number",
    ),
    _scaffold(
        "next-speaker",
        '{context}\nWho spoke right after "{said}" was said?',
        _SPEAKERS,
        _replied,
        _of(_LINE),
        2,
        checker="label",
    ),
    _scaffold(
        "section",
        "{context}\nIn which section is {person} mentioned? Give its title.",
        {"sections": Integer(3, 8)},
        _section,
        lambda values: values["sections"],
        checker="label",
    ),
)

"""Linear and circular orders: clues about neighbours, a question about the whole."""

from collections.abc import Sequence
from itertools import pairwise

from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Sample
from readsim_hf.prompts.words import NAMES

MOST = 7
# Comparative, its opposite, and the two superlatives.
SCALES = (
    ("taller", "shorter", "tallest", "shortest"),
    ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"),
    ("heavier", "lighter", "heaviest", "lightest"),
    ("richer", "poorer", "richest", "poorest"),
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
# The drawn order of people is the true one; `shuffle` is the order in which the clues are told.
_SLOTS: Slots = {
    "people": Sample(NAMES, 3, MOST),
    "shuffle": Sample(range(MOST), MOST, MOST),
    "turned": Integer(0, 2**MOST - 1),
}


def by_permutation(items: Sequence[str], order: Sequence[int]) -> list[str]:
    """The items in another order: those of a permutation of at least as many places."""
    return [items[at] for at in order if at < len(items)]


def _told(v: Values, ahead: str, behind: str) -> str:
    """A clue for each pair of neighbours, told from one side or the other."""
    clues = [
        f"{b} is {behind} {a}." if v["turned"] >> at & 1 else f"{a} is {ahead} {b}."
        for at, (a, b) in enumerate(pairwise(v["people"]))
    ]
    return " ".join(by_permutation(clues, v["shuffle"]))


def _compared(v: Values) -> str:
    more, less, *_ = v["scale"]
    return _told(v, f"{more} than", f"{less} than")


def _rank(v: Values) -> int:
    return int(v["rank"] % len(v["people"]))


def _order_line(v: Values, relation: str) -> str:
    return f"From the clues, {relation}: " + ", ".join(v["people"]) + "."


def _extreme(v: Values) -> Solution:
    most, least = v["scale"][2:]
    return Solution(
        v["people"][-1 if v["last"] else 0],
        rationale=_order_line(v, f"from {most} to {least}"),
        expect={"labels": list(v["people"])},
        shown={"clues": _compared(v), "asked": least if v["last"] else most},
    )


def _ranked(v: Values) -> Solution:
    most, least = v["scale"][2:]
    at = _rank(v)
    return Solution(
        v["people"][at],
        rationale=_order_line(v, f"from {most} to {least}") + f" Number {at + 1} is asked for.",
        expect={"labels": list(v["people"])},
        shown={"clues": _compared(v), "most": most, "least": least, "ordinal": _ORDINALS[at]},
    )


def _listing(v: Values) -> Solution:
    most, least = v["scale"][2:]
    return Solution(
        ", ".join(v["people"]),
        rationale=_order_line(v, f"from {most} to {least}"),
        shown={"clues": _compared(v), "most": most, "least": least},
    )


def _queue(v: Values) -> Solution:
    at, people = _rank(v), v["people"]
    return Solution(
        str(at),
        rationale=_order_line(v, "from the front")
        + f" {people[at]} has {at} {'person' if at == 1 else 'people'} in front.",
        shown={
            "clues": _told(v, "directly in front of", "directly behind"),
            "who": people[at],
        },
    )


def _between(v: Values) -> Solution:
    people = v["people"]
    low, high = sorted((_rank(v), (_rank(v) + 1 + v["gap"] % (len(people) - 1)) % len(people)))
    return Solution(
        str(high - low - 1),
        rationale=_order_line(v, "from left to right")
        + f" {people[low]} is number {low + 1} and {people[high]} is number {high + 1}.",
        shown={
            "clues": _told(v, "directly to the left of", "directly to the right of"),
            "one": people[high],
            "other": people[low],
        },
    )


def _circle(v: Values) -> Solution:
    people = v["people"]
    at, step = _rank(v), 1 + v["gap"] % (len(people) - 1)
    clues = [
        f"{b} is the next person clockwise from {a}."
        for a, b in zip(people, (*people[1:], people[0]), strict=True)
    ]
    # The last clue follows from the others.
    told = " ".join(by_permutation(clues[:-1], v["shuffle"]))
    path = [people[(at + i) % len(people)] for i in range(step + 1)]
    return Solution(
        path[-1],
        rationale="Clockwise: " + " -> ".join(path) + ".",
        expect={"labels": list(people)},
        shown={
            "clues": told,
            "number": len(people),
            "who": people[at],
            "step": "1 place" if step == 1 else f"{step} places",
        },
    )


def _clues(v: Values) -> int:
    people: tuple[str, ...] = v["people"]
    return len(people) - 1


def _links_to_rank(v: Values) -> int:
    """Clues between the nearer end of the order and the place that is asked for."""
    return 1 + min(_rank(v), _clues(v) - _rank(v))


def _turned(v: Values) -> int:
    """Different kinds of clue: two where some are told from the other side."""
    return len({v["turned"] >> at & 1 for at in range(_clues(v))})


_FACTORS: Factors = {"constraints": _clues, "hops": _clues, "symbols": _turned}
_SCALE: Slots = {"scale": Choice(SCALES)}
_RANK: Slots = {"rank": Integer(0, 419)}
_GAP: Slots = {"gap": Integer(0, 59)}

TEMPLATES = (
    Scaffold(
        "reasoning/extreme",
        "{clues} Who is the {asked}?",
        slots={**_SLOTS, **_SCALE, "last": Integer(0, 1)},
        solve=_extreme,
        factors=_FACTORS,
        checker="label",
    ),
    Scaffold(
        "reasoning/rank",
        "{clues} If they line up from {most} to {least}, who is {ordinal}?",
        slots={**_SLOTS, **_SCALE, **_RANK},
        solve=_ranked,
        factors={**_FACTORS, "hops": _links_to_rank},
        checker="label",
    ),
    Scaffold(
        "reasoning/full-order",
        "{clues} List all of them from {most} to {least}, with commas between the names.",
        slots={**_SLOTS, **_SCALE},
        solve=_listing,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "reasoning/queue",
        "Some people stand in a queue. {clues} Nobody else is there. "
        "How many people are in front of {who}?",
        slots={**_SLOTS, **_RANK},
        solve=_queue,
        factors={**_FACTORS, "hops": _links_to_rank},
        checker="number",
    ),
    Scaffold(
        "reasoning/between",
        "Some people sit in one row. {clues} How many people sit between {one} and {other}?",
        slots={**_SLOTS, **_RANK, **_GAP},
        solve=_between,
        factors=_FACTORS,
        checker="number",
    ),
    Scaffold(
        "reasoning/round-table",
        "{number} people sit around a round table. {clues} Who sits {step} clockwise from {who}?",
        slots={
            "people": _SLOTS["people"],
            "shuffle": _SLOTS["shuffle"],
            **_RANK,
            **_GAP,
        },
        solve=_circle,
        factors={
            "constraints": _clues,
            "hops": lambda v: 1 + v["gap"] % _clues(v),
            "symbols": 1,
        },
        checker="label",
    ),
)

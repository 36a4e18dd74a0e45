"""Things that change step by step: places, owners, directions, dates; and puzzles with one solution."""

from datetime import date, timedelta
from itertools import permutations

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Day, Integer, Integers, Sample
from readsim_hf.prompts.words import ANIMALS, MONTHS, NAMES, PLACES, THINGS, WEEKDAYS

HEADINGS = ("north", "east", "south", "west")


def _moves(v: Values) -> list[tuple[str, str]]:
    """Who goes where: each mover and goal is an index modulo how many there are."""
    people, places = v["people"], v["places"]
    return [
        (people[mover % len(people)], places[goal % len(places)])
        for mover, goal in zip(v["movers"], v["goals"], strict=False)
    ]


def _where(v: Values) -> Solution:
    moves = _moves(v)
    movers = list(dict.fromkeys(who for who, _ in moves))
    who = movers[v["asked"] % len(movers)]
    trail = [where for mover, where in moves if mover == who]
    return Solution(
        trail[-1],
        rationale=f"{who} goes to the " + ", then to the ".join(trail) + ".",
        expect={"labels": list(v["places"])},
        shown={
            "story": " ".join(f"{mover} goes to the {where}." for mover, where in moves),
            "who": who,
        },
    )


def _swaps(v: Values) -> list[tuple[int, int]]:
    count = len(v["people"])
    return [
        (a % count, (a % count + 1 + b % (count - 1)) % count)
        for a, b in zip(v["left"], v["right"], strict=False)
    ]


def _owner(v: Values) -> Solution:
    people, held = v["people"], list(v["things"][: len(v["people"])])
    start = " ".join(f"{who} has the {what}." for who, what in zip(people, held, strict=True))
    story, why = [], []
    for a, b in _swaps(v):
        story.append(f"{people[a]} and {people[b]} swap what they have.")
        held[a], held[b] = held[b], held[a]
        why.append(f"Now {people[a]} has the {held[a]} and {people[b]} the {held[b]}.")
    who = v["asked"] % len(people)
    return Solution(
        held[who],
        rationale=" ".join(why),
        expect={"labels": list(v["things"][: len(people)])},
        shown={"start": start, "story": " ".join(story), "who": people[who]},
    )


def _heading(v: Values) -> Solution:
    at, told, why = HEADINGS.index(v["start"]), [], []
    for turn in v["turns"]:
        told.append(("turns right", "turns around", "turns left")[turn - 1])
        at = (at + turn) % 4
        why.append(HEADINGS[at])
    return Solution(
        HEADINGS[at],
        rationale=f"From {v['start']}: " + ", ".join(why) + ".",
        expect={"labels": list(HEADINGS)},
        shown={"story": ", ".join(told)},
    )


def _walk(v: Values) -> Solution:
    steps = [(n, HEADINGS[way]) for n, way in zip(v["lengths"], v["ways"], strict=False)]
    east = sum(n * (way == "east") - n * (way == "west") for n, way in steps)
    north = sum(n * (way == "north") - n * (way == "south") for n, way in steps)
    return Solution(
        str(abs(east) + abs(north)),
        rationale=f"In all {abs(north)} blocks {'north' if north >= 0 else 'south'} "
        f"and {abs(east)} blocks {'east' if east >= 0 else 'west'} of the start.",
        shown={"story": ", then ".join(f"{n} blocks {way}" for n, way in steps)},
    )


def _weekday(v: Values) -> Solution:
    told = [
        f"{abs(n)} {'day' if abs(n) == 1 else 'days'} {'after' if n > 0 else 'before'}"
        for n in v["shifts"]
    ]
    net = sum(v["shifts"])
    end = WEEKDAYS[(WEEKDAYS.index(v["start"]) + net) % 7]
    return Solution(
        end,
        rationale=f"In all that is {net:+d} days. {net} mod 7 = {net % 7}. "
        f"{v['start']} and {net % 7} more: {end}.",
        expect={"labels": list(WEEKDAYS)},
        # The last shift is said first: `3 days after 5 days before today`.
        shown={"phrase": " ".join(reversed(told))},
    )


def _said(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _days(v: Values) -> Solution:
    end = v["day"] + timedelta(days=v["span"])
    return Solution(
        str(v["span"]),
        rationale=f"From {_said(v['day'])} to {_said(end)} it is {v['span']} days.",
        shown={"start": _said(v["day"]), "end": _said(end)},
    )


def _solutions(count: int, clues: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The ways to give things to people so that no clue (person, thing) comes true."""
    return [
        ways for ways in permutations(range(count)) if all(ways[who] != what for who, what in clues)
    ]


def _pet_clues(v: Values) -> list[tuple[int, int]]:
    """Clues that the true solution (everybody has their own) obeys, until no other does."""
    count = len(v["people"])
    pairs = [divmod(at, 4) for at in v["pairs"]]
    wrong = [pair for pair in pairs if pair[0] != pair[1] and max(pair) < count]
    used = next(n for n in range(len(wrong) + 1) if len(_solutions(count, wrong[:n])) == 1)
    return wrong[:used]


def _pets(v: Values) -> Solution:
    people, pets = v["people"], v["pets"][: len(v["people"])]
    clues = _pet_clues(v)
    who = v["asked"] % len(people)
    pairs = ", ".join(f"{a} the {b}" for a, b in zip(people, pets, strict=True))
    return Solution(
        pets[who],
        rationale=f"Only one way fits all clues: {pairs}.",
        expect={"labels": list(pets)},
        shown={
            "names": people,
            "kinds": ", ".join(
                f"{'an' if pet[0] in 'aeiou' else 'a'} {pet}" for pet in sorted(pets)
            ),
            "clues": " ".join(f"{people[a]} does not have the {pets[b]}." for a, b in clues),
            "who": people[who],
        },
    )


TEMPLATES = (
    Scaffold(
        "reasoning/where",
        "{story} In which place is {who} now?",
        slots={
            "people": Sample(NAMES, 2, 4),
            "places": Sample(PLACES, 3, 5),
            "movers": Integers(3, 9, 0, 11),
            "goals": Integers(9, 9, 0, 59),
            "asked": Integer(0, 11),
        },
        solve=_where,
        factors={
            "constraints": lambda v: len(v["movers"]),
            "hops": lambda v: len(_moves(v)) / len(v["people"]),
            "symbols": lambda v: len(v["people"]) + len(v["places"]),
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/swaps",
        "{start} {story} What does {who} have in the end?",
        slots={
            "people": Sample(NAMES, 2, 5),
            "things": Sample(THINGS, 5, 5),
            "left": Integers(1, 6, 0, 59),
            "right": Integers(6, 6, 0, 59),
            "asked": Integer(0, 59),
        },
        solve=_owner,
        factors={
            "constraints": lambda v: len(v["people"]),
            "hops": lambda v: len(v["left"]),
            "symbols": lambda v: 2 * len(v["people"]),
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/heading",
        "{who} faces {start} and {story}. In which direction does {who} face now?",
        slots={
            "who": Choice(NAMES),
            "start": Choice(HEADINGS),
            "turns": Integers(2, 7, 1, 3),
        },
        solve=_heading,
        factors={
            "constraints": 1,
            "hops": lambda v: len(v["turns"]),
            "symbols": lambda v: len(set(v["turns"])),
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/walk",
        "{who} walks {story}. How many blocks is the shortest way back along the streets?",
        slots={
            "who": Choice(NAMES),
            "lengths": Integers(2, 6, 2, 12),
            "ways": Integers(6, 6, 0, 3),
        },
        solve=_walk,
        factors={
            "constraints": 1,
            "hops": lambda v: len(v["lengths"]),
            "symbols": lambda v: len(set(v["ways"][: len(v["lengths"])])),
        },
        checker="number",
    ),
    Scaffold(
        "reasoning/weekday",
        "Today is {start}. Which day of the week is {phrase} today?",
        slots={
            "start": Choice(WEEKDAYS),
            "shifts": Sample(tuple(n for n in range(-40, 41) if n), 1, 4),
        },
        solve=_weekday,
        factors={
            "constraints": 1,
            "hops": lambda v: len(v["shifts"]),
            "symbols": lambda v: len({n > 0 for n in v["shifts"]}),
        },
        checker="label",
    ),
    Scaffold(
        "reasoning/days-between",
        "How many days after {start} is {end}?",
        slots={"day": Day(date(1990, 1, 1), date(2039, 12, 31)), "span": Integer(5, 400)},
        solve=_days,
        factors={
            "constraints": 1,
            "hops": lambda v: 1 + v["span"] // 30,
            "symbols": lambda v: 1 + (v["day"].year != (v["day"] + timedelta(v["span"])).year),
        },
        checker="number",
    ),
    Scaffold(
        "reasoning/pets",
        "{names} have one pet each: {kinds}, in some order. {clues} Which pet does {who} have?",
        slots={
            "people": Sample(NAMES, 3, 4),
            "pets": Sample(ANIMALS, 4, 4),
            "pairs": Sample(range(16), 16, 16),
            "asked": Integer(0, 11),
        },
        solve=_pets,
        factors={
            "constraints": lambda v: len(_pet_clues(v)),
            "hops": lambda v: len(v["people"]),
            "symbols": lambda v: 2 * len(v["people"]),
        },
        checker="label",
    ),
)

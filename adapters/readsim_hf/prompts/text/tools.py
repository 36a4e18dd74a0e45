"""Tools that a prompt offers: their parameters, how a request names the values, how a call looks.

A call is plain data: `(tool name, ((parameter, value), ...))`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from readsim_hf.prompts.slots import Made
from readsim_hf.prompts.text.shared import pick, shuffled
from readsim_hf.prompts.words import FRUITS, NAMES, THINGS

Call = tuple[str, tuple[tuple[str, Any], ...]]

CITIES = ("Lisbon", "Oslo", "Prague", "Vienna", "Dublin", "Athens", "Madrid", "Warsaw", "Helsinki")
OTHER_CITIES = ("Rome", "Paris", "Berlin", "Cairo", "Lima", "Quito", "Tokyo", "Seoul", "Nairobi")
ROOMS = ("kitchen", "bedroom", "bathroom", "hall", "office", "garage", "attic", "cellar")
_FIRST = date(2026, 1, 1)
DATES = tuple((_FIRST + timedelta(days=n)).isoformat() for n in range(730))
TIMES = tuple(f"{hour:02d}:{minute:02d}" for hour in range(7, 23) for minute in range(0, 60, 5))
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def say_date(iso: str) -> str:
    """`3 March 2027` for `2027-03-03`."""
    day = date.fromisoformat(iso)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


@dataclass(frozen=True)
class Param:
    """A parameter: JSON type, meaning, accepted values, and how a request says a value."""

    kind: str
    about: str
    pool: Sequence[Any]
    say: Callable[[Any], str] = str


@dataclass(frozen=True)
class Tool:
    """A tool; `ask` is a request that needs it, with a field for each parameter."""

    name: str
    about: str
    params: Mapping[str, Param]
    ask: str

    def describe(self) -> str:
        """`- name(parameter: type, ...): what it does. parameter: meaning; ...`"""
        typed = ", ".join(f"{name}: {param.kind}" for name, param in self.params.items())
        meaning = "; ".join(f"{name}: {param.about}" for name, param in self.params.items())
        return f"- {self.name}({typed}): {self.about}. {meaning}."

    def draw(self, rng: np.random.Generator) -> Call:
        """A call with random arguments."""
        return self.name, tuple(
            (name, pick(param.pool, rng)) for name, param in self.params.items()
        )

    def request(self, call: Call) -> str:
        """What a user says who needs this call."""
        return self.ask.format(**{name: self.params[name].say(value) for name, value in call[1]})


_TEXT = "string"
_WHOLE = "integer"
CITY = Param(_TEXT, "name of the city", CITIES)
OTHER_CITY = Param(_TEXT, "name of the city", OTHER_CITIES)
DATE = Param(_TEXT, "day as YYYY-MM-DD", DATES, say_date)
TIME = Param(_TEXT, "time as HH:MM", TIMES)
ROOM = Param(_TEXT, "name of the room", ROOMS)
_EMAIL = Param(_TEXT, "address", tuple(f"{name.lower()}@example.org" for name in NAMES))
_SUBJECT = Param(_TEXT, "subject line", tuple(f"The {thing}" for thing in THINGS))
_TITLE = Param(_TEXT, "title", tuple(f"Meet {name}" for name in NAMES))
_SONG = Param(_TEXT, "title", tuple(f"Song of the {thing}" for thing in THINGS))
_PLACE = Param(_TEXT, "its name", tuple(f"The {fruit.title()}" for fruit in FRUITS))
_LANGUAGE = Param(_TEXT, "English name of the language", ("Spanish", "German", "French", "Polish"))
_LANGUAGE_WORD = Param(_TEXT, "the English word", (*FRUITS, *THINGS))
_FROM_MONEY = Param(_TEXT, "currency code", ("EUR", "USD", "GBP", "CHF"))
_TO_MONEY = Param(_TEXT, "currency code", ("JPY", "SEK", "NOK", "PLN"))


def _whole(about: str, low: int, high: int) -> Param:
    return Param(_WHOLE, about, range(low, high + 1))


_ALL = (
    Tool(
        "get_weather",
        "weather forecast",
        {"city": CITY, "date": DATE},
        "What will the weather be like in {city} on {date}?",
    ),
    Tool(
        "send_email",
        "sends an email",
        {"to": _EMAIL, "subject": _SUBJECT},
        'Send an email to {to} with the subject "{subject}".',
    ),
    Tool(
        "set_timer",
        "starts a countdown",
        {"minutes": _whole("how long", 2, 180)},
        "Start a timer of {minutes} minutes.",
    ),
    Tool(
        "create_event",
        "adds an event to the calendar",
        {"title": _TITLE, "date": DATE, "time": TIME},
        'Put "{title}" in my calendar on {date} at {time}.',
    ),
    Tool(
        "play_song",
        "plays music",
        {"title": _SONG, "volume": _whole("0 to 100", 5, 100)},
        'Play "{title}" at volume {volume}.',
    ),
    Tool(
        "book_table",
        "reserves a table in a restaurant",
        {"restaurant": _PLACE, "people": _whole("number of guests", 2, 12), "time": TIME},
        'Book a table for {people} people at the restaurant "{restaurant}" for {time}.',
    ),
    Tool(
        "set_temperature",
        "controls the heating of a room",
        {"room": ROOM, "degrees": _whole("degrees Celsius", 15, 26)},
        "Heat the {room} to {degrees} degrees Celsius.",
    ),
    Tool(
        "convert_currency",
        "converts money",
        {"amount": _whole("amount", 2, 999), "source": _FROM_MONEY, "target": _TO_MONEY},
        "How much is {amount} {source} in {target}?",
    ),
    Tool(
        "find_train",
        "searches train connections",
        {"origin": CITY, "destination": OTHER_CITY, "date": DATE},
        "Find a train from {origin} to {destination} on {date}.",
    ),
    Tool(
        "translate_word",
        "translates an English word",
        {"word": _LANGUAGE_WORD, "language": _LANGUAGE},
        'What is the word "{word}" in {language}?',
    ),
    Tool(
        "roll_dice",
        "rolls dice",
        {
            "count": _whole("number of dice", 2, 9),
            "sides": Param(_WHOLE, "sides", (4, 6, 8, 12, 20)),
        },
        "Roll {count} dice with {sides} sides each.",
    ),
    Tool(
        "calculate_tip",
        "works out a tip",
        {"bill": _whole("bill in euros", 10, 400), "percent": _whole("tip in percent", 5, 25)},
        "How much is a tip of {percent} percent on a bill of {bill} euros?",
    ),
    Tool(
        "check_stock",
        "tells whether a shop has an item",
        {"item": Param(_TEXT, "name of the item", THINGS), "city": OTHER_CITY},
        "Does the shop in {city} have this item in stock: {item}?",
    ),
    Tool(
        "track_parcel",
        "tells where a parcel is",
        {"number": _whole("parcel number", 10_000, 99_999)},
        "Where is parcel number {number}?",
    ),
    Tool(
        "read_news",
        "lists news items",
        {
            "topic": Param(_TEXT, "topic", ("sport", "music", "science", "business", "travel")),
            "count": _whole("number of items", 2, 20),
        },
        "Show me {count} news items about {topic}.",
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ALL}
NAMES_OF_TOOLS = tuple(TOOLS)
WITH_NUMBERS = tuple(
    tool.name for tool in _ALL if any(param.kind == _WHOLE for param in tool.params.values())
)


def calls(count: int, names: Sequence[str] = NAMES_OF_TOOLS) -> Made:
    """Slot: calls of `count` different tools among the named ones."""

    def make(rng: np.random.Generator) -> tuple[Call, ...]:
        return tuple(TOOLS[name].draw(rng) for name in shuffled(names, rng)[:count])

    def valid(value: Any) -> bool:
        return len({name for name, _ in value}) == count and all(map(is_call, value))

    return Made(make, valid)


def is_call(call: Any) -> bool:
    """Whether it is a call of one of `TOOLS` with accepted arguments."""
    name, arguments = call
    return name in TOOLS and [key for key, _ in arguments] == list(TOOLS[name].params)


def call_json(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a call."""
    return {"tool": name, "arguments": dict(arguments)}


def as_object(call: Call) -> str:
    """One call as a JSON object."""
    return json.dumps(call_json(call[0], dict(call[1])))


def as_list(made: Sequence[Call]) -> str:
    """Calls as a JSON list."""
    return json.dumps([call_json(name, dict(arguments)) for name, arguments in made])


def tool_lines(tools: Iterable[Tool]) -> str:
    """The descriptions, one a line."""
    return "\n".join(tool.describe() for tool in tools)


ONE_CALL = 'Reply with one JSON object: {"tool": name, "arguments": {name: value, ...}}.'
MANY_CALLS = (
    'Reply with a JSON list of calls {"tool": name, "arguments": {name: value, ...}}, in the order '
    "of the request."
)
NO_CALL = 'If no tool fits, reply {"tool": "no_call", "arguments": {}}.'
NONE_FITS = json.dumps(call_json("no_call", {}))

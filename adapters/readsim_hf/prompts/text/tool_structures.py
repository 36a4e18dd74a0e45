"""Requests whose arguments are optional, lists, objects, or the result of another call."""

from readsim_hf.prompts.scaffold import Scaffold, Values
from readsim_hf.prompts.slots import NAME, Choice, Integer, Sample
from readsim_hf.prompts.text.tool_scaffold import Wanted, call, tool_scaffold
from readsim_hf.prompts.text.tools import CITIES, MANY_CALLS, ROOMS
from readsim_hf.prompts.words import COLOURS, FRUITS, PLACES, THINGS

_OPTIONS = ("max_price", "colour", "shop", "used")


def _optional(values: Values) -> Wanted:
    options = {
        "max_price": (values["price"], f"for at most {values['price']} euros"),
        "colour": (values["colour"], f"in {values['colour']}"),
        "shop": (values["city"], f"from the shop in {values['city']}"),
        "used": (True, "which may be used"),
    }
    named = [option for option in _OPTIONS if option in values["named"]]
    given = {option: options[option][0] for option in named}
    said = ", ".join(options[option][1] for option in named)
    return Wanted(
        (call("search_item", item=values["thing"], **given),),
        f"Search for this item: {values['thing']}{', ' if said else ''}{said}.",
        f"Besides item the request names {', '.join(named) or 'nothing'}.",
    )


def _items(values: Values) -> Wanted:
    items = list(values["items"])
    return Wanted(
        (call("add_to_list", list=values["list"], items=items),),
        f"Put the following on my {values['list']} list: {', '.join(items)}.",
        f"{len(items)} items, all on one list: one call.",
    )


def _nested(values: Values) -> Wanted:
    address = {"street": f"{values['street']} Street", "number": values["number"]}
    address["city"] = values["city"]
    return Wanted(
        (call("ship", item=values["thing"], address=address, express=values["express"]),),
        f"Ship this item {'by express' if values['express'] else 'without hurry'} to "
        f"{values['number']} {values['street']} Street in {values['city']}: {values['thing']}.",
        "Street, number and city belong into the object address.",
    )


def _switches(values: Values) -> Wanted:
    states = {room: bool(values["states"] >> at & 1) for at, room in enumerate(values["rooms"])}
    said = ", ".join(f"the {room} {'on' if on else 'off'}" for room, on in states.items())
    return Wanted(
        tuple(call("set_light", room=room, on=on) for room, on in states.items()),
        f"Switch the lights as follows: {said}.",
        f"{len(states)} rooms, one call for each.",
    )


_CHAINS = {
    "weather": (
        "find_person",
        "city_weather",
        "city",
        "Tell me the weather in the city where {name} is now.",
    ),
    "email": (
        "find_address",
        "write_email",
        "to",
        "Find the email address of {name} and write to it.",
    ),
    "song": (
        "favourite_song",
        "start_song",
        "song",
        "Start the favourite song of {name}.",
    ),
}
_CHAIN_LINES = (
    "- find_person(name: string): gives the city where a person is now.",
    "- city_weather(city: string, hour: integer): weather of a city. hour: 0 to 23.",
    "- find_address(name: string): gives the email address of a person.",
    "- write_email(to: string, hour: integer): writes to an email address. hour: when to send, 0 to 23.",
    "- favourite_song(name: string): gives the title of a person's favourite song.",
    "- start_song(song: string, hour: integer): plays a song. hour: when to start, 0 to 23.",
)


def _chain(values: Values) -> Wanted:
    first, second, parameter, ask = _CHAINS[values["chain"]]
    name, hour = values["person"], values["hour"]
    return Wanted(
        (call(first, name=name), (second, ((parameter, "$1"), ("hour", hour)))),
        f"{ask.format(name=name)} The hour is {hour}.",
        f"{first} comes first; its result, $1, is the {parameter} of {second}.",
    )


_CHAIN_FORM = (
    'Reply with a JSON list of two calls {"tool": name, "arguments": {name: value, ...}}, in the order '
    'in which they have to be made. "$1" as an argument stands for the result of the first call.'
)
SCAFFOLDS: tuple[Scaffold, ...] = (
    tool_scaffold(
        "optional",
        (
            (
                "- search_item(item: string, max_price: integer, colour: string, shop: string, used: "
                "boolean): searches an item. All but item are optional and are left out if the request "
                "does not name them. max_price: euros; shop: its city."
            ),
        ),
        {
            "thing": Choice(THINGS),
            "named": Sample(_OPTIONS, 0, 4),
            "price": Integer(5, 200),
            "colour": Choice(COLOURS),
            "city": Choice(CITIES),
        },
        _optional,
        without=("check_stock",),
    ),
    tool_scaffold(
        "list-argument",
        ("- add_to_list(list: string, items: array of strings): adds items to a list.",),
        {"list": Choice(("shopping", "packing", "gift", "wish")), "items": Sample(FRUITS, 1, 6)},
        _items,
    ),
    tool_scaffold(
        "nested",
        (
            (
                "- ship(item: string, address: object, express: boolean): sends an item. address: street "
                "(string, without the number), number (integer), city (string)."
            ),
        ),
        {
            "thing": Choice(THINGS),
            "street": Choice(tuple(place.title() for place in PLACES)),
            "number": Integer(1, 99),
            "city": Choice(CITIES),
            "express": Choice((True, False)),
        },
        _nested,
    ),
    tool_scaffold(
        "booleans",
        ("- set_light(room: string, on: boolean): switches the light of one room.",),
        {"rooms": Sample(ROOMS, 2, 5), "states": Integer(0, 31)},
        _switches,
        MANY_CALLS,
    ),
    tool_scaffold(
        "result-of-call",
        _CHAIN_LINES,
        {"chain": Choice(tuple(_CHAINS)), "person": NAME, "hour": Integer(0, 23)},
        _chain,
        _CHAIN_FORM,
        ("get_weather", "send_email", "play_song"),
    ),
)

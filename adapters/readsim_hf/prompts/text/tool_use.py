"""Requests to be answered with calls of the tools that the prompt describes.

Factors: tools offered, calls needed, arguments in the gold calls.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from readsim_hf.prompts.prompt import Template
from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Made, Sample, Slot
from readsim_hf.prompts.text import tool_conversions as conversions
from readsim_hf.prompts.text import tool_structures as structures
from readsim_hf.prompts.text.shared import LAYOUT, layout_rng, pick, shuffled
from readsim_hf.prompts.text.tools import (
    CITY,
    DATE,
    MANY_CALLS,
    NAMES_OF_TOOLS,
    NO_CALL,
    NONE_FITS,
    ONE_CALL,
    ROOM,
    TOOLS,
    WITH_NUMBERS,
    Call,
    Tool,
    as_list,
    as_object,
    calls,
    is_call,
    tool_lines,
)

_TEXT = "You can call these tools:\n{tools}\n{form}\nRequest: {request}"
_OTHERS = Sample(NAMES_OF_TOOLS, 2, 7)


def _others(values: Values) -> list[str]:
    """The distractors: the drawn ones that no request needs."""
    needed = {name for name, _ in values["calls"]}
    return [name for name in values["others"] if name not in needed]


def _offer(names: list[str], values: Values) -> str:
    return tool_lines(TOOLS[name] for name in shuffled(names, layout_rng(values["layout"])))


def _requests(made: tuple[Call, ...]) -> str:
    return " ".join(TOOLS[name].request((name, given)) for name, given in made)


def _why(made: tuple[Call, ...]) -> str:
    return "\n".join(
        f"{TOOLS[name].request((name, given))} {name} does this, with "
        + ", ".join(f"{key} = {json.dumps(value)}" for key, value in given)
        + "."
        for name, given in made
    )


def _all_fit(form: str) -> Callable[[Values], Solution]:
    def solve(values: Values) -> Solution:
        made = values["calls"]
        names = [*dict.fromkeys(name for name, _ in made), *_others(values)]
        shown = {"tools": _offer(names, values), "form": form, "request": _requests(made)}
        answer = as_list(made) if form == MANY_CALLS else as_object(made[0])
        return Solution(answer, _why(made), shown=shown)

    return solve


def _some_fit(values: Values) -> Solution:
    """Only the tools of the first `known` requests are offered."""
    made, known = values["calls"], values["known"]
    able, unable = made[:known], made[known:]
    names = [*(name for name, _ in able), *_others(values)]
    asked = shuffled(made, layout_rng(values["layout"] + 1))
    able_in_order = tuple(call for call in asked if call in able)
    no = " ".join(f"No tool does this: {TOOLS[name].request((name, g))}" for name, g in unable)
    one = len(made) == 1
    form = f"{ONE_CALL} {NO_CALL}" if one else f"{MANY_CALLS} Leave out what no tool can do."
    single = as_object(able[0]) if able else NONE_FITS
    rationale = "\n".join(part for part in (_why(able_in_order), no) if part)
    shown = {"tools": _offer(names, values), "form": form, "request": _requests(tuple(asked))}
    return Solution(single if one else as_list(able_in_order), rationale, shown=shown)


def _which(values: Values) -> Solution:
    ((name, given),) = values["calls"]
    names = [name, *_others(values)]
    form = "Reply with the name of the tool that the request needs."
    request = TOOLS[name].request((name, given))
    shown = {"tools": _offer(names, values), "form": form, "request": request}
    rationale = f"{name}: {TOOLS[name].about}."
    return Solution(name, rationale, {"labels": sorted(names)}, shown)


def _missing(values: Values) -> Solution:
    """A request with one argument left out, or with none left out."""
    ((name, given),) = values["calls"]
    tool = TOOLS[name]
    left_out = given[values["place"] % len(given)][0] if values["incomplete"] else None
    said = [f"{k} {tool.params[k].say(value)}" for k, value in given if k != left_out]
    names = [name, *_others(values)]
    form = (
        'All arguments are needed. If one is missing, reply {"tool": "ask_user", "arguments": '
        '{"missing": its name}}, else with {"tool": name, "arguments": {name: value, ...}}.'
    )
    request = f"Please use {name}" + (f" with {' and '.join(said)}." if said else ".")
    ask = json.dumps({"tool": "ask_user", "arguments": {"missing": left_out}})
    answer = ask if left_out else as_object((name, given))
    state = f"{left_out} is not given" if left_out else "all are given"
    rationale = f"{name} needs {', '.join(tool.params)}; {state}."
    shown = {"tools": _offer(names, values), "form": form, "request": request}
    return Solution(answer, rationale, shown=shown)


def _typed(values: Values) -> Solution:
    """A call whose values are all strings, to be put right."""
    ((name, given),) = values["calls"]
    wrong = json.dumps({"tool": name, "arguments": {key: str(value) for key, value in given}})
    names = [name, *_others(values)]
    request = f"Put the types of the arguments right, and change nothing else: {wrong}"
    kinds = ", ".join(f"{key}: {param.kind}" for key, param in TOOLS[name].params.items())
    shown = {"tools": _offer(names, values), "form": ONE_CALL, "request": request}
    return Solution(as_object(values["calls"][0]), f"{name} takes {kinds}.", shown=shown)


def _family(
    params: Mapping[str, Any], about: str, *members: tuple[str, str, str]
) -> tuple[Tool, ...]:
    return tuple(Tool(name, f"{what} {about}", params, ask) for name, what, ask in members)


_NAME_DATE = {"city": CITY, "date": DATE}
_FAMILIES = (
    _family(
        {"room": ROOM},
        "the light of a room",
        ("light_on", "switches on", "Switch on the light in the {room}."),
        ("light_off", "switches off", "Switch off the light in the {room}."),
        ("light_state", "tells the state of", "Is the light in the {room} on?"),
        ("light_dim", "makes darker", "Make the light in the {room} a little darker."),
    ),
    _family(
        _NAME_DATE,
        "a hotel room",
        ("hotel_book", "books", "Book me a hotel room in {city} for {date}."),
        ("hotel_cancel", "cancels", "Cancel my hotel room in {city} on {date}."),
        ("hotel_price", "tells the price of", "What does a hotel room cost in {city} on {date}?"),
    ),
    _family(
        _NAME_DATE,
        "a day in a city",
        ("sun_rise", "tells when the sun rises on", "When does the sun rise in {city} on {date}?"),
        ("sun_set", "tells when the sun sets on", "When does the sun set in {city} on {date}?"),
        ("rain_sum", "tells how much it rained on", "How much did it rain in {city} on {date}?"),
    ),
)


def _draw_similar(rng: np.random.Generator) -> tuple[int, int, Call]:
    family = int(rng.integers(len(_FAMILIES)))
    member = int(rng.integers(len(_FAMILIES[family])))
    return family, member, _FAMILIES[family][member].draw(rng)


def _is_similar(value: Any) -> bool:
    family, member, (name, _) = value
    return bool(_FAMILIES[family][member].name == name)


def _similar(values: Values) -> Solution:
    family, member, call = values["drawn"]
    tool = _FAMILIES[family][member]
    rng = layout_rng(values["layout"])
    tools = shuffled((*_FAMILIES[family], *(TOOLS[name] for name in values["others"])), rng)
    shown = {"tools": tool_lines(tools), "form": ONE_CALL, "request": tool.request(call)}
    return Solution(as_object(call), f"{tool.name} {tool.about}.", shown=shown)


def _draw_repeat(rng: np.random.Generator) -> tuple[Call, ...]:
    """Two to five different calls of one tool."""
    tool = TOOLS[pick(NAMES_OF_TOOLS, rng)]
    drawn = [tool.draw(rng) for _ in range(int(rng.integers(2, 6)))]
    return tuple(dict.fromkeys(drawn))


def _is_repeat(value: Any) -> bool:
    return all(map(is_call, value)) and len(set(value)) == len(value)


def _offered(values: Values, known: int) -> float:
    return float(known + len(_others(values)))


def _scaffold(
    name: str,
    slots: Mapping[str, Slot],
    solve: Callable[[Values], Solution],
    needed: Callable[[Values], tuple[Call, ...]] = lambda values: values["calls"],
    checker: str = "json_equal",
) -> Scaffold:
    """`needed`: the calls among the drawn ones that the gold answer makes."""
    return Scaffold(
        id=f"tool_use/{name}",
        text=_TEXT,
        slots={**slots, "others": _OTHERS, "layout": LAYOUT},
        solve=solve,
        factors={
            "tools": lambda v: _offered(v, len({tool for tool, _ in needed(v)})),
            "calls": lambda v: len(needed(v)),
            "arguments": lambda v: sum(len(given) for _, given in needed(v)),
        },
        checker=checker,
    )


def _able(values: Values) -> tuple[Call, ...]:
    able: tuple[Call, ...] = values["calls"][: values["known"]]
    return able


TEMPLATES: tuple[Template, ...] = (
    _scaffold("one-call", {"calls": calls(1)}, _all_fit(f"{ONE_CALL} {NO_CALL}")),
    _scaffold("two-calls", {"calls": calls(2)}, _all_fit(MANY_CALLS)),
    _scaffold("three-calls", {"calls": calls(3)}, _all_fit(MANY_CALLS)),
    _scaffold("same-tool", {"calls": Made(_draw_repeat, _is_repeat)}, _all_fit(MANY_CALLS)),
    _scaffold("maybe-call", {"calls": calls(1), "known": Integer(0, 1)}, _some_fit, _able),
    _scaffold("no-call", {"calls": calls(1), "known": Choice((0,))}, _some_fit, _able),
    _scaffold("some-calls", {"calls": calls(3), "known": Integer(1, 2)}, _some_fit, _able),
    _scaffold("which-tool", {"calls": calls(1)}, _which, checker="label"),
    _scaffold(
        "missing-argument",
        {"calls": calls(1), "place": Integer(0, 2), "incomplete": Choice((True, False))},
        _missing,
    ),
    _scaffold("argument-types", {"calls": calls(1, WITH_NUMBERS)}, _typed),
    Scaffold(
        id="tool_use/similar-tools",
        text=_TEXT,
        slots={
            "drawn": Made(_draw_similar, _is_similar),
            "others": Sample(NAMES_OF_TOOLS, 0, 4),
            "layout": LAYOUT,
        },
        solve=_similar,
        factors={
            "tools": lambda v: len(_FAMILIES[v["drawn"][0]]) + len(v["others"]),
            "calls": 1,
            "arguments": lambda v: len(v["drawn"][2][1]),
        },
        checker="json_equal",
    ),
    *conversions.SCAFFOLDS,
    *structures.SCAFFOLDS,
)

"""Scaffolds of requests that need tools of their own, among distractors from `tools`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from readsim_hf.prompts.scaffold import Scaffold, Solution, Values
from readsim_hf.prompts.slots import Sample, Slot
from readsim_hf.prompts.text.shared import LAYOUT, layout_rng, shuffled
from readsim_hf.prompts.text.tools import (
    NAMES_OF_TOOLS,
    ONE_CALL,
    TOOLS,
    Call,
    as_list,
    as_object,
)


class Wanted(NamedTuple):
    """What a request needs: the calls, the words of the request, and how the arguments follow."""

    calls: tuple[Call, ...]
    request: str
    rationale: str


def call(name: str, /, **arguments: Any) -> Call:
    """A call of the tool `name`."""
    return name, tuple(arguments.items())


def tool_scaffold(
    name: str,
    lines: tuple[str, ...],
    slots: Mapping[str, Slot],
    want: Callable[[Values], Wanted],
    form: str = ONE_CALL,
    without: tuple[str, ...] = (),
) -> Scaffold:
    """`lines` describe the tools that the request needs; the distractors are `TOOLS`.

    `without` names those that could be mistaken for the needed ones.
    """
    pool = tuple(other for other in NAMES_OF_TOOLS if other not in without)

    def solve(values: Values) -> Solution:
        wanted = want(values)
        described = [*lines, *(TOOLS[other].describe() for other in values["others"])]
        shown = {
            "tools": "\n".join(shuffled(described, layout_rng(values["layout"]))),
            "form": form,
            "request": wanted.request,
        }
        many = form != ONE_CALL
        answer = as_list(wanted.calls) if many else as_object(wanted.calls[0])
        return Solution(answer, wanted.rationale, shown=shown)

    return Scaffold(
        id=f"tool_use/{name}",
        text="You can call these tools:\n{tools}\n{form}\nRequest: {request}",
        slots={**slots, "others": Sample(pool, 1, 6), "layout": LAYOUT},
        solve=solve,
        factors={
            "tools": lambda values: len(lines) + len(values["others"]),
            "calls": lambda values: len(want(values).calls),
            "arguments": lambda values: sum(len(given) for _, given in want(values).calls),
        },
        checker="json_equal",
    )

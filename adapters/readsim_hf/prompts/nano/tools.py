"""Tool use: `t(mail,play)send tom 7` offers tools and asks for the call `mail(tom,7)`.

A verb can be served by either of two tools, of which one is offered; braces in place of brackets
ask for the other call format, `{mail:[tom,7]}`. The rationale names the tool for each verb.
"""

from collections.abc import Callable

import numpy as np

from readsim_hf.prompts.nano.draws import between, draw_one, draw_order, several, word
from readsim_hf.prompts.nano.template import Filled, NanoTemplate

TOOLS = {
    "send": ("mail", "post"),
    "ring": ("call", "dial"),
    "hear": ("play", "song"),
    "ride": ("taxi", "tram"),
    "get": ("buy", "rent"),
    "see": ("film", "show"),
    "note": ("list", "memo"),
    "eat": ("cook", "menu"),
}
BRACKETS = {"call": ("(", ")"), "object": ("{", "}")}


def _call(style: str, tool: str, arguments: list[str]) -> str:
    values = ",".join(arguments)
    return f"{tool}({values})" if style == "call" else f"{{{tool}:[{values}]}}"


def _request(style: str, calls: int) -> Callable[[np.random.Generator], Filled]:
    """Factors: tools offered, calls needed, arguments of each call."""
    opening, closing = BRACKETS[style]

    def fill(rng: np.random.Generator) -> Filled:
        verbs = several(rng, tuple(TOOLS), between(rng, 2, 3))
        tools = {verb: draw_one(rng, TOOLS[verb]) for verb in verbs}
        wanted, size = verbs[:calls], 1 if calls > 1 else between(rng, 1, 2)
        values = [[word(rng, 3, 3), str(between(rng, 1, 99))][:size] for _ in wanted]
        asked = [" ".join([verb, *value]) for verb, value in zip(wanted, values, strict=True)]
        made = [_call(style, tools[v], value) for v, value in zip(wanted, values, strict=True)]
        return Filled(
            text=f"t{opening}{','.join(draw_order(rng, list(tools.values())))}{closing}{';'.join(asked)}",
            answer=";".join(made),
            rationale=",".join(f"{verb}:{tools[verb]}" for verb in wanted),
            factors={"tools": len(verbs), "calls": calls, "arguments": size},
        )

    return fill


TEMPLATES = (
    NanoTemplate("nano/tool_use/call", "tool_use", _request("call", 1)),
    NanoTemplate("nano/tool_use/object", "tool_use", _request("object", 1)),
    NanoTemplate("nano/tool_use/calls", "tool_use", _request("call", 2)),
    NanoTemplate("nano/tool_use/objects", "tool_use", _request("object", 2)),
)

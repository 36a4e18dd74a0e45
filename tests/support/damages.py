"""Typed damages of a run log: what somebody may write who makes a whole log by hand.

Each is a name, `PART.FIELD: WHAT`, and a change of the lines (the first is the header).
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.made_logs import Rows

Change = Callable[[Rows], Rows]

DEEP: Any = 1
for _ in range(60):
    DEEP = [DEEP]

# For any field. `None` stands for null; a field that may be null is left out by its reader.
WRONG: dict[str, Any] = {
    "null": None,
    "text": "odd",
    "empty text": "",
    "true": True,
    "number": 1.5,
    "negative": -1,
    "huge": 1e308,
    "huge whole": 10**400,
    "text NaN": "NaN",
    "list": [1, 2],
    "empty list": [],
    "object": {"a": 1},
    "empty object": {},
    "deep": DEEP,
    "long text": "x" * 100_000,
    "long list": [0.1] * 100_000,
    "list of texts": ["a", "b", "c"],
    "list of nulls": [None] * 3,
    "list of lists": [[1], [2], [3]],
    "list of true": [True] * 3,
    "huge numbers": [1e308] * 3,
    "negative numbers": [-5.0] * 3,
    "large numbers": [5.0] * 3,
    "control text": "a\x1b[31mb",
    "surrogate": "a\ud800b",
}
MISSING = object()

CONFIG = (
    *("world", "world_digest", "task", "budget", "steps", "allocator", "settings", "sources"),
    *("capabilities", "hidden", "requirement", "seeds", "weights", "told", "scale", "identified"),
    *("manifest", "code"),
)
HEAD = ("kind", "schema", "config", "seeds", "versions", "git", "created")
ROWS = {
    "start": ("kind", "seed", "profile", "requirement", "samples"),
    "step": (
        *("kind", "seed", "step", "tokens", "spent", "allocation", "change", "profile", "reward"),
        *("dev_profile", "report", "samples"),
    ),
    "final": (
        *("kind", "seed", "step", "totals", "utility", "final_profile", "final_change"),
        "final_change_sd",
    ),
}


def put(table: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The table with a field, or without it."""
    rest = {k: v for k, v in table.items() if k != key}
    return rest if value is MISSING else {**rest, key: copy.deepcopy(value)}


def in_header(key: str, value: Any) -> Change:
    return lambda lines: [put(lines[0], key, value), *lines[1:]]


def in_config(key: str, value: Any) -> Change:
    return in_configs({key: value})


def in_configs(values: dict[str, Any]) -> Change:
    def change(lines: Rows) -> Rows:
        config = lines[0]["config"]
        for key, value in values.items():
            config = put(config, key, value)
        return [{**lines[0], "config": config}, *lines[1:]]

    return change


def in_row(kind: str, key: str, value: Any, *, every: bool = False) -> Change:
    """In the first row of a kind, or in all."""

    def change(lines: Rows) -> Rows:
        at = [n for n, line in enumerate(lines) if line["kind"] == kind]
        chosen = set(at if every else at[:1])
        return [put(line, key, value) if n in chosen else line for n, line in enumerate(lines)]

    return change


def seeds(values: list[Any]) -> Change:
    """In both places."""
    return lambda lines: in_config("seeds", values)(in_header("seeds", values)(lines))


def typed() -> Iterator[tuple[str, Change]]:
    """Every field, missing and with every wrong value."""
    for word, value in (("missing", MISSING), *WRONG.items()):
        for key in HEAD:
            yield f"header.{key}: {word}", in_header(key, value)
        for key in CONFIG:
            yield f"config.{key}: {word}", in_config(key, value)
        for kind, keys in ROWS.items():
            for key in keys:
                yield f"{kind}.{key}: {word}", in_row(kind, key, value)


def rows_of(lines: Rows, kind: str) -> Rows:
    return [line for line in lines[1:] if line["kind"] == kind]


def _names(count: int) -> list[str]:
    return [f"c{n}" for n in range(count)]


def headers() -> Iterator[tuple[str, Change]]:
    """Fields of the header that are well-formed and cannot be, alone or beside others."""
    yield "config.capabilities: 60000", in_config("capabilities", _names(60_000))
    yield "config.sources: 60000", in_config("sources", _names(60_000))
    wide = _names(60_000)
    yield (
        "config: a world of 60000",
        lambda lines: [
            in_configs(
                {"capabilities": wide, "sources": wide, "requirement": [1 / 60_000] * 60_000}
            )(lines)[0]
        ],
    )
    for key in ("sources", "capabilities"):
        yield f"config.{key}: twice", in_config(key, ["math", "math", "code"])
        yield f"config.{key}: one more", in_config(key, ["math", "code", "safety", "more"])
        for word, bad in (("empty", ""), ("NUL", "a\0"), ("bidi", "a\u202eb"), ("line", "a\nb")):
            yield f"config.{key}: a name with {word}", in_config(key, ["math", "code", bad])
        yield f"config.{key}: a long name", in_config(key, ["math", "code", "x" * 100_000])
        yield f"config.{key}: a number", in_config(key, ["math", "code", 3])
    yield "config.hidden: unknown", in_config("hidden", ["other"])
    yield "config.hidden: all", in_config("hidden", ["math", "code", "safety"])
    yield "config.hidden: twice", in_config("hidden", ["math", "math"])
    yield "config.hidden: one", in_config("hidden", ["math"])
    for key in ("world", "task", "allocator"):
        for word, bad in (("NUL", "a\0"), ("bidi", "\u202etxt"), ("lines", "a\r\nb")):
            yield f"config.{key}: {word}", in_config(key, bad)
    for word, value in (("sum 2", [1.0, 0.5, 0.5]), ("negative", [1.5, -0.5, 0.0])):
        yield f"config.requirement: {word}", in_config("requirement", value)
        yield f"config.weights: {word}", in_config("weights", value)
        yield f"start.requirement: {word}", in_row("start", "requirement", value)
        yield f"step.allocation: {word}", in_row("step", "allocation", value)
    for word, seeds_of in (
        ("twice", [0, 0]),
        ("negative", [-1, 0]),
        ("60 digits", [0, 10**60]),
        ("other", [5, 6]),
        ("fewer", [0]),
        ("none", []),
        ("text", ["0", "1"]),
        ("true", [True, 0]),
    ):
        yield f"seeds: {word}", seeds(seeds_of)
    yield "header.seeds: not those of config", in_header("seeds", [0, 1, 2])
    yield "header: a field more", in_header("more", 1)
    yield "header.schema: newer", in_header("schema", 99)
    yield "header.schema: 0", in_header("schema", 0)
    yield "header.created: no time", in_header("created", "yesterday")
    yield "header.versions: a list inside", in_header("versions", {"readsim": [1]})
    yield "header.git: control", in_header("git", "a\x07b")
    yield "config.steps: fewer than there are", in_config("steps", 2)
    yield "config.steps: 1e9", in_config("steps", 10**9)
    yield "config.budget: below what was spent", in_config("budget", 10)
    yield "config.budget: 1e30", in_config("budget", 10**30)
    yield "config.budget: 0", in_config("budget", 0)
    for word, table in (
        ("a unit more", {"unit": "points"}),
        ("a lowest of true", {"lowest": True}),
        ("a huge lowest", {"lowest": -1e308}),
        ("a huge whole lowest", {"lowest": -(10**400)}),
        ("a lowest of text", {"lowest": "low"}),
        ("a field more", {"low": 0}),
        ("a unit of a list", {"unit": ["score"]}),
    ):
        yield f"config.scale: {word}", in_config("scale", table)


def rows() -> Iterator[tuple[str, Change]]:
    """The same of rows, and rows that do not belong together."""
    yield (
        "profile: below a declared scale",
        lambda lines: in_config("scale", {"lowest": -0.5})(
            in_row("step", "profile", [0.1, -0.7, 0.2])(lines)
        ),
    )
    for kind, key in (
        *(("start", "profile"), ("step", "profile"), ("step", "dev_profile")),
        ("final", "final_profile"),
    ):
        yield f"{kind}.{key}: above 1", in_row(kind, key, [0.1, 1.5, 0.2])
        yield f"{kind}.{key}: shorter", in_row(kind, key, [0.1, 0.5])
        yield f"{kind}.{key}: longer", in_row(kind, key, [0.1, 0.5, 0.5, 0.5])
    yield "step.change: above 1", in_row("step", "change", [0.1, 500.0, 0.2])
    yield "final.final_change: below", in_row("final", "final_change", [0.1, -500.0, 0.2])
    yield "final.final_change_sd: negative", in_row("final", "final_change_sd", [0.1, -0.1, 0.1])
    yield "final.utility: 5", in_row("final", "utility", 5.0)
    yield "final.utility: 1e308", in_row("final", "utility", 1e308, every=True)
    yield "step.allocation: shares of 5", in_row("step", "allocation", [5.0, 5.0, 5.0])
    yield "step.tokens: above the budget", in_row("step", "tokens", 10**9)
    yield "step.spent: does not grow", in_row("step", "spent", 1, every=True)
    yield "step.spent: below its tokens", in_row("step", "spent", 0)
    for word, table in (
        ("negative", {"student": -5, "search": 0, "offline": 0}),
        ("huge", {"student": 400, "search": 10**30, "offline": 0}),
        ("text", {"student": "many", "search": 0, "offline": 0}),
        ("fraction", {"student": 400, "search": 0.5, "offline": 0}),
        ("no student", {"search": 0, "offline": 0}),
        ("an unknown kind", {"student": 400, "search": 0, "offline": 0, "tea": 3}),
        ("not what was spent", {"student": 399, "search": 0, "offline": 0}),
        ("a list", {"student": [400], "search": 0, "offline": 0}),
    ):
        yield f"final.totals: {word}", in_row("final", "totals", table)
    sample = {"capability": "math", "item": "1", "asked": "?", "gold": "1", "reply": "1"}
    for word, found in (
        ("no score", [sample]),
        ("a huge score", [{**sample, "score": 1e308}]),
        ("a score of text", [{**sample, "score": "1"}]),
        ("a field more", [{**sample, "score": 1, "more": 1}]),
        ("a number as reply", [{**sample, "score": 1, "reply": 5}]),
    ):
        yield f"step.samples: {word}", in_row("step", "samples", found)
    yield "step.seed: of no seed", in_row("step", "seed", 7)
    yield "final.seed: of no seed", in_row("final", "seed", 7)
    yield "step.step: twice", in_row("step", "step", 2)
    yield "step.step: beyond", in_row("step", "step", 5)
    yield "final.step: not the last", in_row("final", "step", 3)
    yield "rows: turned round", lambda lines: [lines[0], *lines[:0:-1]]
    yield "rows: a start twice", lambda lines: [*lines[:2], *lines[1:]]
    yield "rows: a step twice", lambda lines: [*lines[:3], *lines[2:]]
    yield "rows: a final twice", lambda lines: [*lines, lines[-1]]
    yield "rows: a step after the end", lambda lines: [*lines, rows_of(lines, "step")[-1]]
    yield (
        "rows: final before its steps",
        lambda lines: [lines[0], *lines[6:7], *lines[1:6], *lines[7:]],
    )
    yield "rows: a step is left out", lambda lines: [*lines[:3], *lines[4:]]
    yield "rows: the header again", lambda lines: [lines[0], *lines]
    yield "rows: no header", lambda lines: lines[1:]
    yield "rows: a row of another kind", in_row("step", "kind", "stop")


def all_damages() -> dict[str, Change]:
    """By name."""
    return dict([*typed(), *headers(), *rows()])

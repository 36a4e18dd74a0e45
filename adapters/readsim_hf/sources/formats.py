"""One row of a data set as a prompt: TRL's formats, checked field by field."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from readsim.errors import ConfigError, ReadsimError, unknown
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.sources.config import FIELDS, Format, Replies, SourceConfig, TrainOn

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
ASKING = ("user", "tool", "function")  # a reply is due after one of these
DEEPEST = 100  # levels of lists and objects in a message
Message = dict[str, Any]
# A conversation in a cell of a table, as JSON or (which is refused) as Python writes it.
_WRITTEN = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content)["']\s*:""")


class BadRowError(ReadsimError):
    """What is wrong with a row: its column, and in words."""

    def __init__(self, column: str, words: str) -> None:
        super().__init__(f"column {column!r}: {words}")


class Plan(NamedTuple):
    """How the rows of one source are read: its format, and field -> column of what is there."""

    format: Format
    replies: Replies
    train_on: TrainOn
    columns: Mapping[str, str]
    guessed: bool


def plan_of(source: SourceConfig, there: Sequence[str], first: Mapping[str, Any]) -> Plan:
    """From the settings, the names of the columns and the first row.

    Raises ConfigError where columns that are needed are not there.
    """
    columns = {name: source.columns.get(name, name) for name in FIELDS}
    for name, column in source.columns.items():
        if column not in there:
            raise unknown(f"column for {name} in {source.path}", column, there)
    if source.answer is not None:
        columns["answer"] = source.answer
        if source.answer not in there:
            raise unknown(f"column for answer in {source.path}", source.answer, there)
    else:
        columns.pop("answer" if "answer" not in source.columns else "", None)
    if source.by is not None and source.by not in there:
        raise unknown(f"column for by in {source.path}", source.by, there)
    needed: dict[Format, tuple[str, ...]] = {
        "messages": ("messages",),
        "prompt-completion": ("prompt", "completion"),
        "prompt": ("prompt",),
    }
    fits = [f for f, names in needed.items() if all(columns[n] in there for n in names)]
    chosen = source.format or next(iter(fits), None)
    if chosen is None or chosen not in fits:
        wanted = needed[chosen] if chosen else ("messages", "prompt")
        words = (" and " if chosen else " or ").join(repr(columns[n]) for n in wanted)
        raise ConfigError(
            f"{source.path}: no column {words} (there: {', '.join(map(str, there)) or 'none'}); name others "
            'in columns, such as columns = {prompt = "question"}'
        )
    used = {n: columns[n] for n in (*needed[chosen], "tools", "answer") if columns.get(n) in there}
    replies = source.replies
    if replies is None:
        replies = "ask" if chosen == "prompt" else "given"
        if chosen == "messages" and not _replied(first.get(columns["messages"])):
            replies = "ask"
    if replies == "given" and chosen == "prompt":
        raise ConfigError(
            f"{source.path}: replies = 'given', and its rows are prompts without replies; accepted: 'ask', "
            "or a column 'completion' or 'messages'"
        )
    return Plan(chosen, replies, source.train_on, used, source.format is None)


def _replied(value: Any) -> bool:
    try:
        return bool(_conversation("messages", value)[-1]["role"] == "assistant")
    except BadRowError:
        return True  # it is refused with its place later


def row_of(plan: Plan, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row holds, as plain data that `prompt_of` reads. Raises BadRowError."""
    cells = {}
    for name, column in plan.columns.items():
        if column not in row and name not in ("tools", "answer"):
            raise BadRowError(
                column, f"not in this row (there: {', '.join(map(str, row)) or 'none'})"
            )
        cells[name] = row.get(column)
    if plan.format == "messages":
        made = _from_messages(plan, _conversation(plan.columns["messages"], cells["messages"]))
    else:
        made = _from_prompt(plan, cells)
    if not any(m["role"] == "user" for m in made["messages"]):
        raise BadRowError(
            plan.columns.get("messages", plan.columns.get("prompt", "")), "no user turn"
        )
    if (answer := _answer(plan, cells.get("answer"))) is not None:
        made["answer"] = answer
    if tools := _tools(plan, cells.get("tools")):
        made["tools"] = tools
    return made


def _from_messages(plan: Plan, turns: list[Message]) -> dict[str, Any]:
    column = plan.columns["messages"]
    if plan.replies == "ask":
        last = max((n for n, m in enumerate(turns) if m["role"] in ASKING), default=-1)
        return {"messages": turns[: last + 1]}
    said = [n for n, m in enumerate(turns) if m["role"] == "assistant"]
    if not said:
        raise BadRowError(column, "no assistant turn, and replies are given: say replies = 'ask'")
    if said[-1] == 0:
        raise BadRowError(column, "no turn before the reply")
    taught = said[:-1] if plan.train_on == "all" else []
    return _with_reply(column, turns[: said[-1]], turns[said[-1]], taught)


def _from_prompt(plan: Plan, cells: Mapping[str, Any]) -> dict[str, Any]:
    asked = _turns(plan.columns["prompt"], cells["prompt"], "user")
    if asked[-1]["role"] not in ASKING:
        role = asked[-1]["role"]
        raise BadRowError(plan.columns["prompt"], f"ends with a turn of {role!r}, not of the user")
    if plan.replies == "ask":
        return {"messages": asked}
    column = plan.columns["completion"]
    reply = _turns(column, cells["completion"], "assistant")
    said = [n for n, m in enumerate(reply) if m["role"] == "assistant"]
    if not said or reply[0]["role"] != "assistant":
        raise BadRowError(column, "does not begin with an assistant turn")
    turns = asked + reply
    taught = [len(asked) + n for n in said[:-1]] if plan.train_on == "all" else []
    last = len(asked) + said[-1]
    return _with_reply(column, turns[:last], turns[last], taught)


def _with_reply(
    column: str, before: list[Message], last: Message, taught: list[int]
) -> dict[str, Any]:
    made: dict[str, Any] = {"messages": before, "reply": last["content"]}
    if calls := last.get("tool_calls"):
        made["calls"] = calls
    elif not last["content"].strip():
        raise BadRowError(column, "the reply is empty")
    taught = [n for n in taught if before[n]["content"].strip() or before[n].get("tool_calls")]
    if taught:
        made["taught"] = taught
    return made


def _turns(column: str, value: Any, role: str) -> list[Message]:
    """A text, which is one turn of `role`, or a conversation; in a cell of a CSV file this is JSON."""
    if isinstance(value, list) or (isinstance(value, str) and _WRITTEN.match(value)):
        return _conversation(column, value)
    if not isinstance(value, str):
        raise BadRowError(column, f"{_shown(value)} is neither text nor a list of messages")
    if not value.strip():
        raise BadRowError(column, "an empty text")
    return [{"role": role, "content": value}]


def _conversation(column: str, value: Any) -> list[Message]:
    if isinstance(value, str) and value.lstrip()[:1] == "[":  # in a cell of a CSV file
        value = _json(column, value)
    if not isinstance(value, list):
        raise BadRowError(column, f"{_shown(value)} is no list of messages with role and content")
    if not value:
        raise BadRowError(column, "an empty conversation")
    return [_message(f"{column}[{n}]", one) for n, one in enumerate(value)]


def _message(place: str, value: Any) -> Message:
    if not isinstance(value, dict):
        raise BadRowError(place, f"{_shown(value)} is no message with role and content")
    made = _without_none(place, value)
    if "role" not in made:
        known = ", ".join(map(str, value)) or "none"
        raise BadRowError(place, f"no role (its fields: {known}; accepted: role and content)")
    role, content = made["role"], made.get("content", "" if made.get("tool_calls") else None)
    if role not in ROLES:
        raise BadRowError(f"{place}.role", f"{_shown(role)}; accepted: {', '.join(ROLES)}")
    if isinstance(content, list):
        content = _joined(f"{place}.content", content)
    if not isinstance(content, str):
        raise BadRowError(f"{place}.content", f"{_shown(content)} is no text")
    if role == "user" and not content.strip():
        raise BadRowError(f"{place}.content", "an empty user turn")
    return {**made, "content": content}


def _joined(place: str, parts: Iterable[Any]) -> str:
    """The text of a content in parts. BadRowError for images and other things that are no text."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str) or (
            isinstance(part, dict) and part.get("type", "text") != "text"
        ):
            raise BadRowError(place, f"{_shown(part)}: parts that are no text cannot be trained on")
        texts.append(text)
    return "".join(texts)


def _tools(plan: Plan, value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    column = plan.columns["tools"]
    found = _json(column, value) if isinstance(value, str) else _without_none(column, value)
    if not isinstance(found, list) or not all(isinstance(tool, dict) for tool in found):
        raise BadRowError(column, f"{_shown(value)} is no list of tools")
    return found


def _answer(plan: Plan, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | float) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise BadRowError(plan.columns["answer"], f"{_shown(value)} is no text or number")
    return str(value)


def _json(column: str, text: str) -> Any:
    try:
        return json.loads(text.rstrip())
    except json.JSONDecodeError as error:  # its line is one of the cell, not of the file
        wrong = f"not JSON: {error.msg} at its character {error.pos + 1}"
        raise BadRowError(column, wrong) from error
    except (ValueError, RecursionError) as error:
        raise BadRowError(column, f"not JSON: {error}") from error


def _without_none(place: str, value: Any) -> Any:
    """Without the fields that Arrow fills up with None, where others of their kind have them."""

    def kept(value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise BadRowError(place, f"nested too deeply (more than {DEEPEST} levels)")
        if isinstance(value, dict):
            return {k: kept(v, depth + 1) for k, v in value.items() if v is not None}
        return [kept(v, depth + 1) for v in value] if isinstance(value, list) else value

    return kept(value, 0)


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def prompt_of(
    row: Mapping[str, Any], source: str, number: int, train_on: TrainOn = "all"
) -> Prompt:
    """The prompt of a `row_of`, which is the row with that number of the source; with "last" none of its
    earlier turns is taught."""
    users = [m["content"] for m in row["messages"] if m["role"] == "user"]
    return Prompt(
        capability=source,
        template=f"{source}#{number}",
        text="\n".join(users),
        answer=row.get("answer"),
        checker="final",
        messages=tuple(row["messages"]),
        reply=row.get("reply"),
        calls=tuple(row.get("calls", ())),
        taught=tuple(row.get("taught", ())) if train_on == "all" else (),
        tools=tuple(row.get("tools", ())),
        row=number,
    )

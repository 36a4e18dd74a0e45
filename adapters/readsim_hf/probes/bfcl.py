"""Berkeley Function Calling Leaderboard, single turn: calls compared with the accepted ones."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError
from readsim.files import AnyPath, FileRows, read_rows
from readsim.files.kinds import any_list, text
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.probes.calls import matches, parse_calls
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.items import Item, row_item

_ASK = """You can call these functions, described in JSON:
{functions}

{question}

Reply with the calls only, as [name(parameter=value, ...), ...]. If none of the functions fits, reply
with one sentence that says so."""


def load_bfcl(
    entry: BenchmarkEntry, path: AnyPath, max_new_tokens: int = 256
) -> tuple[TextBenchmark, tuple[Item, ...]]:
    """One category of BFCL, such as `BFCL_v4_simple_python.json`; each is a benchmark of its own.

    Columns: `id`, `question` (turns, each a list of messages), `function` (a list). The accepted
    calls are in the column `ground_truth`, or in the file of the same name in `possible_answer/`
    beside it; a file with `irrelevance` in its name needs none, and is right where nothing is called.
    Raises ConfigError for rows of several turns.
    """
    path = Path(path)
    rows = entry.read(path)
    for number, row in enumerate(rows):
        turns = row["question"]
        if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], list):
            raise rows.fail(number, "question", "only questions of one turn can be asked")
    accepted = [[]] * len(rows) if "irrelevance" in path.stem else _accepted(rows)
    items = []
    name = f"{entry.name}/{path.stem.removeprefix('BFCL_v4_')}"
    for row, calls in zip(rows, accepted, strict=True):
        data = {"messages": row["question"][0], "function": row["function"], "accepted": calls}
        items.append(row_item(name, data, ("messages", "function")))

    return (
        TextBenchmark(
            name, entry.capability, _ask, _score, max_new_tokens, group=entry.name, gold=_gold
        ),
        tuple(items),
    )


def _accepted(rows: FileRows) -> list[list[Any]]:
    """The accepted calls of each row: its own, or by its id those of the file in `possible_answer`."""
    if all(row["ground_truth"] is not None for row in rows):
        return [row["ground_truth"] for row in rows]
    beside = rows.path.parent / "possible_answer" / rows.path.name
    if not beside.is_file():
        raise ConfigError(
            f"{rows.path}: rows have no 'ground_truth' and there is no file {str(beside)!r}"
        )
    answers: dict[str, list[Any]] = {}
    given = read_rows(beside, {"id": text, "ground_truth": any_list})
    for number, row in enumerate(given):
        if row["id"] in answers:
            raise given.fail(number, "id", f"{row['id']!r} is there twice")
        answers[row["id"]] = row["ground_truth"]
    for number, row in enumerate(rows):
        if row["id"] not in answers:
            raise rows.fail(number, "id", f"no accepted calls for id {row['id']!r}")
    return [answers[row["id"]] for row in rows]


def _ask(data: Mapping[str, Any]) -> str:
    said = "\n\n".join(str(message["content"]) for message in data["messages"])
    return _ASK.format(functions=json.dumps(data["function"], indent=1), question=said)


def _gold(data: Mapping[str, Any]) -> str:
    return json.dumps(data["accepted"]) if data["accepted"] else "(no call)"


def _score(data: Mapping[str, Any], reply: str) -> float:
    calls = parse_calls(reply)
    if not data["accepted"]:
        return float(not calls)
    return float(calls is not None and matches(calls, data["accepted"]))

"""A file of items: its rows, which metric suits them, and how a row becomes a prompt."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError, nearest
from readsim.files import AnyPath, FileRows, as_declared, raw_rows
from readsim.files.kinds import Kind, list_of, optional, raw, record, text, text_or_texts
from readsim.files.rows import Row
from readsim_hf.probes.own.config import COLUMNS, TaskConfig
from readsim_hf.probes.own.metrics import last_number
from readsim_hf.prompts.patterns import dot_all

_FIELD = re.compile(r"\{([^\W\d]\w*)\}")
AS_IN_SOURCES = {"question": "prompt", "answer": "gold"}  # the names that a source's file has
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read_raw(path: AnyPath, unique: Sequence[str]) -> FileRows:
    """All columns of a JSONL, CSV or parquet file as they stand there; of parquet, a line is a row's number.

    Raises ConfigError in one line.
    """
    path = Path(path)
    if path.suffix.lower() not in (".parquet", ".pq") or path.is_dir():
        return raw_rows(path, unique)
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in names:
                if names.count(name) > 1:
                    raise ConfigError(f"{path}: column {name!r} appears twice")
            rows = file.read().to_pylist()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: it cannot be read as parquet: {said}") from error
    return FileRows(path, tuple(rows), tuple(range(1, len(rows) + 1)))


def columns_of(config: TaskConfig, metric: str, rows: FileRows) -> dict[str, str]:
    """The names of the columns: as set, and those of a source where no row has a column of the usual name.

    An answer that the metric (a judge's, a function's) does without is not renamed.
    """
    there = {name for row in rows for name in row}
    found = dict(config.columns)
    for name, other in AS_IN_SOURCES.items():
        needed = name == "question" or not (metric == "judge" or ":" in metric)
        if needed and name not in {*found, *there} and other in there - set(found.values()):
            found[name] = other
    return found


def guess_metric(rows: FileRows, columns: Mapping[str, str]) -> str:
    """`choice` where a row has choices, `numeric` where all answers are numbers, else `exact`."""
    name = columns.get("answer", "answer")
    if any(row.get(columns.get("choices", "choices")) for row in rows):
        return "choice"
    answers = [row.get(name) for row in rows]
    numbers = [_is_number(a) or (isinstance(a, str) and "####" in a) for a in answers]
    return "numeric" if numbers and all(numbers) else "exact"


def _is_number(value: Any) -> bool:
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    plain = isinstance(value, str) and re.fullmatch(r"\s*[$]?[-+\d.,eE/\s]+%?\s*", value)
    return bool(plain) and last_number(str(value)) is not None


def read_items(config: TaskConfig, metric: str, rows: FileRows) -> list[Row]:
    """The rows under the names `question`, `answer`, `choices`, and the columns that the prompt names.

    With `module:function` all other columns are there too. Raises ConfigError naming file, line and column.
    """
    names = {column: config.columns.get(column, column) for column in COLUMNS}
    there = list(dict.fromkeys(name for row in rows for name in row))
    needed: dict[str, Kind] = {names["question"]: text}
    more: dict[str, Kind] = {}
    of_function = ":" in metric
    if metric == "choice":
        needed |= {names["choices"]: _choices, names["answer"]: raw}
    elif of_function or metric == "judge":
        more[names["answer"]] = raw if of_function else optional(text_or_texts)
    else:
        kinds: dict[str, Kind] = {"numeric": _numbers, "loglikelihood": text, "regex": _patterns}
        needed[names["answer"]] = kinds.get(metric, text_or_texts)
    asked = {name for name in _FIELD.findall(config.prompt) if name not in COLUMNS}
    own = {name: column for column, name in names.items()}
    for name in sorted(asked):
        if name in own:
            raise ConfigError(
                f"{config.where}: prompt names {{{name}}}, which is {{{own[name]}}} by columns; accepted: "
                f"{{{own[name]}}}"
            )
        if name in there:
            needed.setdefault(name, text)
        elif near := nearest(name, [*COLUMNS, *there]):
            raise ConfigError(
                f"{config.where}: prompt names {{{name}}}, no column of {rows.path}{near}"
            )
    if of_function:
        more |= {name: raw for name in there if name not in {*needed, *names.values()}}
    lacking = [own.get(name, name) for name in needed if rows.rows and name not in there]
    if lacking:
        said = ", ".join(map(repr, lacking))
        raise ConfigError(
            f"{rows.path}, line {rows.lines[0]}: no column {said} (needed: {', '.join(needed)}; there: "
            f"{', '.join(map(str, there)) or 'none'}); name another in columns of [[probes.tasks]], such as "
            f'columns = {{{lacking[0]} = "{(there or ["NAME"])[-1]}"}}'
        )
    read = as_declared(rows, needed, more)
    items = []
    for n, row in enumerate(read):
        item = {own.get(name, name): value for name, value in row.items()}
        if metric == "choice":
            try:
                said = rows.rows[n][names["choices"]]
                item["answer"] = _place(item["answer"], item["choices"], said)
            except ValueError as error:
                raise read.fail(n, names["answer"], error) from error
            labels = item["choices"]
            item["choices"] = labels["text"] if isinstance(labels, dict) else labels
        items.append(item)
    return items


def check_prompt(config: TaskConfig) -> None:
    """ConfigError for a prompt in which the question has no place, or the answer has one."""
    named = _FIELD.findall(config.prompt)
    if "answer" in named:
        raise ConfigError(
            f"{config.where}: prompt = {config.prompt[:60]!r} shows the gold answer, {{answer}}, to the "
            "model; accepted: {question}, {choices} and other columns"
        )
    if config.prompt and "question" not in named:
        raise ConfigError(
            f"{config.where}: prompt = {config.prompt[:60]!r} has no {{question}}; accepted: a text with "
            "{question}, and {choices} or other columns where they are wanted"
        )


def filled(prompt: str, item: Mapping[str, Any]) -> str:
    """The prompt with an item's columns in it. What they hold is text: braces in it mean nothing, nor do
    those in the prompt that name no column."""

    def value(name: "re.Match[str]") -> str:
        if name[1] not in item:
            return name[0]
        found = item[name[1]]
        if name[1] == "choices":
            return "\n".join(f"{a}. {c}" for a, c in zip(_LETTERS, found, strict=False))
        return str(found)

    return _FIELD.sub(value, prompt)


def gold_text(item: Mapping[str, Any]) -> str:
    """The reference answer as text: the first where there are several; "" for none."""
    answer = item.get("answer")
    if "choices" in item and isinstance(answer, int):
        return str(item["choices"][answer])
    if isinstance(answer, list):
        answer = answer[0]
    return "" if answer is None else str(answer)


def answers_of(item: Mapping[str, Any]) -> list[str]:
    """All reference answers."""
    answer = item["answer"]
    return answer if isinstance(answer, list) else [answer]


def _numbers(value: Any) -> str | list[str]:
    found = repr(value) if isinstance(value, float) else text_or_texts(value)
    for one in found if isinstance(found, list) else [found]:
        if last_number(one) is None:
            raise ValueError(f"{one[:60]!r}: expected a number")
    return found


def _patterns(value: Any) -> str | list[str]:
    found = text_or_texts(value)
    for one in found if isinstance(found, list) else [found]:
        dot_all(one)
    return found


def _choices(value: Any) -> Any:
    if isinstance(value, dict):
        found = record(text=list_of(text), label=list_of(text))(value)
        if len(found["text"]) != len(found["label"]):
            raise ValueError("as many labels as texts are needed")
    else:
        found = list_of(text)(value)
    many = found["text"] if isinstance(found, dict) else found
    if len(many) < 2:
        raise ValueError("at least two choices are needed")
    if len(set(many)) < len(many):
        raise ValueError("two choices are the same")
    return found


def _place(answer: Any, choices: Any, said: Any) -> int:
    """The number of the right choice, from 0: the answer is its label, its text, its letter or its number.

    said   the choices as the file has them: where they are texts of JSON or parquet, a number is a place and
           never a choice's text, and a text is a place only where it is no choice's text. A cell of a table
           does not say which of both it is

    ValueError where it is none of them, or could be two.
    """
    texts: Collection[str] = choices["text"] if isinstance(choices, dict) else choices
    labels = choices["label"] if isinstance(choices, dict) else _LETTERS[: len(texts)]
    typed = isinstance(said, list) and all(isinstance(one, str) for one in said)
    whole = isinstance(answer, int) and not isinstance(answer, bool)
    word = answer if isinstance(answer, str) else str(answer)
    found: set[int] = set()
    if not (typed and whole):
        found |= {n for n, t in enumerate(texts) if t == word}
        found |= {n for n, label in enumerate(labels) if label == word.strip()}
    if whole or (word.strip().isdecimal() and not (typed and found)):
        number = int(answer)
        if 0 <= number < len(texts) and not isinstance(choices, dict):
            found.add(number)
    if len(found) != 1:
        what = "could be several of" if found else "is none of"
        raise ValueError(
            f"{answer!r:.60} {what} the {len(texts)} choices; accepted: a choice's text, its letter "
            "(A, B, ...) or its number from 0"
        )
    return found.pop()

"""Rows of a user's JSONL or CSV file, with messages that name file, line and column."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from readsim.errors import ConfigError

Row = dict[str, Any]


def read_rows(path: str | Path, columns: Sequence[str]) -> list[Row]:
    """All rows of a `.csv` file with a header, or of a file with one JSON object a line (`.gz` too).

    `columns` must be there in every row; others are kept. Raises ConfigError naming the line.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"no such file: {str(path)!r}; expected a .jsonl or .csv file")
    try:
        rows = list(_csv(path) if path.suffix == ".csv" else _jsonl(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from error
    if not rows:
        raise ConfigError(f"{path}: no rows")
    for line, row in rows:
        lacking = [column for column in columns if column not in row]
        if lacking:
            raise ConfigError(
                f"{path}, line {line}: no column {', '.join(map(repr, lacking))} (needed: "
                f"{', '.join(columns)}; there: {', '.join(row) or 'none'})"
            )
    return [row for _, row in rows]


def _jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    opener = gzip.open if path.suffix == ".gz" else open
    opened: IO[str] = opener(path, "rt", encoding="utf-8")
    with opened as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except json.JSONDecodeError as error:
                raise ConfigError(f"{path}, line {line}: not JSON: {error}") from error
            if not isinstance(row, dict):
                raise ConfigError(f"{path}, line {line}: {text[:40]!r} is not a JSON object")
            yield line, row


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            # a row of another length has the key None, or values that are None
            if None in row or None in row.values():
                raise ConfigError(
                    f"{path}, line {reader.line_num}: the header has "
                    f"{len(reader.fieldnames or ())} columns, this row another number"
                )
            yield reader.line_num, row

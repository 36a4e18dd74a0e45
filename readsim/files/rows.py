"""Rows of a table or of JSON lines, with each column as it is declared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError
from readsim.files.json_text import json_lines_of
from readsim.files.kinds import Kind
from readsim.files.sheet import parse_sheet
from readsim.files.text import AnyPath, read_text, suffix_of

Row = dict[str, Any]
_JSON = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class FileRows:
    """`rows` of the file `path`, and the line that each starts in."""

    path: Path
    rows: tuple[Row, ...]
    lines: tuple[int, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def fail(self, row: int, column: str, wrong: object) -> ConfigError:
        """The error for one value of the row at this place."""
        return ConfigError(f"{self.path}, line {self.lines[row]}, column {column!r}: {wrong}")


def read_rows(
    path: AnyPath, needed: Mapping[str, Kind], more: Mapping[str, Kind] | None = None
) -> FileRows:
    """All rows of a CSV file with a header, or of a file with one JSON object a line.

    needed   columns that every row must have, and their kinds
    more     columns that may be there; without them they are what their kind makes of None

    Other columns are left out, so that a row has the same fields whatever it is a part of. Raises
    ConfigError naming file, line and column.
    """
    return as_declared(raw_rows(path, (*needed, *(more or {}))), needed, more or {})


def raw_rows(path: AnyPath, unique: Iterable[str] = ()) -> FileRows:
    """All columns of such a file as they stand there; no two columns have one of the names `unique`.

    Raises ConfigError naming file, line and column.
    """
    path = Path(path)
    content = read_text(path)
    start = content.lstrip()[:1]
    if start == "{" or suffix_of(path) in _JSON:
        found = list(json_lines_of(content, path))
    else:
        sheet = parse_sheet(content, path)
        sheet.refuse_copies(list(unique))
        found = [
            (line, dict(zip(sheet.header, row, strict=True)))
            for line, row in zip(sheet.lines, sheet.rows, strict=True)
        ]
    return FileRows(path, tuple(row for _, row in found), tuple(line for line, _ in found))


def as_declared(raw: FileRows, needed: Mapping[str, Kind], more: Mapping[str, Kind]) -> FileRows:
    """Rows with the columns of `read_rows`. Raises ConfigError naming file, line and column."""
    if not raw.rows:
        raise ConfigError(f"{raw.path}: no rows")
    for line, row in zip(raw.lines, raw.rows, strict=True):
        lacking = [column for column in needed if column not in row]
        if lacking:
            raise ConfigError(
                f"{raw.path}, line {line}: no column {', '.join(map(repr, lacking))} (needed: "
                f"{', '.join(needed)}; there: {', '.join(map(str, row)) or 'none'})"
            )
    kinds = {**needed, **more}
    return FileRows(raw.path, tuple(_converted(raw, n, kinds) for n in range(len(raw))), raw.lines)


def _converted(raw: FileRows, n: int, kinds: Mapping[str, Kind]) -> Row:
    out = {}
    for column, kind in kinds.items():
        try:
            out[column] = kind(raw.rows[n].get(column))
        except ValueError as error:
            raise raw.fail(n, column, error) from error
    return out

"""A CSV file as named columns of text that remember their lines. Nothing is guessed, nothing skipped."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.files.text import AnyPath, read_text, text_lines

MISSING = ("", "na", "n/a", "nan", "null", "none")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
LONGEST = 2**31 - 1  # characters of a cell; the csv module's own limit is 131072
_SAID = re.compile(r"sep=(.)\r?\n")  # how Excel is told the delimiter
_INDEX = re.compile(r"(Unnamed: \d+)?")  # the name of the column that pandas writes for its index
_INNER_MARK = re.compile(r"[\r\n]\ufeff")  # at the start of a line, as of a file
_OTHER_END = re.compile(r"(?<!\r)\n|\r(?!\n)")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
_POINT = re.compile(r"[+-]?[0-9]+\.[0-9]+([eE][+-]?[0-9]+)?")

Records = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Sheet:
    """`rows` are cells as written, `lines` the lines of the file `path` that they start in."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    delimiter: str = ","

    def cells(self, column: str) -> list[str]:
        """The text of a column. Raises UnknownNameError."""
        if column not in self._places:
            raise unknown(f"column in {self.path}", column, self.header)
        at = self._places[column]
        return [row[at] for row in self.rows]

    def fail(self, row: int, column: str, text: str) -> ConfigError:
        """The error for one cell."""
        return ConfigError(f"{self.path}, line {self.lines[row]}, column {column!r}: {text}")

    def number(self, row: int, column: str, *, missing: bool = False) -> float:
        """One cell; nan where it is empty and `missing` allows it."""
        text = self.rows[row][self._places[column]].strip()
        if text.lower() in MISSING:
            if missing:
                return float("nan")
            raise self.fail(row, column, f"{text!r} is missing: a number is needed")
        if text.endswith("%"):
            raise self.fail(row, column, f"{text!r}: write the number without the sign")
        try:
            value = self._float(text)
        except ValueError as error:
            hint = ": write decimal points, and nothing between thousands" if "," in text else ""
            raise self.fail(row, column, f"{text!r} is not a number{hint}") from error
        if not np.isfinite(value) or "_" in text:
            raise self.fail(row, column, f"{text!r} is not a finite number")
        return value

    def numbers(self, columns: Sequence[str], *, missing: bool = False) -> Array:
        """(n, C) of the named columns. Raises ConfigError with line and column."""
        for column in columns:
            self.cells(column)
        rows = range(len(self.rows))
        cells = [[self.number(i, c, missing=missing) for c in columns] for i in rows]
        return np.array(cells, dtype=np.float64).reshape(len(self.rows), len(columns))

    def loose_numbers(self, columns: Sequence[str]) -> Array:
        """(n, C) of the named columns, nan for whatever is no number."""

        def value(text: str) -> float:
            try:
                return self._float(text)
            except ValueError:
                return float("nan")

        each = [[value(text) for text in self.cells(column)] for column in columns]
        return np.array(each, dtype=np.float64).reshape(len(columns), len(self.rows)).T

    def mostly_numbers(self, column: str) -> bool:
        """Whether more than half of the cells that are not missing are numbers."""
        there = [t.strip().lower() not in MISSING for t in self.cells(column)]
        numbers = np.isfinite(self.loose_numbers([column])[:, 0])[there]
        return bool(numbers.sum() > 0.5 * len(numbers))

    def take(self, keep: Iterable[int]) -> "Sheet":
        """The rows at these places."""
        at = list(keep)
        rows, lines = tuple(self.rows[i] for i in at), tuple(self.lines[i] for i in at)
        return replace(self, rows=rows, lines=lines)

    def stripped(self) -> "Sheet":
        """Every cell without the spaces around it."""
        return replace(self, rows=tuple(tuple(c.strip() for c in row) for row in self.rows))

    def refuse_copies(self, columns: Iterable[str]) -> None:
        """Raise ConfigError where one of them has a twin that pandas renamed: `answer` and `answer.1`."""
        for column in columns:
            if column in self._places and f"{column}.1" in self._places:
                raise ConfigError(
                    f"{self.path}: column {column + '.1'!r} is how pandas writes a second column {column!r}: "
                    "keep one of them"
                )

    def _float(self, text: str) -> float:
        text = text.strip()
        return float(
            text.replace(",", ".", 1) if self.decimal_commas and _COMMA.fullmatch(text) else text
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where in a row each column is."""
        return {name: at for at, name in enumerate(self.header)}

    @cached_property
    def decimal_commas(self) -> bool:
        """Whether numbers are written with decimal commas, as spreadsheets do where semicolons separate."""
        if self.delimiter == ",":
            return False
        cells = [cell.strip() for row in self.rows for cell in row]
        return any(map(_COMMA.fullmatch, cells)) and not any(map(_POINT.fullmatch, cells))


def read_sheet(path: AnyPath) -> Sheet:
    """Read a CSV file with a header; commas, semicolons or tabs separate its cells.

    The index that pandas writes without a name is left out. Where every line ends with CRLF, those inside
    of cells too, the file was converted as a whole (by git, by an editor), and cells get back their LF.

    Raises ConfigError, naming file, line and column, for anything ragged, doubled or unreadable.
    """
    return parse_sheet(read_text(path), Path(path))


def sheet_rows(path: AnyPath) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of the rows of a CSV file, one at a time: for files of any size.

    The separator is what parts the header into most columns. Raises ConfigError as `read_sheet` does.
    """
    path = Path(path)
    lines = text_lines(path, newline="")
    head = next(lines, "")
    if said := _SAID.match(head):
        delimiter, head, first = said[1], next(lines, ""), 2
    else:
        first = 1
        delimiter = max(DELIMITERS, key=head.count) if head else ","
    windows = head.endswith("\r\n")
    reader = csv.reader(chain([head], lines), delimiter=delimiter, strict=True)
    start, header, rows = first, list[str](), 0
    with _long_cells():
        try:
            for cells in reader:
                at, start = start, first + reader.line_num
                if not cells:
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    _check_header(path, at, header)
                    continue
                if len(cells) != len(header):
                    raise ConfigError(
                        f"{path}, line {at}: {len(cells)} cells where the header has {len(header)}"
                    )
                if len(header) > 1 and [cell.strip() for cell in cells] == header:
                    raise ConfigError(
                        f"{path}, line {at}: the header once more: are these two files in one?"
                    )
                rows += 1
                texts = [c.replace("\r\n", "\n") for c in cells] if windows else cells
                yield at, dict(zip(header, texts, strict=True))
        except csv.Error as error:
            raise ConfigError(f"{path}, line {start}: {_in_words(error)}") from error
    if not rows:
        what = "no rows below the header" if header else "the file is empty"
        raise ConfigError(f"{path}: {what}")


def _check_header(path: Path, line: int, header: Sequence[str]) -> None:
    for n, name in enumerate(header):
        if not name and n:  # the first one may be an index that pandas wrote
            raise ConfigError(f"{path}, line {line}: column {n + 1} has no name")
        if name in header[:n]:
            raise ConfigError(f"{path}, line {line}: column {name!r} appears twice")


def parse_sheet(text: str, path: Path, first_line: int = 1) -> Sheet:
    """`read_sheet` of a text that was read from `path` and starts in its line `first_line`."""
    delimiter, records = _records(text, path, first_line)
    if not records:
        raise ConfigError(f"{path}: the file is empty: expected a header and rows below it")
    line, header = records[0][0], [cell.strip() for cell in records[0][1]]
    rows = records[1:]
    if "\r\n" in text and not _OTHER_END.search(text):
        rows = [(at, [cell.replace("\r\n", "\n") for cell in row]) for at, row in rows]
    for at, row in rows:
        if len(row) != len(header):
            raise ConfigError(
                f"{path}, line {at}: {len(row)} cells where the header has {len(header)}"
            )
        mark = row[0].startswith("\ufeff") and bool(_INNER_MARK.search(text))
        if mark or (len(row) > 1 and [cell.strip() for cell in row] == header):
            again = "a byte order mark inside the file" if mark else "the header once more"
            raise ConfigError(f"{path}, line {at}: {again}: are these two files in one?")
    first = [row[0] for _, row in rows]
    counted = all(map(str.isdecimal, first)) and len(set(first)) == len(first)
    if len(header) > 1 and _INDEX.fullmatch(header[0]) and counted:
        header = header[1:]
        rows = [(at, row[1:]) for at, row in rows]
    seen = set()
    for n, name in enumerate(header):
        if not name:
            raise ConfigError(f"{path}, line {line}: column {n + 1} has no name")
        if name in seen:
            raise ConfigError(f"{path}, line {line}: column {name!r} appears twice")
        seen.add(name)
    if not rows:
        raise ConfigError(f"{path}: no rows below the header")
    cells, lines = tuple(tuple(row) for _, row in rows), tuple(at for at, _ in rows)
    sheet = Sheet(path, tuple(header), cells, lines, delimiter)
    sheet.refuse_copies(name for name in header if not name[-1:].isdigit())  # llama3, llama3.1
    return sheet


def _records(text: str, path: Path, first_line: int) -> tuple[str, Records]:
    """The delimiter, and all records with the lines that they start in; blank lines are none."""
    if said := _SAID.match(text):
        return said[1], _parse(text[said.end() :], said[1], path, first_line + 1)
    options = {}
    for delimiter in (d for d in DELIMITERS if d in text):
        with suppress(ConfigError):  # that cannot be what separates them
            header = _parse(text, delimiter, path, first_line, header_only=True)
            options[delimiter] = len(header[0][1]) if header else 1
    options = {delimiter: width for delimiter, width in options.items() if width > 1}
    if len(options) < 2:
        delimiter = next(iter(options), ",")
        return delimiter, _parse(text, delimiter, path, first_line)
    read = {}
    for delimiter, width in options.items():
        try:
            records = _parse(text, delimiter, path, first_line)
        except ConfigError:
            continue
        if all(len(row) == width for _, row in records):
            read[delimiter] = records
    if len(read) > 1:
        words = " or by ".join(DELIMITERS[d] for d in read)
        raise ConfigError(
            f"{path}, line {first_line}: cells may be separated by {words}: put cells that hold one of "
            "them into quotes"
        )
    if read:
        return next(iter(read.items()))
    widest = max(options, key=lambda d: options[d])
    return widest, _parse(text, widest, path, first_line)


def _parse(
    text: str, delimiter: str, path: Path, first_line: int, header_only: bool = False
) -> Records:
    # Where lines end with \n, a bare \r is a part of a cell (and refused outside of quotes).
    lines = io.StringIO(text, newline="\n" if "\n" in text else "\r")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    out: Records = []
    start = first_line
    with _long_cells():
        try:
            for row in reader:
                if row:
                    out.append((start, row))
                    if header_only:
                        break
                start = first_line + reader.line_num
        except csv.Error as error:
            raise ConfigError(f"{path}, line {start}: {_in_words(error)}") from error
    return out


def _in_words(error: csv.Error) -> str:
    """What the csv module found, as a user can look for it."""
    known = {
        "unexpected end of data": "a quotation mark that opens a cell in this row is never closed",
        "new-line character seen": "a carriage return inside a cell without quotation marks",
        "expected after": "text after the quotation mark that closes a cell (inside, write two of them)",
    }
    return next((text for sign, text in known.items() if sign in str(error)), str(error))


@contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module's limit lifted, and put back."""
    limit = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(limit)

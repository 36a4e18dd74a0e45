"""A CSV file as named columns of text that remember their lines. Nothing is guessed, nothing skipped."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown

MISSING = ("", "na", "n/a", "nan", "null", "none")


@dataclass(frozen=True)
class Sheet:
    """`rows` are cells as written, `lines` their line numbers in the file `path`."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def cells(self, column: str) -> list[str]:
        """The text of a column. Raises UnknownNameError."""
        if column not in self.header:
            raise unknown(f"column in {self.path}", column, self.header)
        at = self.header.index(column)
        return [row[at] for row in self.rows]

    def fail(self, row: int, column: str, text: str) -> ConfigError:
        """The error for one cell."""
        return ConfigError(f"{self.path}, line {self.lines[row]}, column {column!r}: {text}")

    def number(self, row: int, column: str, *, missing: bool = False) -> float:
        """One cell; nan where it is empty and `missing` allows it."""
        text = self.rows[row][self.header.index(column)]
        if text.lower() in MISSING:
            if missing:
                return float("nan")
            raise self.fail(row, column, f"{text!r} is missing: a number is needed")
        if text.endswith("%"):
            raise self.fail(row, column, f"{text!r}: write the number without the sign")
        try:
            value = float(text)
        except ValueError as error:
            raise self.fail(row, column, f"{text!r} is not a number") from error
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
                return float(text)
            except ValueError:
                return float("nan")

        each = [[value(text) for text in self.cells(column)] for column in columns]
        return np.array(each, dtype=np.float64).reshape(len(columns), len(self.rows)).T

    def is_numeric(self, column: str) -> bool:
        """Whether every cell is a number or missing, and at least one is a number."""
        texts = [t for t in self.cells(column) if t.lower() not in MISSING]
        try:
            return bool(texts) and all(np.isfinite(float(t)) for t in texts)
        except ValueError:
            return False

    def take(self, keep: Iterable[int]) -> "Sheet":
        """The rows at these places."""
        at = list(keep)
        rows, lines = tuple(self.rows[i] for i in at), tuple(self.lines[i] for i in at)
        return Sheet(self.path, self.header, rows, lines)


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file with a header. Raises ConfigError for anything ragged, doubled or unreadable."""
    if not path.is_file():
        raise ConfigError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            read = [
                (reader.line_num, tuple(cell.strip() for cell in row)) for row in reader if any(row)
            ]
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a readable CSV file ({error})") from error
    if len(read) < 2:
        raise ConfigError(f"{path}: expected a header and rows below it")
    header = read[0][1]
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise ConfigError(f"{path}: columns must be separated by commas, found {header[0]!r}")
    for name in header:
        if not name:
            raise ConfigError(
                f"{path}, line {read[0][0]}: column {header.index('') + 1} has no name"
            )
        if header.count(name) > 1:
            raise ConfigError(f"{path}, line {read[0][0]}: column {name!r} appears twice")
    for line, row in read[1:]:
        if len(row) != len(header):
            raise ConfigError(
                f"{path}, line {line}: {len(row)} cells where the header has {len(header)}"
            )
    lines, rows = zip(*read[1:], strict=True)
    return Sheet(path, header, rows, lines)


def common_key(first: Sheet, second: Sheet, given: str | None) -> str:
    """The column that names the runs in both files.

    Without `given`: the first column name that both have and whose cells are the same, each once, in
    another order or not; else the first column of both, if it has one name.
    """
    if given is not None:
        first.cells(given), second.cells(given)
        return given
    shared = [c for c in first.header if c in second.header]
    for column in shared:
        a, b = sorted(first.cells(column)), sorted(second.cells(column))
        if a == b and len(set(a)) == len(a):
            return column
    if first.header[0] == second.header[0]:
        return first.header[0]
    raise ConfigError(
        f"{first.path} and {second.path} have no common column that names the runs (common: "
        f"{', '.join(shared) or 'none'}): give it with --key"
    )


def join_cells(first: Sheet, second: Sheet, key: str) -> Sheet:
    """`second` with its rows in the order of `first`. Raises ConfigError for a key without a partner."""
    places = []
    for one, other in ((first, second), (second, first)):
        names = one.cells(key)
        seen: dict[str, int] = {}
        for i, name in enumerate(names):
            if name in seen:
                raise one.fail(i, key, f"{name!r} appears in line {one.lines[seen[name]]} already")
            seen[name] = i
        places.append(seen)
        lacking = [i for i, name in enumerate(names) if name not in set(other.cells(key))]
        if lacking:
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise one.fail(lacking[0], key, f"{names[lacking[0]]!r} is not in {other.path}{more}")
    return second.take(places[1][name] for name in first.cells(key))

"""What a report is made of: plain data, without any markup."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd

TONES = 4  # steps of colour on either side of zero


class Cell(NamedTuple):
    """One cell of a table. `tone` (-TONES .. TONES) colours it by sign and size, `sure` is the mark's."""

    text: str
    tone: int = 0
    sure: bool = True


class Table(NamedTuple):
    """A table as it is shown, and all its numbers.

    name    of its files (letters, digits, hyphens)
    heads   so many of the first cells of a row name the row
    bold    rows to point out
    most    rows on the page; the files have all
    numbers the same at full precision, with columns that a program would want
    """

    name: str
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    heads: int
    numbers: pd.DataFrame
    bold: frozenset[int] = frozenset()
    most: int = 200
    notes: Sequence[str] = ()
    is_map: bool = False
    kind: Literal["table"] = "table"


class Figure(NamedTuple):
    """A drawing: the bytes of an SVG file, what it shows in words, and what to read in it."""

    name: str
    title: str
    alt: str
    caption: str
    svg: bytes
    kind: Literal["figure"] = "figure"


class Facts(NamedTuple):
    """Names and what they are."""

    rows: Sequence[tuple[str, str]]
    kind: Literal["facts"] = "facts"


class Code(NamedTuple):
    """Lines to copy."""

    text: str
    kind: Literal["code"] = "code"


class Notes(NamedTuple):
    """Short remarks, one a line."""

    lines: Sequence[str]
    kind: Literal["notes"] = "notes"


Item = Table | Figure | Facts | Code | Notes


class Section(NamedTuple):
    """A heading, what it says in words, and what it shows."""

    title: str
    text: Sequence[str] = ()
    items: Sequence[Item] = ()


class Part(NamedTuple):
    """One comparison, suite or study. `lead` is what it found, in sentences, the most important first;
    `left_out` is what was not used, and why."""

    title: str
    kind: str
    lead: Sequence[str]
    sections: Sequence[Section]
    left_out: Sequence[str] = ()

    def tables(self) -> list[Table]:
        return [item for s in self.sections for item in s.items if isinstance(item, Table)]


def text_cells(texts: Sequence[str]) -> list[Cell]:
    """Cells without colour."""
    return [Cell(text) for text in texts]

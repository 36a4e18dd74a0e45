"""A report as plain data, and how that becomes one page (markup is in page.html and style.css) and files."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from readsim import __version__
from readsim.files.cells import csv_bytes
from readsim.plots.style import short
from readsim.report.svg import inline
from readsim.summary.show import markdown, markdown_text

TONES = 4  # steps of colour on either side of zero
WIDE, HUGE = 12, 24  # columns from which headers stand upright, and numbers are small
NARROW = 400.0  # points of a figure that a phone may shrink
GENERATOR = "readsim report"
TABLES = "tables"  # folder


class TableCell(NamedTuple):
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
    rows: Sequence[Sequence[TableCell]]
    heads: int
    numbers: pd.DataFrame
    bold: frozenset[int] = frozenset()
    most: int = 200
    notes: Sequence[str] = ()
    is_map: bool = False
    kind: Literal["table"] = "table"


class Figure(NamedTuple):
    """A drawing: SVG files that stand side by side where there is room, what they show in words, and what to
    read in them. `names` may be shortened in it, and are then whole in a title."""

    name: str
    title: str
    alt: str
    caption: str
    svgs: Sequence[bytes]
    names: Sequence[str] = ()
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
    """Short remarks, one per line."""

    lines: Sequence[str]
    kind: Literal["notes"] = "notes"


class FileLink(NamedTuple):
    """Another file of the folder, and what it is in words."""

    text: str
    file: str
    kind: Literal["link"] = "link"


Item = Table | Figure | Facts | Code | Notes | FileLink


class Section(NamedTuple):
    """A heading, what it says in words, and what it shows."""

    title: str
    text: Sequence[str] = ()
    items: Sequence[Item] = ()


class Part(NamedTuple):
    """One comparison, suite or study. `lead` is what it found, in sentences, the most important first;
    `origin` is whether it is simulated, and how its numbers came to be; `left_out` is what was not used, and
    why."""

    title: str
    kind: str
    lead: Sequence[str]
    sections: Sequence[Section]
    left_out: Sequence[str] = ()
    origin: str = ""

    def tables(self) -> list[Table]:
        return [item for s in self.sections for item in s.items if isinstance(item, Table)]


def text_cells(texts: Sequence[str]) -> list[TableCell]:
    """Cells without colour."""
    return [TableCell(text) for text in texts]


def render(
    title: str,
    parts: Sequence[Part],
    names: dict[tuple[int, str], str],
    made_from: str,
    refresh: int | None = None,
) -> str:
    """The whole page. `names` gives the files' name of each table that has some, by part and table name;
    `made_from` is what the numbers come from; after `refresh` seconds the page loads itself again."""
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            parts=parts,
            names=names,
            made_from=made_from,
            refresh=refresh,
            style=Markup(_read("style.css")),
            generator=GENERATOR,
            version=__version__,
            wide=WIDE,
            huge=HUGE,
            narrow=NARROW,
            tables=TABLES,
        )
    )


@cache
def environment() -> Environment:
    """Everything is escaped, and a name that is not there is an error."""
    out = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_read),
    )
    out.filters["inline_svgs"] = _inline
    out.filters["with_code"] = with_code
    out.filters["data_link"] = _data_link
    return out


def with_code(text: str) -> Markup:
    """The text, escaped; what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _inline(figure: Figure, prefix: str) -> list[tuple[Markup, float]]:
    """Markup and width in points of each drawing."""
    titles = {short(name): name for name in figure.names if short(name) != name}
    drawn = []
    for n, data in enumerate(figure.svgs, start=1):
        text, width = inline(data, f"{prefix}-{n}-", figure.name, titles)
        drawn.append((Markup(text), width))
    return drawn


def _data_link(table: Table) -> str:
    """The table's CSV file as an address that holds it: a page that was mailed alone has all numbers."""
    return f"data:text/csv;base64,{b64encode(csv_bytes(table.numbers)).decode()}"


def _read(name: str) -> str:
    return files("readsim.report").joinpath(name).read_text(encoding="utf-8")


def files_of(table: Table, name: str) -> dict[str, bytes]:
    """Name of the file -> its bytes: .csv with all numbers, .md and .tex as the table is shown."""
    return {
        f"{name}.csv": csv_bytes(table.numbers),
        f"{name}.md": section_markdown(table).encode(),
        f"{name}.tex": to_latex(table).encode(),
    }


def section_markdown(table: Table) -> str:
    """A pipe table, every special sign escaped."""
    rows = [[markdown_text(cell.text) for cell in row] for row in table.rows]
    for n in table.bold:
        rows[n] = [f"**{text}**" for text in rows[n]]
    return markdown([markdown_text(header) for header in table.headers], rows, text=table.heads)


def to_latex(table: Table) -> str:
    r"""A tabular with booktabs rules, by pandas, which escapes what LaTeX would read as a command."""
    headers = [one_line(header) for header in table.headers]
    texts = [[one_line(cell.text) for cell in row] for row in table.rows]
    frame = pd.DataFrame(texts, columns=headers, dtype=object)
    style = frame.style.format(escape="latex").format_index(axis=1, escape="latex")
    style = style.hide(axis="index")
    shape = "l" * table.heads + "r" * (len(headers) - table.heads)
    text = str(style.to_latex(hrules=True, column_format=shape))
    return text.replace("\\\\\n[", "\\\\\n{}[")  # not the optional argument of the line before


def one_line(text: str) -> str:
    return " ".join(text.split())

"""The table of a comparison as text: on a terminal, or as Markdown."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from readsim.allocators.registry import is_oracle
from readsim.summary.evidence import SURE
from readsim.summary.table import REFERENCE
from readsim.token_counts import show_tokens

BLANK = "-"
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~$])")


@dataclass(frozen=True)
class Column:
    """A shown column: its header, its text from a row, and its rank (the highest is dropped first)."""

    header: str
    text: Callable[[pd.Series], str]
    rank: int


def _decimals(row: pd.Series) -> int:
    return 4 if row["unit"] == "loss" else 2


def fixed(value: float, decimals: int, sign: str = "") -> str:
    """Fixed decimals, never a negative zero; a dash if missing."""
    if np.isnan(value):
        return BLANK
    rounded = round(float(value), decimals) + 0.0
    return f"{rounded:{sign if rounded else ''}.{decimals}f}"


def interval_text(mean: float, half: float, digits: int) -> str:
    """`-1.20 to -0.40`."""
    return f"{fixed(mean - half, digits, '+')} to {fixed(mean + half, digits, '+')}"


def p_text(p: float) -> str:
    """`.012`, `< .001`, a dash if missing."""
    if np.isnan(p):
        return "-"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _with_interval(row: pd.Series, name: str, sign: str = "") -> str:
    text, half = fixed(row[name], _decimals(row), sign), row[f"{name}_half_width"]
    return text if np.isnan(half) else f"{text} ± {fixed(half, _decimals(row))}"


def _difference(row: pd.Series) -> str:
    """The paired difference, behind a star if it is not zero."""
    text = _with_interval(row, "difference", "+")
    return f"* {text}" if row["p_holm"] < SURE else text  # False if missing


def _plain(name: str, sign: str = "") -> Callable[[pd.Series], str]:
    return lambda row: fixed(row[name], _decimals(row), sign)


def _short(value: float) -> str:
    """Two or three significant digits, for numbers of any size."""
    return fixed(value, 0 if value >= 100 else 1 if value >= 10 else 2)


COLUMNS = (
    Column("utility", lambda row: _with_interval(row, "utility"), 0),
    Column(f"vs {REFERENCE}", _difference, 1),
    Column("gap %", lambda row: fixed(100.0 * row["gap_closed"], 0), 2),
    Column("On", _plain("on_target", "+"), 3),
    Column("Off", _plain("off_target", "+"), 4),
    Column("Neg", _plain("negative"), 5),
    Column("floor", _plain("negative_floor"), 7),
    Column("extra", lambda row: _short(row["beside_budget"]), 6),
    Column("ms a\ndecision", lambda row: _short(1000.0 * row["seconds_per_decision"]), 8),
)


def shown_columns(table: pd.DataFrame) -> list[Column]:
    """The columns that have a value in at least one row."""
    texts = {column.header: [column.text(row) for _, row in table.iterrows()] for column in COLUMNS}
    return [column for column in COLUMNS if set(texts[column.header]) != {BLANK}]


def best(rows: pd.DataFrame) -> str | None:
    """The allocator to point out: highest mean but for oracles, if above the reference and not by chance."""
    fair = rows[[not is_oracle(name) for name in rows["allocator"]]]
    if fair.empty:
        return None
    top = fair.iloc[int(fair["utility"].to_numpy().argmax())]
    sure = top["difference"] > 0 and top["p_holm"] < SURE  # False if missing
    return str(top["allocator"]) if sure else None


def print_table(console: Console, table: pd.DataFrame, notes: Iterable[str]) -> None:
    """One table per budget, then the notes. Columns that do not fit are left out, the least needed first."""
    budgets = [rows for _, rows in table.groupby("budget")]
    print_fitting(
        console,
        shown_columns(table),
        lambda columns: [_part(rows, columns) for rows in budgets],
        notes,
    )


def print_fitting(
    console: Console,
    columns: Sequence[Column],
    make: Callable[[Sequence[Column]], list[Table]],
    notes: Iterable[str],
) -> None:
    """The tables that `make` makes of as many columns as fit, the notes, and what was left out."""
    columns = list(columns)
    dropped: list[str] = []
    roomy = console.options.update(max_width=10_000)  # a measure is never above the width allowed
    while True:
        parts = make(columns)
        wanted = max(console.measure(part, options=roomy).maximum for part in parts)
        last = max(columns, key=lambda column: column.rank)
        if wanted <= console.width or last.rank == 0:
            break
        columns.remove(last)
        dropped.insert(0, last.header.replace("\n", " "))
    for part in parts:
        console.print(part)
    for note in notes:
        console.print(note, highlight=False)
    if dropped:
        console.print(
            f"Left out, the terminal is {console.width} columns wide: {', '.join(dropped)}.",
            highlight=False,
        )


def _part(rows: pd.DataFrame, columns: Sequence[Column]) -> Table:
    top = best(rows)
    return text_table(
        rows, columns, top, f"budget {show_tokens(int(rows['budget'].iloc[0]))} tokens"
    )


def text_table(
    rows: pd.DataFrame, columns: Sequence[Column], top: str | None, title: str | None
) -> Table:
    """A row an allocator, `top` in bold."""
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    table.add_column("allocator", overflow="fold")
    for column in columns:
        table.add_column(column.header, justify="right", overflow="fold")
    for _, row in rows.iterrows():
        name = str(row["allocator"])
        texts = [column.text(row) for column in columns]
        table.add_row(name, *texts, style="bold" if row["allocator"] == top else None)
    return table


def to_markdown(table: pd.DataFrame) -> str:
    """All columns as one Markdown table; what `print_table` points out is bold here as well."""
    columns = shown_columns(table)
    lines = []
    for _, rows in table.groupby("budget"):
        budget, top = int(rows["budget"].iloc[0]), best(rows)
        lines += [[show_tokens(budget), *cells] for cells in markdown_rows(rows, columns, top)]
    return markdown(["budget", "allocator", *(c.header for c in columns)], lines, text=2)


def markdown_rows(
    rows: pd.DataFrame, columns: Sequence[Column], top: str | None
) -> list[list[str]]:
    """The name, bold if it is `top`, and the columns of each row."""
    out = []
    for _, row in rows.iterrows():
        name = markdown_text(str(row["allocator"]))
        shown = f"**{name}**" if row["allocator"] == top else name
        out.append([shown, *(column.text(row) for column in columns)])
    return out


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]], text: int) -> str:
    """A Markdown table; the first `text` columns are left-aligned, the others right."""
    marks = ["---" if n < text else "---:" for n in range(len(headers))]
    lines = [[header.replace("\n", " ") for header in headers], marks, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

"""A table as files: CSV with all its numbers; Markdown and LaTeX as it is shown."""

import re

import pandas as pd

from readsim.report.parts import Table
from readsim.summary.show import markdown

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~$])")


def files_of(table: Table, name: str) -> dict[str, bytes]:
    """Name of the file -> its bytes: .csv, .md and .tex."""
    return {
        f"{name}.csv": table.numbers.to_csv(index=False, lineterminator="\n").encode(),
        f"{name}.md": to_markdown(table).encode(),
        f"{name}.tex": to_latex(table).encode(),
    }


def to_markdown(table: Table) -> str:
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


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    return " ".join(text.split())

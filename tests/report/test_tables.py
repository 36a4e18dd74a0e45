"""The files of a report's tables: what is read back is what was written, whatever the names are."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.report.render import (
    Table,
    files_of,
    section_markdown,
    text_cells,
    to_latex,
)
from readsim.summary.show import markdown_text
from tests.support.made_reports import HOSTILE

NAMES = (*HOSTILE, "plain", "[x]", "-", "a\nb")


def made(texts: tuple[str, ...]) -> Table:
    numbers = pd.DataFrame(
        {"name": list(texts), "value": [0.1 * n + 1e-17 for n in range(len(texts))]}
    )
    rows = [text_cells([text, f"{n}.0", "+1"]) for n, text in enumerate(texts)]
    return Table(
        "made", "Made", ["name", "a_b|c & %", "a_b|c & %"], rows, 1, numbers, bold=frozenset({0})
    )


def cells_of(line: str) -> list[str]:
    """A pipe table's row, split where a pipe is not escaped, with escapes undone."""
    cells, n = [""], 0
    while n < len(line):
        if line[n] == "\\" and n + 1 < len(line):
            cells[-1] += line[n + 1]
            n += 1
        elif line[n] == "|":
            cells.append("")
        else:
            cells[-1] += line[n]
        n += 1
    return [cell.strip() for cell in cells[1:-1]]


def test_csv_reads_back_exactly(tmp_path: Path) -> None:
    table = made(NAMES)
    (tmp_path / "made.csv").write_bytes(files_of(table, "made")["made.csv"])
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "made.csv"), table.numbers, check_exact=False, rtol=1e-15
    )
    rows = list(csv.reader(io.StringIO(files_of(table, "made")["made.csv"].decode())))
    assert [row[0] for row in rows[1:]] == list(NAMES)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])), min_size=1))
def test_markdown_keeps_every_cell(texts: list[str]) -> None:
    lines = section_markdown(made(tuple(texts))._replace(bold=frozenset())).splitlines()
    assert len(lines) == len(texts) + 2
    assert [cells_of(line)[0] for line in lines[2:]] == texts
    assert all(len(cells_of(line)) == 3 for line in lines)


def test_markdown_has_no_markup_of_names() -> None:
    for name in NAMES:
        shown = markdown_text(name)
        assert "\n" not in shown
        for sign in "<|*_`[$":
            assert shown.count(sign) == shown.count(f"\\{sign}")


def test_latex_escapes_what_it_would_run() -> None:
    text = to_latex(made(NAMES))
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    rows = body.splitlines()
    assert len(rows) == len(NAMES)
    assert "\\input" not in text
    assert "\\textbackslash" in text
    for row in rows:
        plain = row.removesuffix(" \\\\")
        assert plain.count(" & ") == 2
        assert not plain.startswith("[")
        for sign in "_%#$":
            assert plain.count(sign) == plain.count(f"\\{sign}")
    assert text.splitlines()[0] == "\\begin{tabular}{lrr}"
    assert "a\\_b|c \\& \\%" in text


@pytest.mark.parametrize("ending", [".csv", ".md", ".tex"])
def test_a_table_without_rows_has_files_too(ending: str) -> None:
    table = Table("none", "None", ["a", "b"], [], 1, pd.DataFrame(columns=["a", "b"]))
    assert files_of(table, "none")[f"none{ending}"]

"""Tables of text come back as they were written, in every disguise; damaged ones name the line."""

import csv
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError
from readsim.files import Sheet, read_sheet

CELLS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("\",;\t\n'| ")
)
NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=4)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Different names, and rows of any text."""
    header = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    row = st.lists(CELLS, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, min_size=1, max_size=4))


def written(header: Sequence[str], rows: Sequence[Sequence[str]], **options: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows([header, *rows])
    return text.getvalue()


def lines_of(header: Sequence[str], rows: Sequence[Sequence[str]], **options: Any) -> list[int]:
    """The line in which each row starts, counted in the text before it."""
    return [written(header, rows[:n], **options).count("\n") + 1 for n in range(len(rows))]


@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=ENCODINGS,
    packed=st.booleans(),
    said=st.booleans(),
)
def test_what_was_written_is_read(
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    end: str,
    encoding: str,
    packed: bool,
    said: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    options: dict[str, Any] = {"delimiter": delimiter, "lineterminator": end}
    options["quoting"] = csv.QUOTE_ALL  # a bare \r in a cell is written without quotes otherwise
    header, rows = table
    data = ((f"sep={delimiter}\r\n" if said else "") + written(header, rows, **options)).encode(
        encoding
    )
    path = tmp_path_factory.mktemp("sheet") / "rows.csv"
    path.write_bytes(gzip.compress(data) if packed else data)
    sheet = read_sheet(path)
    assert sheet.header == tuple(header)
    if end == "\r\n" and not re.search(r"(?<!\r)\n|\r(?!\n)", written(header, rows, **options)):
        rows = [[cell.replace("\r\n", "\n") for cell in row] for row in rows]
    assert [list(row) for row in sheet.rows] == rows
    assert list(sheet.lines) == [line + said for line in lines_of(header, rows, **options)]


@given(table=tables(), index=st.booleans(), encoding=ENCODINGS)
def test_what_pandas_wrote_is_read(
    table: tuple[list[str], list[list[str]]],
    index: bool,
    encoding: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    header, rows = table
    path = tmp_path_factory.mktemp("sheet") / "rows.csv"
    frame = pd.DataFrame(rows, columns=header)
    frame.to_csv(path, index=index, encoding=encoding, quoting=csv.QUOTE_NONNUMERIC)
    sheet = read_sheet(path)
    assert sheet.header == tuple(header)
    assert [list(row) for row in sheet.rows] == rows


@given(table=tables(), place=st.integers(0, 3), delimiter=st.sampled_from(",;\t"))
def test_a_row_of_another_length_is_named(
    table: tuple[list[str], list[list[str]]],
    place: int,
    delimiter: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    header, rows = table
    place = min(place, len(rows) - 1)
    rows[place] = [*rows[place], "one more"]
    options: dict[str, Any] = {"delimiter": delimiter, "quoting": csv.QUOTE_ALL}
    path = tmp_path_factory.mktemp("sheet") / "rows.csv"
    path.write_bytes(written(header, rows, **options).encode())
    line = lines_of(header, rows, **options)[place]
    width = len(header)
    with pytest.raises(ConfigError) as caught:
        read_sheet(path)
    assert (
        str(caught.value) == f"{path}, line {line}: {width + 1} cells where the header has {width}"
    )


def read(tmp_path: Path, text: str) -> Sheet:
    (tmp_path / "t.csv").write_bytes(text.encode())
    return read_sheet(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": the file is empty"),
        ("\n\r\n", ": the file is empty"),
        ("a,b\n", ": no rows below the header"),
        ("a,b\n1\n", ", line 2: 1 cells where the header has 2"),
        ("a;b\n1;2;3\n", ", line 2: 3 cells where the header has 2"),
        ("a\tb\n\n1\n", ", line 3: 1 cells where the header has 2"),
        ("a,a\n1,2\n", ", line 1: column 'a' appears twice"),
        ("a, a \n1,2\n", ", line 1: column 'a' appears twice"),
        ("a,a.1\n1,2\n", ": column 'a.1' is how pandas writes a second column 'a'"),
        ("a,\n1,2\n", ", line 1: column 2 has no name"),
        (",a\nx,2\n", ", line 1: column 1 has no name"),
        (",a\n7,2\n7,3\n", ", line 1: column 1 has no name"),
        (
            "a,b\n1,2\n\ufeffa,b\n3,4\n",
            ", line 3: a byte order mark inside the file: are these two files in one",
        ),
        ("a,b\n1,2\n\ufeff3,4\n", ", line 3: a byte order mark inside the file"),
        ("a,b\n1,2\na,b\n3,4\n", ", line 3: the header once more: are these two files in one"),
        (
            'a,b\n1,2\n"3,4\n5,6\n',
            ", line 3: a quotation mark that opens a cell in this row is never closed",
        ),
        ('a,b\n"x"y,2\n', ", line 2: text after the quotation mark that closes a cell"),
        ("a,b\n1,x\ry\n", ", line 2: a carriage return inside a cell without quotation marks"),
        ('"a;x","b;y"\n"1;2","3;4"\n', ""),
        ("a;x,b\n1;2,3\n", ", line 1: cells may be separated by commas or by semicolons"),
    ],
)
def test_damaged_tables(text: str, said: str, tmp_path: Path) -> None:
    if not said:  # quotes leave no choice
        assert read(tmp_path, text).header == ("a;x", "b;y")
        return
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}{said}")
    assert "\n" not in str(caught.value)


def test_delimiters_are_told_by_what_fits(tmp_path: Path) -> None:
    assert read(tmp_path, "a;b, c;d\n1,5;2;3\n1;2;3\n").header == ("a", "b, c", "d")
    assert read(tmp_path, "llama3,llama3.1\n1,2\n").header == ("llama3", "llama3.1")
    assert read(tmp_path, "text\nhello; world\n").rows == (("hello; world",),)
    assert read(tmp_path, "a,b\r1,2\r").rows == (("1", "2"),)  # of an old Mac
    assert read(tmp_path, ",a\n0,x\n1,y\n").rows == (("x",), ("y",))  # pandas' index
    assert read(tmp_path, ",a\n17,x\n4,y\n").rows == (("x",), ("y",))
    assert read(tmp_path, "Unnamed: 0,a\n0,x\n").header == ("a",)


def test_a_file_that_was_converted_as_a_whole_has_the_same_cells(tmp_path: Path) -> None:
    text = 'a,b\n"def f():\n    pass\n",1\n'
    plain = read(tmp_path, text)
    assert read(tmp_path, text.replace("\n", "\r\n")).rows == plain.rows
    kept = read(tmp_path, 'a,b\r\n"one\r\ntwo\nthree",1\r\n')  # of a spreadsheet: as it is
    assert kept.rows[0][0] == "one\r\ntwo\nthree"


def test_a_mark_may_be_doubled_and_a_cell_may_hold_one(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff\ufeffa,b\n1,2\n").header == ("a", "b")
    assert read(tmp_path, 'a,b\n"\ufeff1",2\n').rows == (("\ufeff1", "2"),)


def test_a_cell_may_be_long_and_the_limit_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    long = "x" * 300_000
    assert read(tmp_path, f"a,b\n{long},1\n").rows[0][0] == long
    assert csv.field_size_limit() == before


def test_numbers_with_decimal_commas(tmp_path: Path) -> None:
    sheet = read(tmp_path, "a;b;c\n0,5;-1,25e2; 3 \n1;nan;4\n")
    found = sheet.numbers(["a", "b", "c"], missing=True)
    assert np.array_equal(found, [[0.5, -125.0, 3.0], [1.0, np.nan, 4.0]], equal_nan=True)
    assert sheet.mostly_numbers("b")
    assert sheet.loose_numbers(["a"]).tolist() == [[0.5], [1.0]]
    with pytest.raises(
        ConfigError, match=r"line 2, column 'a': '0,5' is not a number: write decimal points"
    ):
        read(tmp_path, "a;b\n0,5;1.5\n").numbers(["a"])
    with pytest.raises(
        ConfigError, match=r"line 2, column 'a': '0,5' is not a number: write decimal points"
    ):
        read(tmp_path, 'a,b\n"0,5",1\n').numbers(["a"])
    for text in ("inf", "1_000", "20%", "", "None"):
        with pytest.raises(ConfigError, match=r"line 2, column 'a'"):
            read(tmp_path, f"a,b\n{text},1\n").numbers(["a"])

"""Columns are read as they are declared, the same from every format; what does not fit is named."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError
from readsim.files import read_rows
from readsim.files.kinds import (
    Kind,
    any_list,
    any_text,
    list_of,
    one_of,
    optional,
    raw,
    record,
    table,
    text,
    text_or_texts,
    texts,
    whole_number,
)
from readsim.files.literal import parse_literal
from tests.support.helpers import as_arrays

WORDS = st.text(
    st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1
).filter(str.strip)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    max_leaves=8,
)
KINDS: dict[str, Kind] = {
    "said": text,
    "note": any_text,
    "number": whole_number,
    "options": texts,
    "choices": record(text=texts, label=texts),
    "more": optional(text),
}


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    def row() -> dict[str, Any]:
        options = draw(st.lists(WORDS, min_size=1, max_size=4))
        return {
            "said": draw(
                WORDS | st.sampled_from(["007", "1.0", "None", "NA", "nan", "true", "[1]", "1e5"])
            ),
            "note": draw(st.just("") | WORDS),
            "number": draw(st.integers(-(10**20), 10**20)),
            "options": options,
            "choices": {"text": options, "label": [str(n) for n in range(len(options))]},
            "more": draw(st.none() | WORDS),
        }

    return [row() for _ in range(draw(st.integers(1, 3)))]


@given(made=rows())
def test_every_format_gives_the_same_rows(
    made: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    files = [folder / name for name in ("a.jsonl", "b.csv", "c.csv", "d.csv", "e.jsonl")]
    files[0].write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    pd.DataFrame(made).to_csv(files[1], index=False)
    pd.DataFrame([{k: as_arrays(v) for k, v in row.items()} for row in made]).to_csv(files[2])
    packed = [
        {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}
        for row in made
    ]
    pd.DataFrame(packed).to_csv(files[3], index=False, sep=";", encoding="utf-16")
    as_text = [
        {k: str(v) if isinstance(v, list | dict | int) else v for k, v in row.items()}
        for row in made
    ]
    files[4].write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in as_text),
        encoding="utf-8-sig",
    )
    for path in files:
        assert list(read_rows(path, KINDS)) == made, path.name


@given(VALUES)
def test_a_cell_holds_what_python_json_and_numpy_write(value: Any) -> None:
    assert parse_literal(json.dumps(value)) == value
    if not isinstance(value, str | float | int):
        assert parse_literal(repr(value)) == value
    if isinstance(value, list):
        assert parse_literal(str(as_arrays(value))) == value
        assert parse_literal(repr([as_arrays(value)])) == [value]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("['a', 'b' 'c']", "a comma is missing"),
        ("['a''b']", "a comma is missing"),
        ("[007]", "a comma is missing|is no value"),
        ("{'a': 1 'b': 2}", "a comma is missing"),
        ("[1 2 ... 5]", "NumPy left out a part"),
        ("[nan]", "'nan' where a value was expected"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[1e999]", "Infinity is no number of JSON"),
        ('["\\ud83d"]', "half of a surrogate pair"),
        ("{'a': 1, 'a': 2}", "'a' is given twice"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("[1, 2", "not a list or object"),
        ("[1] [2]", "after the end of the value"),
        ("[b'a']", "is not text"),
        ("[1j]", "is not a number"),
        ("{1: 2}", "the key 1 is not text"),
        ("[" * 100_000, "nested too deeply"),
        ("open('a')", "'open' where a value was expected"),
        ("", "where a value was expected"),
    ],
)
def test_a_cell_that_holds_no_data(cell: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_literal(cell)


def test_more_ways_to_write_a_list() -> None:
    assert parse_literal("[np.int64(1), np.str_('a'), -2.5]") == [1, "a", -2.5]
    assert parse_literal("{'text': array(['a', 'b'], dtype='<U1')}") == {"text": ["a", "b"]}
    assert parse_literal("[[ 1 -2]\n [ 3  4]]") == [[1, -2], [3, 4]]
    assert parse_literal("('a', None, True)") == ["a", None, True]
    assert parse_literal("['\\d+']") == ["\\d+"]
    assert parse_literal('["\\ud83d\\ude00"]') == ["\U0001f600"]


ACCEPTED: Sequence[tuple[Kind, Any, Any]] = (
    (text, "007", "007"),
    (text, " a ", " a "),
    (text, 7, "7"),
    (any_text, None, ""),
    (optional(text), "", None),
    (optional(whole_number), None, None),
    (whole_number, "7", 7),
    (whole_number, " 7.0 ", 7),
    (whole_number, 7.0, 7),
    (whole_number, "-0", 0),
    (one_of(whole_number, (0, 1)), "1", 1),
    (texts, '["1", "2"]', ["1", "2"]),
    (texts, [1, "b"], ["1", "b"]),
    (texts, ("a",), ["a"]),
    (any_list, "[]", []),
    (table, "{}", {}),
    (list_of(table), "[{'a': None}]", [{"a": None}]),
    (text_or_texts, "[f(a=1), g()]", "[f(a=1), g()]"),
    (text_or_texts, "['f(a=1)', 'g()']", ["f(a=1)", "g()"]),
    (text_or_texts, ["f()"], ["f()"]),
    (record(a=text), {"a": "x", "b": 1}, {"a": "x"}),
    (raw, 1.5, 1.5),
)


@pytest.mark.parametrize(("kind", "value", "read"), ACCEPTED)
def test_a_value_becomes_its_kind(kind: Kind, value: Any, read: Any) -> None:
    found = kind(value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (text, "", "is empty"),
        (text, None, "is empty"),
        (text, " \n", "is blank"),
        (text, 1.0, "1.0: expected text"),
        (text, True, "True: expected text"),
        (text, ["a"], "expected text"),
        (whole_number, "1,000", "'1,000': expected a whole number"),
        (whole_number, "7.5", "expected a whole number"),
        (whole_number, 7.5, "expected a whole number"),
        (whole_number, True, "expected a whole number"),
        (whole_number, "1_0", "expected a whole number"),
        (whole_number, "", "is empty: a whole number is needed"),
        (one_of(whole_number, (0, 1)), "2", "expected one of 0, 1"),
        (texts, "[]", "is an empty list"),
        (texts, "cat", "'cat' where a value was expected"),
        (texts, '["a", ""]', r"\[1\] is empty"),
        (texts, "[1.5]", r"\[0\] 1.5: expected text"),
        (texts, '"a"', "expected a list"),
        (record(a=text), "{}", r"\.a is empty"),
        (record(a=text), "[1]", "expected an object"),
    ],
)
def test_what_is_not_of_the_kind(kind: Kind, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(value)


def refused(path: Path, content: str, kinds: Mapping[str, Kind]) -> str:
    path.write_bytes(content.encode())
    with pytest.raises(ConfigError) as caught:
        read_rows(path, kinds)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


ONE: dict[str, Kind] = {"a": text}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ": no rows"),
        ('{"a": "x"}\n\n{"a": ""}\n', ", line 3, column 'a': is empty"),
        ('{"a": "x"}\r\n{"b": "x"}\r\n', ", line 2: no column 'a' (needed: a; there: b)"),
        ('{"a": "x", "a": "y"}\n', ", line 1: not JSON: field 'a' is given twice"),
        ('{"a": "x", "b": {"c": NaN}}\n', ", line 1, column 'b.c': NaN is no number of JSON"),
        ('{"a": "\\ud800"}\n', ", line 1, column 'a': half of a surrogate pair"),
        ('{"a": "x"\n', ", line 1, column 10: not JSON: Expecting"),
        ('{"a": "x"}\n{"a": "x", \n{"a": "x"}\n', ", line 2, column 11: not JSON"),
        ('{"a": "x"}\r\n{"a": \r\n', ", line 2, column 6: not JSON"),
        (
            '[{"a": "x"}]\n',
            ", line 1: a list is not a JSON object: accepted is one JSON object a line",
        ),
        ('"x"\n', ", line 1: '\"x\"' is not a JSON object"),
        ("{" * 100_000, ", line 1, column 2: not JSON"),
        ('{"a": ' + "[" * 100_000, ", line 1: not JSON: nested too deeply"),
    ],
)
def test_lines_of_json(content: str, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path / "t.jsonl", content, ONE).startswith(said)


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert refused(path, 'a,b\nx,"1\n2"\n,2\n', ONE).startswith(", line 4, column 'a': is empty")
    assert refused(path, "b\nx\n", ONE).startswith(", line 2: no column 'a'")
    twins = "choice1,choice1.1\nx,y\n"
    assert "'choice1.1' is how pandas writes a second" in refused(path, twins, {"choice1": text})
    path.write_text('{"a": "x"}\n', encoding="utf-8")  # JSON lines, whatever the name says
    assert read_rows(path, ONE).rows == ({"a": "x"},)
    (tmp_path / "t.txt").write_text("a\tb\nx\ty\n", encoding="utf-8")
    assert read_rows(tmp_path / "t.txt", ONE, {"c": any_text}).rows == ({"a": "x", "c": ""},)

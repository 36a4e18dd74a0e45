"""The format of a run log: what is written reads back, what is not a log is refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import RunLogError, SchemaError
from readsim.runs.log_schema import SCHEMA, checked_row, encode_line, plain, read_content

HEADER = {"kind": "header", "schema": SCHEMA, "config": {"a": 1}, "seeds": [0]}
ROW = {"kind": "step", "seed": 0}


def file_of(folder: Path, *lines: object) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_exactly(number: float) -> None:
    back = json.loads(encode_line({"x": number}))["x"]
    assert (back, math.copysign(1, back)) == (number, math.copysign(1, number))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("é"), "é"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([0.5, 1.5]), [0.5, 1.5]),
        (np.array(2.5), 2.5),
        (np.zeros((0, 3)), []),
        (np.array([True, False]), [True, False]),
        ((1, (2, [3])), [1, [2, [3]]]),
        ({"a": {"b": np.ones(1)}}, {"a": {"b": [1.0]}}),
        (None, None),
        (10**40, 10**40),
    ],
)
def test_plain_data(value: Any, expected: Any) -> None:
    got = plain(value, "x")
    assert got == expected
    assert type(got) is type(expected)
    assert json.loads(encode_line({"x": got}))["x"] == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"reward": math.nan}, "rows.reward is nan"),
        ({"profile": np.array([0.5, np.inf])}, r"rows.profile\[1\] is inf"),
        ({"profile": np.float32("nan")}, "rows.profile is nan"),
        ({"a": {"b": (1, [-math.inf])}}, r"rows.a.b\[1\]\[0\] is -inf"),
        ({"a": {1: 2}}, "rows.a has the key 1"),
        ({"a": {2, 3}}, "rows.a is {2, 3} of type set"),
        ({"a": b"x"}, "rows.a is b'x' of type bytes"),
        ({"a": 1j}, "rows.a is 1j of type complex"),
        ({"a": np.array([1j])}, r"rows.a\[0\] is 1j of type complex"),
        ({"a": np.longdouble(1) / 3}, "rows.a is .* of type longdouble"),
        ({"a": np.array([object()])}, r"rows.a\[0\] is .* of type object"),
        ({"kind": "stepp"}, r"kind is stepp.*did you mean 'step'"),
        ({"kind": "header"}, "kind is header"),
        ({"kind": None}, "kind is None"),
        ({"seed": None}, "seed is None"),
        ({"seed": True}, "seed is True"),
        ({"seed": 1.0}, "seed is 1.0"),
    ],
)
def test_bad_rows_name_the_field(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RunLogError, match=message):
        checked_row(ROW | row, "rows")


@pytest.mark.parametrize("row", [{"kind": "step"}, {"seed": 1}, {}, "kind", None, [1]])
def test_rows_that_are_none(row: Any) -> None:
    with pytest.raises(RunLogError):
        checked_row(row, "rows[0]")


def test_a_numpy_seed_is_an_integer() -> None:
    row = checked_row({"kind": "final", "seed": np.int64(7)}, "rows[0]")
    assert type(row["seed"]) is int


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER | {"schema": SCHEMA + 41, "config": "of the future"})
    with pytest.raises(SchemaError, match=f"schema {SCHEMA + 41}.* up to {SCHEMA}"):
        read_content(path)


@pytest.mark.parametrize(
    "header",
    [
        ROW,
        [],
        "header",
        {},
        HEADER | {"schema": 0},
        HEADER | {"schema": "1"},
        HEADER | {"schema": True},
        HEADER | {"config": None},
        {"kind": "header", "schema": SCHEMA, "config": {}},
    ],
)
def test_bad_headers(tmp_path: Path, header: object) -> None:
    path = file_of(tmp_path, header, ROW)
    with pytest.raises(RunLogError, match="line 1"):
        read_content(path)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"",
        b"[1]",
        b'{"kind": "step", "seed": 0, "reward": NaN}',
        b'{"kind": "step", "seed": 0, "name": "\xff"}',
        b"\0\0\0\0",
        b"[" * 100_000,
        b'{"kind": "step"}',
        json.dumps(HEADER).encode(),
    ],
)
def test_a_broken_line_is_an_error_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = file_of(tmp_path, HEADER, ROW)
    with path.open("ab") as file:
        file.write(line + b"\n" + encode_line(ROW))
    with pytest.raises(RunLogError, match="line 3"):
        read_content(path)


@pytest.mark.parametrize("torn", [b"{", b"\0\0", b'{"kind": "step", "seed": 0}', b"\xc3"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    path = file_of(tmp_path, HEADER, ROW)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(torn)
    content = read_content(path)
    assert content == (HEADER, [ROW], whole, len(torn), False)


@pytest.mark.parametrize("data", [b"", json.dumps(HEADER).encode(), b"{"])
def test_no_complete_header(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(data)
    with pytest.raises(RunLogError, match="no complete header"):
        read_content(path)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="is not a file"):
        read_content(tmp_path)
    with pytest.raises(RunLogError, match="does not exist"):
        read_content(tmp_path / "absent.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, an endless device")
def test_a_device_is_not_a_log() -> None:
    with pytest.raises(RunLogError, match="is not a file"):
        read_content(Path("/dev/full"))

"""Typed rows: what is read is what was written, and what is not a row is refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import RunLogError
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.read_logs import log_paths, read_log
from readsim.runs.rows import RunHeader, read_row
from tests.support.made_logs import final_row, run_rows, write_log
from tests.support.paths import ROOT

KEPT = sorted((ROOT / "studies").rglob("*.jsonl"))
ABOUT: dict[str, Any] = {"allocator": "read", "task": "math", "budget": 400, "seeds": [0, 1]}


def rows_of(*seeds: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    return [row for seed in seeds for row in run_rows(rng, seed, 400, 0.1, 3)]


@pytest.mark.parametrize("path", KEPT, ids=[path.name for path in KEPT])
def test_logs_written_before_read_the_same(path: Path) -> None:
    """Every field of every line, from logs that an older readsim wrote."""
    raw, log = read_content(path), read_log(path)
    config = raw.header["config"]
    for key, value in config.items():
        found = log.header.extra[key] if key in log.header.extra else getattr(log.header, key)
        assert (list(found) if isinstance(found, tuple) else found) == value
    assert log.header.git == raw.header["git"]
    assert len(log.rows) == len(raw.rows)
    for row, typed in zip(raw.rows, log.rows, strict=True):
        for key, value in row.items():
            found = getattr(typed, key)
            if key in ("samples", "trained"):
                found = [part._asdict() for part in found]
            assert (found.tolist() if isinstance(found, np.ndarray) else found) == value
    assert list(log.runs) == list(log.header.seeds)


def test_rows_by_kind_and_by_run(tmp_path: Path) -> None:
    rows = rows_of(0, 1)
    mixed = [row for pair in zip(rows[:6], rows[6:], strict=True) for row in pair]
    log = read_log(write_log(tmp_path, mixed, **ABOUT))
    assert [len(rows) for rows in (log.starts, log.steps, log.finals)] == [2, 8, 2]
    whole = read_log(write_log(tmp_path / "whole", rows, **ABOUT))
    run = whole.runs[1]
    assert [row.step for row in run.steps] == [1, 2, 3, 4]
    np.testing.assert_array_equal(run.profiles, [row["profile"] for row in rows[6:11]])
    assert list(whole.of_seeds({1}).runs) == [1]
    assert whole.of_seeds({1}).header.seeds == (1,)


def test_null_and_absent_are_none_and_unknown_fields_are_kept(tmp_path: Path) -> None:
    start, step, *_ = rows_of(0)
    nulls = {"reward": None, "dev_profile": None, "report": None, "new": [1]}
    log = read_log(write_log(tmp_path, [start, {**step, **nulls}], **ABOUT, pool_runs=3))
    [row] = log.steps
    assert (row.reward, row.dev_profile, row.change, row.report) == (None, None, None, {})
    assert row.extra == {"new": [1]}
    assert log.header.extra == {"pool_runs": 3}
    assert log.header.told is None
    assert {"told", "manifest", "weights", "identified", "paid"} == log.header.absent
    assert log.unfinished() == [0, 1]


def test_a_score_that_was_not_measured(tmp_path: Path) -> None:
    start, *rest = rows_of(0)
    log = read_log(write_log(tmp_path, [{**start, "profile": [0.1, None, 0.2]}, *rest], **ABOUT))
    assert np.isnan(log.starts[0].profile).tolist() == [False, True, False]
    with pytest.raises(RunLogError, match="seed 0: a profile lacks a score"):
        _ = log.runs


@pytest.mark.parametrize(
    ("kind", "key", "value", "message"),
    [
        ("start", "profile", None, "seed 0, start row: profile is None, expected 3 numbers"),
        ("start", "profile", [[1, 2], [3], 4], "profile holds something that is no number"),
        ("step", "tokens", 1.5, "step row: tokens is 1.5, expected a whole number"),
        ("step", "allocation", [1.0, 0.0], r"allocation is \[1.0, 0.0\], expected 3 numbers"),
        (
            "step",
            "allocation",
            [True, False, False],
            "allocation holds something that is no number",
        ),
        ("step", "reward", "good", "reward is good, expected a number"),
        ("step", "report", [1], r"report is \[1\], expected an object"),
        ("final", "totals", 3, "final row: totals is 3, expected an object"),
        ("final", "utility", True, "utility is True, expected a number"),
    ],
)
def test_what_is_not_a_row_is_refused(
    tmp_path: Path, kind: str, key: str, value: object, message: str
) -> None:
    rows = [{**row, key: value} if row["kind"] == kind else row for row in rows_of(0)]
    path = write_log(tmp_path, rows, **ABOUT)
    with pytest.raises(RunLogError, match=message) as caught:
        read_log(path)
    assert str(path) in str(caught.value)


def test_a_field_of_the_header_of_another_type(tmp_path: Path) -> None:
    path = write_log(tmp_path, rows_of(0), **{**ABOUT, "budget": "20M"})
    with pytest.raises(RunLogError, match="header: budget is 20M, expected a whole number >= 1"):
        read_log(path)


def test_frame(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path, rows_of(0, 1), **ABOUT))
    table = log.frame()
    assert list(table["kind"]) == ["start", *["step"] * 4, "final"] * 2
    assert list(table["utility"].isna()) == [*[True] * 5, False] * 2
    assert table["utility"][5] == log.finals[0].utility
    np.testing.assert_array_equal(table["profile"][1], log.steps[0].profile)


def test_a_torn_line_is_counted_and_left_out(tmp_path: Path) -> None:
    path = write_log(tmp_path, rows_of(0), **ABOUT)
    with path.open("ab") as file:
        file.write(json.dumps(final_row(1, 0.5, [0.5] * 3)).encode())
    log = read_log(path)
    assert len(log.finals) == 1
    assert log.torn_bytes > 0


def test_a_log_that_an_editor_saved_again(tmp_path: Path) -> None:
    """CRLF changes nothing; a byte order mark or another encoding is refused with its line."""
    path = write_log(tmp_path, rows_of(0), **ABOUT)
    data, rows = path.read_bytes(), read_log(path).rows
    path.write_bytes(data.replace(b"\n", b"\r\n"))
    again = read_log(path).rows
    assert [(row.kind, row.seed) for row in again] == [(row.kind, row.seed) for row in rows]
    for damaged in (b"\xef\xbb\xbf" + data, data.decode().encode("utf-16"), data + b"\0\n"):
        path.write_bytes(damaged)
        with pytest.raises(RunLogError, match=r"\.jsonl, line \d+: (broken line|a line after)"):
            read_log(path)


def test_where_logs_are_looked_for(tmp_path: Path) -> None:
    path = write_log(tmp_path, rows_of(0), **ABOUT)
    assert log_paths(tmp_path) == log_paths(tmp_path / "runs") == log_paths(path) == [path]
    RunLog.create(tmp_path / "other.jsonl", config={}, seeds=[0]).close()
    assert log_paths(tmp_path) == [path]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("allocation", [5.0, 5.0], "expected shares that sum to 1"),
        ("allocation", [-0.5, 1.5], "expected shares that sum to 1"),
        ("tokens", -5, "expected a whole number >= 0"),
        ("tokens", float("inf"), "expected a whole number >= 0"),
        ("reward", float("inf"), "expected a number"),
        ("profile", [0.1, float("inf")], "not finite"),
    ],
)
def test_numbers_that_no_run_has_are_refused(field: str, value: Any, message: str) -> None:
    row = {
        "kind": "step",
        "seed": 0,
        "step": 1,
        "tokens": 10,
        "spent": 10,
        "reward": 0.1,
        "allocation": [0.5, 0.5],
        "profile": [0.1, 0.2],
        "change": [0.0, 0.1],
    }
    header = RunHeader(sources=("a", "b"), capabilities=("a", "b"))
    assert read_row(row, header, "here").seed == 0
    with pytest.raises(RunLogError, match=f"here, seed 0, step row: {field}.*{message}"):
        read_row({**row, field: value}, header, "here")

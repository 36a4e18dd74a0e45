"""Which columns of a job's metrics are read, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.advise import advise
from readsim.errors import ReadsimError
from readsim.runs.read_logs import read_log
from tests.cli.test_app import call
from tests.support.watched import advice, losses, put


@pytest.mark.parametrize(
    "row",
    [
        {"num_tokens": 5.0, "eval_math_loss": 2.0, "eval_code_loss": 1.0, "eval_math_runtime": 3},
        {"tokens": 5, "losses": {"math": 2.0, "code": 1.0}},
        {"train/num_tokens": 5, "eval/math/loss": 2.0, "eval/code/loss": 1.0, "loss": 9.0},
        {"tokens": 5, "math_nll": 2.0, "code_nll": 1.0, "math_notes": "fine"},
        {"tokens": "5", "eval_math_loss": "2.0", "eval_code_loss": "1.0", "left": "3h"},
    ],
)
def test_names_of_columns(tmp_path: Path, row: dict[str, Any]) -> None:
    put(tmp_path, [row])
    advise(advice(tmp_path), once=True)
    log = read_log(tmp_path / "run.jsonl")
    np.testing.assert_array_equal(log.starts[0].profile, [-2.0, -1.0])
    assert log.header.unit == "loss"


@pytest.mark.parametrize(
    ("row", "more"),
    [
        ({"tokens": 5, "val-core/math/acc/mean@8": 0.5, "val-core/code/acc/mean@8": 0.25}, {}),
        ({"step": 1, "data": {"tokens": 5, "val-core/math/acc": 0.5, "val-core/code/acc": 0.25}}, {}),
        ({"tokens": 5, "math": {"exact_match,strict-match": 0.5}, "code": {"acc,none": 0.25}}, {}),
        ({"tokens": 5, "eval_math_loss": 1, "eval_code_loss": 2, "eval_math_acc": 0.5, "eval_code_acc": 0.25},
         {"metric": "acc"}),
        ({"seen": 5, "a": 0.5, "eval/code/score": 0.25}, {"named": {"tokens": "seen", "math": "a"}}),
    ],
)  # fmt: skip
def test_scores_and_chosen_columns(
    tmp_path: Path, row: dict[str, Any], more: dict[str, Any]
) -> None:
    put(tmp_path, [row])
    advise(advice(tmp_path, **more), once=True)
    log = read_log(tmp_path / "run.jsonl")
    np.testing.assert_array_equal(log.starts[0].profile, [0.5, 0.25])
    assert log.header.unit == "score"


def test_what_is_not_finite_is_passed_over(tmp_path: Path) -> None:
    rows = losses(4)
    rows[2]["eval_code_loss"] = float("nan")
    put(tmp_path, rows)
    with pytest.warns(UserWarning, match="line 3, column 'eval_code_loss': nan is ignored"):
        advise(advice(tmp_path), once=True)
    assert [row.spent for row in read_log(tmp_path / "run.jsonl").steps] == [100, 300]


def test_a_line_that_a_kill_tore_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, losses(2))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"tokens": 200, "eval_ma\n')
    put(tmp_path, losses(4)[3:])
    with pytest.warns(UserWarning, match="line 3"):
        advise(advice(tmp_path), once=True)
    assert [row.spent for row in read_log(tmp_path / "run.jsonl").steps] == [100, 300]


@pytest.mark.parametrize(
    ("rows", "more", "fragments"),
    [
        ([{"tokens": 0, "eval_math_acc": 41.0}], {}, ["line 1", "eval_math_acc", "a share of 1"]),
        ([{"tokens": 0, "eval_math_acc": "n/a"}], {}, ["line 1", "is no number"]),
        ([{"tokens": -3, "math": 0.1}], {}, ["'tokens'", "-3", "whole number"]),
        ([{"tokens": 0, "eval_math_acc": 0.1, "eval_math_f1": 0.2}], {}, ["--metric", "--map math=KEY"]),
        ([{"tokens": 0, "eval_math_acc": 0.1, "eval_code_loss": 2.0}], {}, ["losses and scores"]),
        ([{"step": 3, "math": 0.1, "code": 0.1}], {}, ["no tokens", "--map tokens=KEY"]),
        ([{"tokens": n, "eval_math_acc": 0.1, "eval_coed_acc": 0.1} for n in (0, 9)], {},
         ["'code' was never measured", "did you mean 'coed'", "--map code=KEY"]),
        ([{"tokens": 2000, "math": 0.1, "code": 0.1}], {}, ["begins with a measurement at 2000"]),
        ([["a"]], {}, ["line 1", "not a JSON object"]),
        ([], {"named": {"coda": "x"}}, ["'coda'", "did you mean 'code'"]),
        ([], {"task": "coda"}, ["coda", "did you mean 'code'"]),
        ([], {"task": {"coda": 1.0}}, ["coda", "did you mean 'code'"]),
        ([], {"allocator": "grid"}, ["grid needs 'trial'", "a watched job"]),
        ([], {"allocator": "doge"}, ["doge needs 'alignment'"]),
        ([], {"allocator": "read"}, ["read needs 'transitions'", "--from FILE"]),
        ([], {"allocator": "doremi"}, ["doremi needs 'teacher'", "--teacher"]),
        ([], {"allocator": "oracle-static"}, ["needs 'world'"]),
        (losses(1), {"allocator": "doremi", "teacher": {"math": 1.0}}, ["--teacher", "each of math, code"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(
    tmp_path: Path, rows: list[Any], more: dict[str, Any], fragments: list[str]
) -> None:
    put(tmp_path, rows)
    with pytest.raises(ReadsimError) as caught:
        advise(advice(tmp_path, **more), once=True)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_named_that_was_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that has not measured yet has no log; one whose metrics are misspelt no other mixture."""
    sources = ("--sources", "math,code", "--budget", "2000", "--allocator", "aioli")

    def said(log: str, shares: str) -> str:
        files = ("--log", str(tmp_path / log), "--shares", str(tmp_path / shares))
        code, out, _ = call(
            capsys, "advise", *sources, *files, "--out", str(tmp_path / "out"), "--once"
        )
        assert code == 0
        return " ".join(out.split())

    first = said("metrics.jsonl", "shares.json")
    assert "has the present mixture" in first
    assert "log:" not in first
    put(tmp_path, [{"tokens": 0, "losses": {"math": 2.0, "code": 1.0}}])
    assert "log:" in said("metrics.jsonl", "shares.json")
    assert "nothing is advised before" in said("misspelt.jsonl", "other.json")
    assert not (tmp_path / "other.json").exists()

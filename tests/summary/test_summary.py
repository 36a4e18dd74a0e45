"""One row per run: hand-computed quantities, and the folders that are refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.cli.output import Terminal
from readsim.errors import RunLogError
from readsim.runs.comparing import method_of
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.log_schema import read_content
from readsim.runs.read_logs import log_paths, read_logs
from readsim.stats.metrics import on_target, target_set
from readsim.summary import print_table, results, summarise, to_markdown
from readsim.summary.lead import origin
from tests.support.made_logs import FULL, final_row, rewrite, write_comparison, write_log

CELL: dict[str, Any] = {"task": "t", "budget": 20_000_000, "seeds": [0]}


# -- one row per run -----------------------------------------------------------------------------


def test_quantities_of_a_run_by_hand(tmp_path: Path) -> None:
    names = ["a", "b", "secret", "c", "d"]
    row = final_row(
        7,
        0.5,
        [0.1, 0.2, 0.3, 0.4, 0.5],
        final_change=[-0.10, 0.20, -0.90, 0.04, -0.02],
        final_change_sd=[0.05, 0.30, 0.30, 0.03, 0.01],
        totals={"student": 9, "search": 5, "offline": 2},
    )
    # b is required most, then c and a; the hidden capability counts nowhere
    own = {"seeds": [7], "requirement": [0.2, 0.4, 0.3, 0.1], "allocator": "x"}
    write_log(tmp_path, [row], **{**CELL, **own, "capabilities": names, "hidden": ["secret"]})
    [run] = results(tmp_path).to_dict("records")
    assert run["on_target"] == pytest.approx(0.20)
    assert run["off_target"] == pytest.approx((-0.10 + 0.04 - 0.02) / 3)
    assert run["negative"] == pytest.approx((0.10 + 0.02) / 3)
    # E[max(-Z, 0)] = 1 / sqrt(2 pi)
    assert run["negative_floor"] == pytest.approx(0.3989422804 * (0.05 + 0.03 + 0.01) / 3)
    assert run["significant_drops"] == pytest.approx(2 / 3)  # a: 0.10 > 0.098, d: 0.02 > 0.0196
    assert run["harmful"] == pytest.approx(0.10)  # over b, c, a
    assert (run["student_tokens"], run["search_tokens"], run["offline_tokens"]) == (9, 5, 2)
    assert [run[f"final:{name}"] for name in names] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert (run["world"], run["task"], run["allocator"], run["seed"]) == ("made", "t", "x", 7)


def test_without_anything_beside_the_target_there_is_no_spillover(tmp_path: Path) -> None:
    row = final_row(0, 0.5, [0.5], final_change=[-0.1])
    one = {"requirement": [1.0], "sources": ["a"], "capabilities": ["a"], "hidden": []}
    write_log(tmp_path, [row], **CELL, **one, allocator="task-static")
    frame = results(tmp_path)
    assert frame["on_target"].tolist() == [-0.1]
    beside = ["off_target", "negative", "negative_floor", "significant_drops"]
    assert frame[beside].isna().all(axis=None)
    table, notes = summarise(frame)
    out = io.StringIO()
    print_table(Terminal(file=out, width=100), table, notes)
    text = out.getvalue()
    assert "nan" not in (text + to_markdown(table)).lower()
    assert "no Off and no Neg" in " ".join(text.split())
    assert "Neg" not in to_markdown(table)


def test_results_do_not_depend_on_the_order_of_rows_and_files(tmp_path: Path) -> None:
    write_comparison(tmp_path / "one", FULL)
    rng = np.random.default_rng(1)
    for n, log in enumerate(log_paths(tmp_path / "one")):
        header, rows, *_ = read_content(log)
        runs = [iter([row for row in rows if row["seed"] == s]) for s in header["seeds"]]
        turns = rng.permutation(np.repeat(range(len(runs)), len(rows) // len(runs)))
        mixed = [next(runs[turn]) for turn in turns]  # each run's own rows stay in order
        path = write_log(tmp_path / "two", mixed, **header["config"])
        path.rename(path.with_name(f"{(7 * n) % 20:02d}.jsonl"))
    first, second = (results(tmp_path / name).to_csv(index=False) for name in ("one", "two"))
    assert first == second
    assert len(first.splitlines()) == 1 + 2 * 2 * len(FULL) * 3


def test_results_are_the_final_rows_of_real_runs(tmp_path: Path) -> None:
    text = "random:capabilities=3"
    cells = make_cells(
        text, tasks=["skill_1"], budgets=[10**6], steps=3, allocators=["uniform"], seeds=[5, 2]
    )
    run_cells(cells, tmp_path)
    frame = results(tmp_path)
    [log] = log_paths(tmp_path)
    header, rows, *_ = read_content(log)
    config = header["config"]
    finals = {row["seed"]: row for row in rows if row["kind"] == "final"}
    target = target_set(np.array(config["requirement"]))
    assert frame["seed"].tolist() == [2, 5]
    for run in frame.to_dict("records"):
        row = finals[run["seed"]]
        assert run["utility"] == row["utility"]
        assert run["on_target"] == on_target(np.array(row["final_change"]), target)
        assert run["steps"] == 3
        assert run["student_tokens"] == 10**6


# -- refusals ----------------------------------------------------------------------------------


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="no run logs"):
        results(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("world", "other"), ("steps", 5), ("world_digest", "fedcba9876543210"), ("hidden", ["code"])],
)
def test_two_comparisons_in_one_folder_are_refused(tmp_path: Path, field: str, value: Any) -> None:
    row = final_row(0, 0.5, [0.5, 0.5, 0.5])
    write_log(tmp_path, [row], **CELL, allocator="a")
    more = {"requirement": [0.6, 0.4]} if field == "hidden" else {}
    path = write_log(tmp_path, [row], **{**CELL, "allocator": "b", field: value, **more})
    with pytest.raises(RunLogError) as error:
        results(tmp_path)
    assert field in str(error.value)
    assert repr(value) in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("ended", [[], [0]])
def test_a_log_without_its_final_rows_is_refused(tmp_path: Path, ended: list[int]) -> None:
    rows = [final_row(seed, 0.5, [0.5, 0.5, 0.5]) for seed in ended]
    path = write_log(tmp_path, rows, **{**CELL, "seeds": [0, 1]}, allocator="a")
    with pytest.raises(RunLogError, match=r"unfinished.*\[0, 1\]") as error:
        results(tmp_path)
    assert str(path) in str(error.value)


def test_two_logs_of_one_cell_are_refused(tmp_path: Path) -> None:
    row = final_row(0, 0.5, [0.5, 0.5, 0.5])
    path = write_log(tmp_path, [row], **CELL, allocator="a")
    path.with_name("copy.jsonl").write_bytes(path.read_bytes())
    with pytest.raises(RunLogError, match="both hold"):
        results(tmp_path)


def test_logs_of_one_cell_with_other_seeds_are_one(tmp_path: Path) -> None:
    """Real runs have a log a seed."""
    for seed in (0, 1):
        row = final_row(seed, 0.5 + seed / 4, [0.5, 0.5, 0.5])
        path = write_log(tmp_path, [row], **{**CELL, "seeds": [seed]}, allocator="a")
        path.rename(path.with_name(f"a.{seed}.jsonl"))
    frame = results(tmp_path)
    assert frame["seed"].tolist() == [0, 1]
    assert frame["utility"].tolist() == [0.5, 0.75]


def test_fields_that_a_log_lacks_are_named(tmp_path: Path) -> None:
    row = final_row(0, 0.5, [0.5, 0.5, 0.5])
    del row["final_change_sd"]
    write_log(tmp_path / "row", [row], **CELL, allocator="a")
    with pytest.raises(RunLogError, match="final_change_sd"):
        results(tmp_path / "row")
    whole = final_row(0, 0.5, [0.5, 0.5, 0.5])
    write_log(tmp_path / "config", [whole], **CELL, allocator="a")
    path = tmp_path / "config" / "runs" / "a.t.20000000.jsonl"
    rewrite(
        path,
        lambda lines: [
            {**lines[0], "config": {**lines[0]["config"], "requirement": None}},
            *lines[1:],
        ],
    )
    with pytest.raises(RunLogError, match="lacks requirement"):
        results(tmp_path / "config")


def test_real_runs_of_two_methods_are_one_comparison(tmp_path: Path) -> None:
    """Their digests cover the method; what must be equal is in the manifest."""

    def real(folder: str, seed: int, digest: str, **manifest: Any) -> None:
        path = write_log(
            tmp_path / folder,
            [final_row(seed, 0.5, [0.5] * 3)],
            **{**CELL, "seeds": [seed], "allocator": "one-hot", "world_digest": digest},
            manifest={"student": "s", "versions": {"torch": "1"}, **manifest},
        )
        path.rename(path.with_name(f"{manifest['method']}.jsonl"))

    real("fair", 0, "aa", method="logit-kd")
    real("fair", 0, "bb", method="step-by-step", auxiliary_weight=0.5)
    logs = read_logs(tmp_path / "fair")
    assert [method_of(log.header) for log in logs] == ["logit-kd", "step-by-step"]
    real("unfair", 0, "aa", method="logit-kd")
    real("unfair", 1, "aa", method="cot-kd", student="another")
    with pytest.raises(RunLogError, match="student is"):
        read_logs(tmp_path / "unfair")


def test_a_real_run_is_not_said_to_be_simulated(tmp_path: Path) -> None:
    """The notes below its table, and a first sentence without whole digests."""
    digest = "0123456789abcdef" * 4
    write_log(
        tmp_path,
        [final_row(0, 0.5, [0.5] * 3)],
        **{**CELL, "seeds": [0], "allocator": "one-hot", "world": "hf:nano"},
        manifest={"student": digest, "teacher": "server:m", "method": "logit-kd"},
    )
    _, lines = summarise(results(tmp_path))
    notes = " ".join(lines)
    assert "simulated" not in notes
    assert "Pair nano" in notes
    assert "intervals of the changes" in notes
    said = origin(read_logs(tmp_path)[0].header, None)
    assert said == (
        "Real training: student 0123456789ab... learns from teacher server:m; measured scores."
    )

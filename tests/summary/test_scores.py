"""Finished runs side by side: what may be compared, and the numbers against plain formulas."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from readsim.cli.output import Terminal
from readsim.errors import RunLogError, UnknownNameError
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.log_file import RunLog
from readsim.summary.scores import check_fair, difference, print_scores, read_tested, scores
from tests.cli.test_app import call
from tests.support.made_logs import ended, final_row, rewrite, write_log
from tests.support.made_reports import real_log

NAMES = ["general", "math"]


def write(
    folder: Path, allocator: str, seed: int, rng: Any, method: str = "logit-kd", **changed: Any
) -> Any:
    """A finished run with random item scores; `changed` are entries of its manifest."""
    manifest = {
        "pair": "nano",
        "student": "s",
        "training": {"batch": 4},
        "versions": {"torch": "1"},
    }
    manifest |= {"method": method, "signal": "", "objective": "", **changed}
    config = {
        "allocator": allocator,
        "budget": 100,
        "steps": 2,
        "weights": [0.25, 0.75],
        "capabilities": NAMES,
        "manifest": manifest,
    }
    items = {
        name: rng.integers(0, 2, 40).astype(float) for name in ("general-a", "math-a", "math-b")
    }
    profile = np.array(
        [items["general-a"].mean(), (items["math-a"].mean() + items["math-b"].mean()) / 2]
    )
    path = folder / "runs" / f"{allocator}.{method}.{seed}.jsonl"
    final = ended(final_row(seed, 0.5, profile.tolist()), [], config)
    with RunLog.create(path, config=config, seeds=[seed]) as log:
        log.append([final])
    tested = {
        "benchmarks": {
            "general-a": ["general", "a"],
            "math-a": ["math", "a"],
            "math-b": ["math", "b"],
        },
        "ids": dict.fromkeys(items, "x"),
        "after": {name: scores.tolist() for name, scores in items.items()},
    }
    path.with_suffix(".json").write_text(json.dumps({"test": tested}))
    return profile, items


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    """With three seeds a t interval, as scipy has it; the utility is the weighted mean."""
    rng = np.random.default_rng(0)
    made = {a: [write(tmp_path, a, s, rng)[0] for s in range(3)] for a in ("read", "uniform")}
    runs = read_tested(tmp_path)
    check_fair(runs)
    apart = difference(runs, "read, logit-kd", "uniform, logit-kd")
    assert apart.over == "seeds"
    rows = np.array(made["read"]) - np.array(made["uniform"])
    whole = np.column_stack([rows, rows @ [0.25, 0.75]])
    assert np.allclose(apart.mean, whole.mean(axis=0))
    for n in range(3):
        low, high = stats.ttest_1samp(whole[:, n], 0).confidence_interval(0.95)
        assert np.isclose(2 * apart.half[n], high - low)
    assert np.allclose(scores(runs, "read, logit-kd")[:2], np.mean(made["read"], axis=0))
    with pytest.raises(UnknownNameError, match="uniform, logit-kd"):
        difference(runs, "read, logit-kd", "uniform")


def test_with_one_seed_the_interval_is_over_items(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    items = [write(tmp_path, "one-hot", 0, rng, m)[1] for m in ("cot-kd", "logit-kd")]
    apart = difference(read_tested(tmp_path), "one-hot, cot-kd", "one-hot, logit-kd")
    assert apart.over == "items"
    se = {n: stats.sem(items[0][n] - items[1][n]) for n in items[0]}
    math = np.hypot(se["math-a"], se["math-b"]) / 2
    assert np.allclose(apart.half[:2], 1.96 * np.array([se["general-a"], math]))
    assert np.isclose(apart.half[2], 1.96 * np.hypot(0.25 * se["general-a"], 0.75 * math))


def test_unlike_runs_are_shown_apart_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    write(tmp_path, "read", 0, rng)
    write(tmp_path, "uniform", 0, rng, training={"batch": 8})
    code, out, _ = call(capsys, "scores", str(tmp_path))
    assert code == 0
    assert "Not compared with the runs above: these differ in training.batch." in " ".join(
        out.split()
    )
    assert "read, logit-kd" in pd.read_csv(tmp_path / "scores.csv")["run"].tolist()
    other = tmp_path / "other"
    write(other, "read", 0, rng)
    write(other, "uniform", 1, rng)
    code, _, err = call(capsys, "scores", str(other))
    assert code == 2
    assert "different seeds" in " ".join(err.split())
    shutil.copy(other / "runs/read.logit-kd.0.jsonl", other / "runs/copy.jsonl")
    shutil.copy(other / "runs/read.logit-kd.0.json", other / "runs/copy.json")
    code, _, err = call(capsys, "scores", str(other))
    assert code == 2
    assert "twice" in err
    code, _, err = call(capsys, "scores", str(tmp_path / "none"))
    assert code == 2
    assert "no run logs" in " ".join(err.split())


def test_versions_and_methods_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    write(tmp_path, "read", 0, rng)
    write(tmp_path, "one-hot", 0, rng, "cot-sft", versions={"torch": "2"})
    code, out, _ = call(capsys, "scores", str(tmp_path), "--reference", "read, logit-kd")
    assert code == 0
    assert "over items" in out
    assert (tmp_path / "scores.csv").read_text().count("\n") == 1 + 2 * 3
    code, _, err = call(capsys, "scores", str(tmp_path), "--reference", "red")
    assert code == 2
    assert "read, logit-kd" in err


def test_runs_without_their_items_are_left_out_where_others_have_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    write(tmp_path, "read", 0, rng)
    (beside,) = (tmp_path / "runs").glob("*.json")
    beside.write_text("{}")
    [alone] = read_tested(tmp_path)
    assert alone.items is None
    write(tmp_path, "uniform", 0, rng)
    assert [run.label for run in read_tested(tmp_path)] == ["uniform, logit-kd"]


def put(header: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    return {**header, "config": {**header["config"], key: value}}


def test_what_an_older_readsim_did_not_weigh_is_not_compared(tmp_path: Path) -> None:
    path = real_log(tmp_path, "read", 0)
    rewrite(path, lambda lines: [put(lines[0], "weights", None), *lines[1:]])
    with pytest.raises(RunLogError, match="no finished run"):
        read_tested(tmp_path)


# -- runs of other backends: no file of test items beside the log --------------------------------


def simulated(folder: Path, seeds: int, **row: Any) -> None:
    """Two allocators with the same seeds."""
    rng = np.random.default_rng(5)
    for name in ("read", "uniform"):
        rows = [
            final_row(s, float(rng.random()), rng.random(3).tolist(), **row) for s in range(seeds)
        ]
        write_log(folder, rows, allocator=name, task="math", budget=100, seeds=list(range(seeds)))


def test_simulated_runs_are_paired_by_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "random:capabilities=3"
    cells = make_cells(
        text,
        tasks=["skill_1"],
        budgets=[10**6],
        steps=3,
        allocators=["uniform", "random"],
        seeds=range(4),
    )
    run_cells(cells, tmp_path)
    code, out, err = call(capsys, "scores", str(tmp_path), "--reference", "uniform")
    assert (code, err) == (0, "")
    assert "intervals are over seeds" in out
    table = pd.read_csv(tmp_path / "scores.csv").set_index(["run", "capability"])
    finals = {
        cell.allocator: [
            row
            for line in (tmp_path / "runs" / cell.file_name).read_text().splitlines()
            if (row := json.loads(line))["kind"] == "final"
        ]
        for cell in cells
    }
    ends = {name: np.array([row["utility"] for row in rows]) for name, rows in finals.items()}
    apart = stats.ttest_rel(ends["random"], ends["uniform"])
    [line] = table.loc[[("random", "utility")]].to_dict("records")
    assert line["difference"] == pytest.approx((ends["random"] - ends["uniform"]).mean())
    low, high = apart.confidence_interval(0.95)
    assert 2 * line["half_width"] == pytest.approx(high - low)


def test_with_few_seeds_the_logged_standard_errors_are_used(tmp_path: Path) -> None:
    simulated(tmp_path, 2, final_change_sd=[0.03, 0.04, 0.0])
    runs = read_tested(tmp_path)
    apart = difference(runs, "read", "uniform")
    sd = np.array([0.03, 0.04, 0.0]) * np.sqrt(2)
    np.testing.assert_allclose(apart.half[:3], 1.96 * sd)
    np.testing.assert_allclose(
        apart.half[3], 1.96 * np.sqrt(np.array([0.6, 0.3, 0.1]) ** 2 @ sd**2)
    )
    assert "standard errors" in apart.over
    assert not difference(runs, "read", "read").half.any()


def test_simulated_and_real_runs_are_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated(tmp_path, 1)
    real_log(tmp_path, "read", 0)
    code, out, _ = call(capsys, "scores", str(tmp_path))
    assert code == 0
    assert "these differ in kind of runs." in " ".join(out.split())


def test_runs_of_several_tasks_are_shown_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own: dict[str, Any] = {
        "capabilities": NAMES,
        "requirement": [0.5, 0.5],
        "budget": 100,
        "seeds": [0],
    }
    for allocator, task, weights in (
        ("read", "general=0.7,math=0.3", [0.7, 0.3]),
        ("uniform", "general=0.7,math=0.3", [0.7, 0.3]),
        ("read", "math", [0.0, 1.0]),
    ):
        rows = [final_row(0, 0.5, [0.5] * 2)]
        write_log(tmp_path, rows, allocator=allocator, task=task, weights=weights, **own)
    code, out, _ = call(capsys, "scores", str(tmp_path), "--reference", "uniform")
    told = " ".join(out.split())
    assert code == 0
    assert "task general=0.7,math=0.3, 100 tokens; test split, points; below: minus uniform" in told
    assert "Not compared with the runs above: these differ in task, weights." in told
    assert "task math, 100 tokens; test split, points" in told
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table.groupby("task")["run"].nunique().to_dict() == {
        "general=0.7,math=0.3": 2,
        "math": 1,
    }
    code, _, err = call(capsys, "scores", str(tmp_path), "--reference", "grid")
    assert code == 2
    assert "'grid'" in err


@pytest.mark.parametrize("width", [60, 80, 100])
def test_names_of_scores_are_whole_at_any_width(tmp_path: Path, width: int) -> None:
    names = ["general", "steerability", "reasoning", "long_context", "multilingual"]
    allocators = ["uniform", "task-static", "one-hot", "read+pool=0+stop=2", "front-loaded"]
    for allocator in allocators:
        about: dict[str, Any] = {"capabilities": names, "sources": names, "requirement": [0.2] * 5}
        about |= {"weights": [0.2] * 5, "budget": 100, "seeds": [0], "task": "average"}
        write_log(tmp_path, [final_row(0, 0.5, [0.5] * 5)], allocator=allocator, **about)
    console = Terminal(file=io.StringIO(), width=width)
    print_scores(console, read_tested(tmp_path), "uniform")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= width
    assert all(name in shown for name in (*names, *allocators))
    assert "…" not in shown


WRONG: dict[str, Any] = {
    "text": "odd",
    "list": [1, 2],
    "number": 1.5,
    "true": True,
    "object": {"a": 1},
    "text of numbers": ["1", "0"],
    "huge": [1e308] * 40,
    "above": [5.0] * 40,
    "empty": [],
    "deep": [[1.0]] * 40,
    "null inside": [None] * 40,
}


@pytest.mark.parametrize("word", WRONG)
def test_typed_damages_of_the_items_are_refused_by_name(tmp_path: Path, word: str) -> None:
    rng = np.random.default_rng(8)
    for allocator in ("read", "uniform"):
        write(tmp_path, allocator, 0, rng)
    path = min((tmp_path / "runs").glob("*.json"))
    facts, value = json.loads(path.read_text()), WRONG[word]
    damages = [{"test": value}]
    damages += [{"test": {**facts["test"], key: value}} for key in facts["test"]]
    damages += [
        {"test": {**facts["test"], key: {**facts["test"][key], "math-a": value}}}
        for key in ("benchmarks", "after")
    ]
    for damaged in damages:
        path.write_text(json.dumps(damaged))
        with pytest.raises(RunLogError, match=re.escape(path.name)) as refused:
            read_tested(tmp_path)
        assert "\n" not in str(refused.value)


def test_runs_scored_on_other_numbers_of_items_are_not_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    for allocator in ("read", "uniform"):
        write(tmp_path, allocator, 0, rng)
    path = min((tmp_path / "runs").glob("*.json"))
    facts = json.loads(path.read_text())
    facts["test"]["after"]["math-a"] = facts["test"]["after"]["math-a"][:-1]
    path.write_text(json.dumps(facts))
    with pytest.raises(RunLogError, match=r"test items\.math-a"):
        check_fair(read_tested(tmp_path))


def test_the_command_names_the_logs_that_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(10)
    for allocator in ("read", "uniform", "greedy"):
        write(tmp_path, allocator, 0, rng)
    assert "left out" not in call(capsys, "scores", str(tmp_path))[1]
    path = max((tmp_path / "runs").glob("*.jsonl"))
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    _, out, _ = call(capsys, "scores", str(tmp_path))
    assert "1 run log(s) are left out, unfinished or without test items" in out
    assert path.name in " ".join(out.split())

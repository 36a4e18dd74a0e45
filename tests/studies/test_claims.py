"""Claims and verdicts, what a study writes, and that the README files say what was registered."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from readsim.cli.output import Terminal
from readsim.errors import ConfigError, RunLogError
from readsim.runs.grid import make_cells
from studies.common.catalogue import NAMES, load_study
from studies.common.claim import Claim, judge
from studies.common.command import conclude, findings_of, run_missing
from studies.common.outputs import refuse_other_results
from studies.common.show import BEGIN, END, replace_block, summary_block
from studies.common.study import Case, Drawing, Findings, Rows, Study
from tests.support.paths import ROOT

CLAIM = Claim(
    "rises", "Table 0", "It rises", "end minus start", "points", ("up",), ("down", "flat")
)


# -- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [0.0, 0.5])
@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.4, 3.0])
def test_the_verdict_is_that_of_a_t_interval(mean: float, least: float) -> None:
    claim = Claim("a", "b", "c", "d", "e", ("up",), (), least)
    values = mean + np.random.default_rng(int(10 * mean + 100)).normal(size=6)
    found = judge(claim, "up", values)
    low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert (found.observed == "holds") == (low > least)
    assert (found.observed == "fails") == (high <= least)


def test_what_was_expected_is_compared_with_what_was_seen() -> None:
    up, down = [1.0, 1.1, 0.9], [-1.0, -1.1, -0.9]
    assert judge(CLAIM, "up", up).as_expected is True
    assert judge(CLAIM, "down", down).as_expected is True
    assert judge(CLAIM, "up", down).as_expected is False
    assert judge(CLAIM, "down", up).as_expected is False
    assert judge(CLAIM, "elsewhere", up).as_expected is None
    assert judge(CLAIM, "up", [-1.0, 1.0, 0.3]).as_expected is None
    assert judge(CLAIM, "flat", [0.0, 0.0]).observed == "fails"  # never above 0, without spread
    assert judge(CLAIM, "up", [5.0]).observed == "undecided"  # one seed says nothing


@pytest.mark.parametrize("values", [[], [np.nan, 1.0], [[1.0, 2.0]]])
def test_no_verdict_of_what_is_no_effect_a_seed(values: Any) -> None:
    with pytest.raises(ConfigError, match="one number per seed"):
        judge(CLAIM, "up", values)


def test_a_case_cannot_be_expected_to_do_both() -> None:
    with pytest.raises(ConfigError, match="both"):
        Claim("a", "b", "c", "d", "e", ("up",), ("up",))


# -- a study of one's own ----------------------------------------------------------------------


def cases(seeds: Sequence[int], folder: Path) -> list[Case]:
    given = make_cells(
        "random:seed=2,capabilities=3",
        tasks=["skill_0"],
        budgets=[1_000_000],
        steps=2,
        allocators=["uniform", "task-static"],
        seeds=seeds,
    )
    return [Case("up", tuple(given))]


def analyse(rows: Rows) -> Findings:
    ends = {log.header.allocator: [row.utility for row in log.finals] for log in rows["up"]}
    gain = 100 * (np.array(ends["task-static"]) - np.array(ends["uniform"]))
    table = pd.DataFrame({"mean": [gain.mean()]})
    drawing = Drawing("nothing", Figure(), "An empty figure.")
    return Findings({("rises", "up"): gain}, {"gain": ("gain", table)}, {"empty": drawing}, ["x"])


STUDY = Study("mine", "Mine", "nowhere", "Does it?", (CLAIM,), cases, analyse)


def run(out: Path, options: str = "--seeds 3") -> None:
    some = STUDY.cases([0, 1, 2], out)
    run_missing(some, out, 1, "loky", 0)
    conclude(STUDY, findings_of(STUDY, some, out), Terminal(quiet=True), out, options)


def test_what_a_study_writes(tmp_path: Path) -> None:
    run(tmp_path)
    about = json.loads((tmp_path / "mine" / "study.json").read_text())
    assert about["command"] == "python -m studies mine --seeds 3"
    [verdict] = about["verdicts"]
    table = pd.read_csv(tmp_path / "mine" / "verdicts.csv")
    assert table.loc[0, "effect"] == pytest.approx(verdict["effect"])
    for entry in (*about["tables"], *about["figures"]):
        assert (tmp_path / "mine" / entry["file"]).stat().st_size > 0
    assert about["figures"][0]["alt"] == "An empty figure."
    first = {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()}
    run(tmp_path)
    assert {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()} == first


def test_results_of_another_command_stay(tmp_path: Path) -> None:
    run(tmp_path)
    refuse_other_results(tmp_path / "mine", "python -m studies mine --seeds 3")
    with pytest.raises(ConfigError, match="--seeds 3`, which are not overwritten"):
        refuse_other_results(tmp_path / "mine", "python -m studies mine --seeds 8")
    about = tmp_path / "mine" / "study.json"
    about.write_text(about.read_text().replace("-m studies mine", "-m studies.mine"))  # once so
    refuse_other_results(tmp_path / "mine", "python -m studies mine --seeds 3")
    about.write_text("{")
    with pytest.raises(ConfigError, match="is not of a study"):
        refuse_other_results(tmp_path / "mine", "python -m studies mine --seeds 3")


def test_half_a_log_is_said_and_left(tmp_path: Path) -> None:
    run(tmp_path)
    log = sorted((tmp_path / "rows").rglob("*.jsonl"))[0]
    whole = log.read_bytes()
    log.write_bytes(whole[: 2 * len(whole) // 3])
    half = log.read_bytes()
    with pytest.raises(RunLogError, match="unfinished"):
        run(tmp_path)
    assert len(log.read_bytes()) <= len(half)  # a torn last line is cut, nothing is put there
    log.write_bytes(whole.replace(b'"seed":2', b'"seed":1'))
    with pytest.raises(RunLogError, match="seed"):
        run(tmp_path)


# -- what the README files say -----------------------------------------------------------------


def test_a_block_is_replaced_between_its_marks() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replace_block(text, "new", "x") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    for broken in ("nothing", f"{END} {BEGIN}", text + text):
        with pytest.raises(ConfigError, match="expected one"):
            replace_block(broken, "new", "x")


def test_the_summary_marks_what_was_not_expected() -> None:
    verdicts = [judge(CLAIM, "up", [1.0, 1.1]), judge(CLAIM, "down", [1.0, 1.1])]
    line = summary_block({"mine": (STUDY, verdicts)}).splitlines()[-1]
    assert "| up; **down** | - | - |" in line


@pytest.mark.parametrize("name", NAMES)
def test_each_study_says_its_claims_and_what_came_of_them(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    text = (ROOT / "studies" / name / "README.md").read_text(encoding="utf-8")
    assert f"python -m studies {name}" in text
    assert len({claim.id for claim in study.claims}) == len(study.claims)
    block = text.split(BEGIN)[1].split(END)[0]
    lines = [line.split(" | ") for line in block.strip().splitlines()[2:]]
    for claim in study.claims:
        assert claim.id in text
        mine = {cells[1]: cells[2] for cells in lines if cells[0].strip("| ") == claim.text}
        assert mine, f"no result of {claim.id}"
        for case, expected in mine.items():
            assert expected == (claim.expected(case) or "-")  # as it was registered
        assert set(claim.holds) | set(claim.fails) <= set(mine), claim.id
    summary = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split(BEGIN)[1]
    summary = summary.split(END)[0]
    assert f"[{name}](../studies/{name})" in summary


IN_PARTS = {"tables", "figure5", "table7", "sim_to_real"}  # parts of a case are judged there


@pytest.mark.parametrize("name", [name for name in NAMES if name not in IN_PARTS])
def test_expectations_are_about_the_cases_that_are_run(name: str, tmp_path: Path) -> None:
    study = load_study(name)
    run = {case.name for case in study.cases(range(2), tmp_path)}
    assert {case for claim in study.claims for case in (*claim.holds, *claim.fails)} == run

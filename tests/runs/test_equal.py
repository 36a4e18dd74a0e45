"""Equal budgets of all student tokens: who trains beside its run has less left for it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.api import compare
from readsim.errors import ConfigError, ReadsimError, UnknownNameError
from readsim.runs.equal import NEAR, extra_tokens, what_is_left
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.read_logs import read_logs
from readsim.summary.results import results
from readsim.summary.table import summarise
from tests.cli.test_fit import run
from tests.support.helpers import WORLD

BUDGET, STEPS = 900_000, 10
METHODS = ("task-static", "read+pool=80", "grid", "read+pool=0")  # 80: eight runs of ten steps


@given(st.integers(1, 10**9), st.floats(0.0, 200.0), st.floats(0.0, 0.9))
def test_extras_are_paid_whether_they_grow_with_the_run_or_not(
    total: int, factor: float, share: float
) -> None:
    for extra in (lambda b: round(factor * b), lambda b: round(share * total)):
        left = what_is_left(extra, total, 1)
        if left is None:
            assert 1 + extra(1) > total
            continue
        used = left + extra(left)
        assert used <= total
        assert used >= (1.0 - NEAR) * total - factor - 2 or left == total


def test_without_extras_nothing_changes_and_too_much_is_nothing() -> None:
    assert what_is_left(lambda b: 0, 100, 10) == 100
    assert what_is_left(lambda b: 8 * b, 90, 10) == 10
    assert what_is_left(lambda b: 8 * b, 89, 10) is None
    assert what_is_left(lambda b: 1000, 100, 10) is None
    assert extra_tokens({"student": 5, "search": 7, "offline": 9}, 1) == 16
    assert extra_tokens({"student": 5, "search": 7, "offline": 9}, 4) == 7 + 3


@pytest.mark.slow
@pytest.mark.parametrize("equal", ["total", "shared"])
def test_every_run_of_a_comparison_costs_the_same(tmp_path: Path, equal: str) -> None:
    cells = make_cells(
        WORLD,
        tasks=["skill_0", "skill_1"],
        budgets=[BUDGET],
        steps=STEPS,
        allocators=METHODS,
        seeds=[0, 1],
        equal=equal,
    )
    assert sum(run_cells(cells, tmp_path).values()) > 0
    tasks = 1 if equal == "total" else 2
    for log in read_logs(tmp_path):
        assert log.header.budget == BUDGET
        assert log.header.paid is not None
        for row in log.finals:
            total = row.totals["student"] + extra_tokens(row.totals, tasks)
            assert (1.0 - NEAR) * BUDGET <= total <= BUDGET
            assert row.totals["student"] == log.header.paid["student"]
            if log.header.allocator == "read+pool=80":
                runs = 1 + 8 / tasks
                assert row.totals["student"] == pytest.approx(BUDGET / runs, rel=NEAR)
            if log.header.allocator in ("task-static", "read+pool=0"):
                assert row.totals["student"] == BUDGET
    assert sum(run_cells(cells, tmp_path).values()) == 0  # they are not run again
    table, notes = summarise(results(tmp_path))
    pooled = table[table["allocator"] == "read+pool=80"]
    assert float(pooled["beside_budget"].iloc[0]) == pytest.approx(8 / (8 + tasks), rel=0.01)
    assert any("all tokens that students train on" in note for note in notes)
    assert any("for all tasks" in note for note in notes) == (equal == "shared")


def test_a_pool_that_leaves_nothing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"read\+pool=3200 on skill_0 leave less than one token"):
        compare(WORLD, "skill_0", 2000, "read+pool=3200", 1, equal="total", out=tmp_path)
    with pytest.raises(UnknownNameError, match="unknown equal 'all'"):
        compare(WORLD, "skill_0", 2000, "uniform", 1, equal="all")  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_command_line_says_what_a_budget_counts(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    words = ["--world", WORLD, "--tasks", "skill_0", "--budgets", "90000", "--steps", "4"]
    words += ["--seeds", "2", "--jobs", "1", "--allocators", "task-static,grid"]
    said = run("compare", *words, "--equal", "total", "--out", out)
    assert "all tokens that students" in " ".join(said.split())
    with pytest.raises((ReadsimError, SystemExit)):
        run("compare", *words, "--out", out)  # the same names, other runs
    with pytest.raises(ConfigError, match=r"equal budgets of another kind \(total, not student\)"):
        compare(WORLD, "skill_0", 90000, ["task-static", "grid"], 2, steps=4, out=out)
    run("report", out)
    assert "--equal total" in (out / "report.html").read_text()

"""Figure 1's study: its statistics against a recomputation, and what it must refuse."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from readsim.stats import t_test
from readsim.worlds import load_world
from studies.common.transfer import significant, transfer_of
from studies.common.worlds import ISOLATED, isolated
from studies.figure1.study import STUDY
from tests.support.made_logs import final_row, write_log
from tests.support.made_one_hot import BUDGETS, NAMES, SD, one_hot_logs

FLOOR = SD * 100 * 0.3989422804014327  # points: E[max(Z, 0)] of the noise
OFF = [(i, j) for i in range(4) for j in range(4) if i != j]


def test_effects_by_hand(tmp_path: Path) -> None:
    change = one_hot_logs(tmp_path)
    found = STUDY.findings({"made": read_logs(tmp_path)}).effects
    for n in range(change.shape[-1]):
        m = change[..., n]
        mass = [np.mean([abs(m[b, i, j]) for i, j in OFF]) - 2 * FLOOR for b in range(3)]
        drop = [np.mean([max(0.0, -m[b, i, j]) for i, j in OFF]) - FLOOR for b in range(3)]
        own = [np.trace(m[b]) / 4 for b in range(3)]
        spread = []
        for b in range(3):
            share = np.abs(m[b]) / np.abs(m[b]).sum(axis=1, keepdims=True)
            spread.append(-(share * np.log(share)).sum(axis=1).mean() / np.log(4))
        wanted = {
            "interdependence": min(mass),
            "sharper-target": own[2] - own[0],
            "more-harm": drop[2] - drop[0],
            "less-diffuse": spread[0] - spread[2],
        }
        for claim, value in wanted.items():
            assert np.asarray(found[claim, "made"])[n] == pytest.approx(value), claim


def test_significance_is_benjamini_and_hochbergs(tmp_path: Path) -> None:
    change = one_hot_logs(tmp_path)[0]
    p = np.sort([t_test(row) for row in change.reshape(16, -1)])
    most = max((k + 1 for k in range(16) if p[k] <= 0.1 * (k + 1) / 16), default=0)
    assert significant(change).sum() == most


def test_each_case_has_an_expectation_and_isolated_means_no_spillover(tmp_path: Path) -> None:
    cases = STUDY.cases([0, 1], tmp_path)
    names = {case.name for case in cases}
    for claim in STUDY.claims:
        assert set(claim.holds) | set(claim.fails) <= names
    world = isolated(load_world("read8-llama"), ISOLATED)
    matrix = world.transfer_matrix(150_000_000)
    assert np.abs(matrix - np.diag(np.diag(matrix))).max() == 0
    assert np.diag(matrix).min() > 0


def test_other_allocators_are_passed_over_and_missing_targets_said(tmp_path: Path) -> None:
    one_hot_logs(tmp_path)
    whole = transfer_of(read_logs(tmp_path))
    rows = [final_row(n, 0.5, [0.5] * 4) for n in range(7)]
    other = write_log(
        tmp_path,
        rows,
        allocator="uniform",
        task="math",
        budget=BUDGETS[0],
        seeds=list(range(7)),
        requirement=[1, 0, 0, 0],
        sources=list(NAMES),
        capabilities=list(NAMES),
    )
    assert np.array_equal(transfer_of(read_logs(tmp_path)).change, whole.change)
    (tmp_path / "alone" / "runs").mkdir(parents=True)
    shutil.copy(other, tmp_path / "alone" / "runs")
    with pytest.raises(RunLogError, match="no run of one-hot; the allocators are uniform"):
        transfer_of(read_logs(tmp_path / "alone"))
    gone = next(log.path for log in read_logs(tmp_path) if log.header.allocator == "one-hot")
    gone.unlink()
    with pytest.raises(RunLogError, match="no one-hot run of"):
        transfer_of(read_logs(tmp_path))


def test_the_table_is_the_means_of_the_runs(tmp_path: Path) -> None:
    change = one_hot_logs(tmp_path)
    _, table = STUDY.findings({"made": read_logs(tmp_path)}).tables["transfer"]
    assert isinstance(table, pd.DataFrame)
    own = [np.mean([change[b, i, i] for i in range(4)]) for b in range(3)]
    assert table["target"].tolist() == pytest.approx(own)
    assert table["noise of drop"].tolist() == pytest.approx([FLOOR] * 3)


def test_two_runs_of_one_target_are_not_papered_over(tmp_path: Path) -> None:
    """Such as those of two methods of distillation."""
    one_hot_logs(tmp_path)
    logs = read_logs(tmp_path)
    with pytest.raises(RunLogError, match="a second one-hot run of"):
        transfer_of([*logs, logs[0]])

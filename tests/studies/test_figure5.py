"""Specialists and ReAD: effects against a recomputation, logs that do not fit, cases and claims."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import RunLogError
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.read_logs import read_logs
from studies.figure5.claims import CLAIMS
from studies.figure5.study import STUDY
from studies.figure5.sweep import cases
from tests.support.made_logs import NAMES, write_comparison

BUDGETS = (20_000_000, 150_000_000)


def test_effects_are_those_of_the_final_rows(tmp_path: Path) -> None:
    logs = read_logs(write_comparison(tmp_path, ("one-hot", "uniform", "read")))
    effects = STUDY.analyse({"made": logs}).effects
    assert {case for _, case in effects} == {"made, small", "made, large"}
    final = {
        (log.header.allocator, log.header.task): np.array([row.final_profile for row in log.finals])
        for log in logs
        if log.header.budget == BUDGETS[1]
    }
    own, rest = [], []
    for task in ("math", "code"):
        off = 100 * (final["read", task] - final["one-hot", task])  # (seeds, K)
        at = NAMES.index(task)
        own.append(off[:, at])
        rest.append(np.delete(off, at, axis=1).mean(axis=1))
    np.testing.assert_allclose(
        np.asarray(effects["target-mean", "made, large"]), np.mean(own, axis=0)
    )
    np.testing.assert_allclose(
        np.asarray(effects["never-worse", "made, large"]), np.min(own, axis=0)
    )
    np.testing.assert_allclose(
        np.asarray(effects["specialist-bound", "made, large"]), -np.max(own, axis=0)
    )
    np.testing.assert_allclose(
        np.asarray(effects["elsewhere", "made, large"]), np.mean(rest, axis=0)
    )


def test_logs_that_do_not_fit_are_named(tmp_path: Path) -> None:
    logs = read_logs(write_comparison(tmp_path, ("one-hot", "read"), budgets=(1_000_000,)))
    with pytest.raises(RunLogError, match="one kind of ReAD"):
        STUDY.analyse({"made": [log for log in logs if log.header.allocator != "read"]})
    kept = [log for log in logs if (log.header.allocator, log.header.task) != ("one-hot", "math")]
    with pytest.raises(RunLogError, match="no specialist for task 'math'"):
        STUDY.analyse({"made": kept})
    other = logs[0].with_header(world="another")
    with pytest.raises(RunLogError, match="another, made"):
        STUDY.analyse({"made": [other, *logs]})


def test_the_specialist_is_a_bound_where_nothing_helps(tmp_path: Path) -> None:
    """The one-hot bound on the made world itself, with the cheapest rules that mix."""
    apart = next(c for c in cases(range(2), tmp_path / "worlds") if c.name == "read8-isolated")
    cells = make_cells(
        apart.cells[0].world,
        tasks=["math", "code"],
        budgets=[BUDGETS[0]],
        steps=2,
        allocators=["one-hot", "task-static", "uniform"],
        seeds=range(3),
    )
    run_cells(cells, tmp_path)
    finals = {
        (log.header.allocator, log.header.task): np.array([row.final_profile for row in log.finals])
        for log in read_logs(tmp_path)
    }
    names = read_logs(tmp_path)[0].header.capabilities
    for (name, task), profile in finals.items():
        j = names.index(task)
        assert (profile[:, j] <= finals["one-hot", task][:, j] + 1e-12).all(), name


def test_every_case_that_claims_name_is_run(tmp_path: Path) -> None:
    run = {f"{c.name}, {size}" for c in cases(range(2), tmp_path) for size in ("small", "large")}
    assert run == {case for claim in CLAIMS for case in (*claim.holds, *claim.fails)}


def test_several_specialists_on_a_target_are_not_averaged(tmp_path: Path) -> None:
    """Real rows of two methods: which of them is the specialist is for the user to say."""
    logs = read_logs(write_comparison(tmp_path, ("one-hot", "read"), budgets=(1_000_000,)))
    twin = next(log for log in logs if log.header.allocator == "one-hot")
    with pytest.raises(RunLogError, match="more than one run of"):
        STUDY.analyse({"made": [*logs, twin]})

"""Simulated to real: the chosen shares, predictors and effects recomputed, logs that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import RunLogError, UnknownNameError
from readsim.runs.read_logs import Log, read_logs
from readsim.worlds import load_world
from readsim.worlds.optimum import optimum
from studies.sim_to_real.claims import CLAIMS, EARLIER, NANO
from studies.sim_to_real.mixtures import BUDGET, CHOSEN, NAMES, RANDOM, TASK, Mixture, shares_of
from studies.sim_to_real.predictors import in_world, of_seed, one_hot_rows
from studies.sim_to_real.study import KEPT, STUDY, runs_of
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.shipped import NANO as MEASURED

WORLD = load_world("nano-measured")


def test_the_chosen_shares_are_the_optimum_of_the_shipped_world() -> None:
    best = optimum(WORLD, WORLD.task(TASK), BUDGET).allocation
    assert WORLD.sources == NAMES
    np.testing.assert_allclose(CHOSEN, best, atol=1e-3)
    for name in ("chosen", *RANDOM):
        assert shares_of(name).sum() == pytest.approx(1.0, abs=2e-4)
    with pytest.raises(UnknownNameError, match="mix-9"):
        Mixture("mix-9")


def test_one_hot_rows_are_exact_at_measured_budgets_and_between_them_elsewhere() -> None:
    measured = Measured.load(MEASURED)
    shares = np.random.default_rng(0).dirichlet(np.ones(8), 3)
    at = one_hot_rows(measured)(shares, np.array(measured.budgets[:3], float))
    wanted = [shares[b] @ measured.matrix[b] for b in range(3)]
    np.testing.assert_allclose(at, wanted, atol=1e-12)
    middle = np.sqrt(30_000 * 90_000)
    half = one_hot_rows(measured)(shares[:1], np.array([middle]))[0]
    np.testing.assert_allclose(half, shares[0] @ measured.matrix[2:].mean(axis=0), atol=1e-12)
    assert of_seed(measured, 1).change.shape[2] == 1


@pytest.fixture(scope="module")
def logs() -> list[Log]:
    """The real runs that are kept."""
    return read_logs(KEPT)


@pytest.mark.slow
def test_effects_of_the_kept_runs_are_those_of_their_final_rows(logs: list[Log]) -> None:
    runs = runs_of(NANO, logs)
    final = {
        (log.header.allocator.rpartition("=")[2], row.seed): row
        for log in logs
        for row in log.finals
    }
    seeds = sorted({seed for _, seed in final})
    effects = STUDY.analyse({NANO: logs}).effects
    for claim, other in (("above-uniform", "uniform"), ("not-below-task-static", "task-static")):
        wanted = [100 * (final["chosen", s].utility - final[other, s].utility) for s in seeds]
        np.testing.assert_allclose(np.asarray(effects[claim, NANO]), wanted, atol=1e-9)
    guess = in_world(WORLD)(runs.shares, np.full(len(runs.names), 60_000.0))
    error = [100 * np.sqrt(np.mean((guess - runs.change[:, n]) ** 2)) for n in range(len(seeds))]
    rows = one_hot_rows(Measured.load(MEASURED))(runs.shares, np.full(len(runs.names), 60_000.0))
    linear = [100 * np.sqrt(np.mean((rows - runs.change[:, n]) ** 2)) for n in range(len(seeds))]
    np.testing.assert_allclose(
        np.asarray(effects["error-unseen", NANO]), np.subtract(linear, error)
    )
    assert {case for _, case in effects} == {NANO, EARLIER}
    assert {claim.id for claim in CLAIMS} == {claim for claim, _ in effects}


def test_logs_that_do_not_fit_are_named(logs: list[Log]) -> None:
    lacking = [log for log in logs if "name=chosen" not in log.header.allocator]
    with pytest.raises(RunLogError, match="'chosen'"):
        runs_of(NANO, lacking)
    short = [log.of_seeds({1, 2}) if n == 0 else log for n, log in enumerate(logs)]
    with pytest.raises(RunLogError, match="has seeds"):
        runs_of(NANO, short)
    other = logs[0].with_header(budget=1)
    with pytest.raises(RunLogError, match="budgets"):
        runs_of(NANO, [other, *logs[1:]])


def test_the_case_needs_no_runs(tmp_path: Path) -> None:
    (case,) = STUDY.cases(range(3), tmp_path)
    assert not case.cells
    assert case.kept == KEPT
    assert case.name == NANO

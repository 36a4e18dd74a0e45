"""Real runs in miniature, in a world: designs, table, forecast of the held half, and the game."""

from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.intervals import Interval
from readsim.tree_file import save_facts
from readsim.worlds import load_world
from readsim.worlds.optimum import optimum
from readsim.worlds.terms.learning_rate import LearningRate
from studies.real_runs import forecast, held
from studies.real_runs.claims import CLAIMS
from studies.real_runs.design import PLACES, STEPS, Design, make_designs
from studies.real_runs.forecast import Forecast, regression
from studies.real_runs.rows import RealRun, RealTable, read_table
from studies.real_runs.run import make
from studies.real_runs.table import write_table
from studies.sim_to_real import game
from studies.sim_to_real.decide import Decided, decide
from studies.transfer_matrix.lab import Lab, sim_lab

BUDGETS = (10_000_000, 20_000_000, 40_000_000)
NAMES = tuple("abcdefgh")
WORLD = load_world("from-scratch")
HALF = 0.04


class InWorld(Forecast):
    """What the true world says, give or take HALF."""

    def __init__(self) -> None:
        average = SimpleNamespace(predict=lambda path: WORLD.profile_after([path.sum(axis=1)]))
        super().__init__(cast(Any, average), LearningRate())

    def scores(self, tokens: Array) -> Interval:
        value = WORLD.profile_after([self.counted(tokens).sum(axis=0)])
        return Interval(value, value - HALF, value + HALF)

    def utility(self, tokens: Array, weights: Array) -> Interval:
        return Interval(*(each @ weights for each in self.scores(tokens)))


# Designs


def test_any_part_of_the_designs_is_balanced_and_half_of_them_are_held() -> None:
    designs = make_designs(NAMES, [3, 1, 2])
    assert designs == make_designs(NAMES, [1, 2, 3])
    assert len(designs) == 3 * len(PLACES)
    assert len({(d.name, d.budget) for d in designs}) == len(designs)
    for n in range(3, len(designs) + 1):
        done = designs[:n]
        budgets = Counter(d.budget for d in done)
        assert max(budgets.values()) - min(budgets.values()) <= 1
        assert abs(sum(d.held for d in done) - n / 2) <= 1
    for kind in ("one-hot", "static", "two-phase"):
        held = [d.held for d in designs if d.kind == kind]
        assert 0.3 < np.mean(held) < 0.7
    assert sum(d.held for d in designs) == len(designs) // 2


def test_shares_are_shares_and_schedules_change_once() -> None:
    for design in make_designs(NAMES, BUDGETS):
        shares = np.array(design.shares)
        assert shares.shape == (STEPS, len(NAMES))
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        changes = (np.abs(np.diff(shares, axis=0)).max(axis=1) > 0).sum()
        assert changes == (design.kind == "two-phase")
    alone = [d.shares[0] for d in make_designs(NAMES, BUDGETS) if d.kind == "one-hot"]
    np.testing.assert_allclose(np.sum(alone, axis=0), 1.0)  # each source once


# The table


@pytest.fixture(scope="module")
def lab() -> Lab:
    return sim_lab("from-scratch")


@pytest.fixture(scope="module")
def designs(lab: Lab) -> list[Design]:
    return make_designs(lab.sources, BUDGETS)


@pytest.fixture(scope="module")
def table(lab: Lab, designs: list[Design], tmp_path_factory: pytest.TempPathFactory) -> RealTable:
    folder = tmp_path_factory.mktemp("real")
    for design in designs:
        make(design, 0, lab, folder)
    assert write_table(designs, [0, 1], lab, folder, folder / "runs.csv") == len(designs)
    return read_table(folder / "runs.csv")


def test_the_table_says_what_was_run(table: RealTable, designs: list[Design], lab: Lab) -> None:
    assert (table.sources, table.capabilities) == (lab.sources, lab.capabilities)
    assert table.budgets == list(BUDGETS)
    assert len(table.part(held=True).runs) + len(table.part(held=False).runs) == len(designs)
    for run, design in zip(table.runs, designs, strict=True):
        assert (run.held, run.kind, run.budget) == (design.held, design.kind, design.budget)
        wanted = np.array(design.shares) * design.budget / STEPS
        np.testing.assert_allclose(run.tokens, wanted, atol=2.0)
        assert run.probed.shape == (STEPS + 1, len(lab.capabilities))
        np.testing.assert_allclose(run.start, WORLD.start, atol=0.2)
        true = WORLD.profile_after([row[None] for row in run.tokens])[0]
        np.testing.assert_allclose(run.final, true, atol=0.2)


def test_a_run_that_is_there_is_not_made_again(
    lab: Lab, designs: list[Design], tmp_path: Path
) -> None:
    make(designs[0], 0, lab, tmp_path)
    [log] = (tmp_path / "runs").iterdir()
    before = log.stat().st_mtime_ns
    make(designs[0], 0, lab, tmp_path)
    assert log.stat().st_mtime_ns == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python -m studies real_runs"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="not those of real runs"):
        read_table(tmp_path / "other.csv")


# Forecasts


def test_the_regression_finds_a_line(table: RealTable) -> None:
    def line(tokens: Array) -> Array:
        out: Array = WORLD.start + 0.01 * np.log1p(tokens.sum(axis=0) / 1000.0) @ np.ones((3, 3))
        return out

    runs = tuple(
        RealRun(r.name, False, r.kind, r.budget, 0, r.tokens, r.probed, WORLD.start, line(r.tokens))
        for r in table.runs
    )
    made = RealTable(table.sources, table.capabilities, runs)
    told = regression(made, [run.tokens for run in runs])
    np.testing.assert_allclose(told, [run.final for run in runs], atol=0.01)


def test_effects_of_the_held_half_are_those_of_its_runs(
    table: RealTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "fit_runs", lambda seen, name: InWorld())
    effects, frame = held.compare(table, "made")
    assert set(effects) < {claim.id for claim in CLAIMS}
    runs = table.part(held=True).runs
    true = [WORLD.profile_after([row[None] for row in run.tokens])[0] for run in runs]
    inside = [(np.abs(t - run.final) <= HALF).mean() for t, run in zip(true, runs, strict=True)]
    np.testing.assert_allclose(frame["inside"], inside)
    off = [100 * np.abs(t - run.final).mean() for t, run in zip(true, runs, strict=True)]
    np.testing.assert_allclose(frame["error"], off, atol=1e-9)
    np.testing.assert_allclose(effects["error-held"], 3.5 - np.array(off), atol=1e-9)
    peaked = (table.runs[0].probed.max(axis=0) - table.runs[0].probed[-1] > 0.05).mean()
    assert effects["peaks"][0] == pytest.approx(peaked - 0.2)
    assert effects["rank-held"].shape == (len(BUDGETS),)
    assert effects["rank-held"].min() > 0.5
    assert frame.attrs["rank"] > 0.8
    with pytest.raises(ConfigError, match="to fit, 0 held"):
        held.compare(table.part(held=False), "made")


def test_a_token_counts_as_much_as_its_learning_rate(
    table: RealTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Array] = []

    def fit_average(tokens: Array, targets: Array, **others: object) -> SimpleNamespace:
        given.append(tokens)
        return SimpleNamespace(average=None)

    monkeypatch.setattr(forecast, "fit_average", fit_average)
    made = forecast.fit_runs(table, "made", {"kind": "linear", "end": 0.0})
    rates = (np.arange(STEPS, 0, -1) - 0.5) / STEPS
    for run, amounts in zip(table.runs, given[0], strict=True):
        np.testing.assert_allclose(amounts, rates @ run.tokens)
        np.testing.assert_allclose(made.counted(run.tokens).sum(axis=0), amounts)


def test_recency_is_the_slope_of_what_was_missed_on_late_shares(table: RealTable) -> None:
    part, forecast_ = table.part(held=True), InWorld()
    two = [n for n, run in enumerate(part.runs) if run.kind == "two-phase"]
    missed = np.zeros((len(part.runs), 3))
    for n in two:
        tokens = part.runs[n].tokens
        left = 1.0 - np.cumsum(tokens.sum(axis=1)) / tokens.sum()
        late = (np.exp(-10.0 * left)[:, None] * tokens).sum(axis=0)
        missed[n] = 0.07 * (late / late.sum() - tokens.sum(axis=0) / tokens.sum())
    slope, error = held.recency(part, forecast_, missed)
    np.testing.assert_allclose([slope, error], [7.0, 0.0], atol=1e-9)
    assert held.recency(part, forecast_, 0.0 * missed)[0] == 0.0


@pytest.mark.slow
def test_a_fit_forecasts_the_held_half_in_a_world_of_its_kind(
    table: RealTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "fit_runs", partial(forecast.fit_runs, schedule={}))
    _, frame = held.compare(table, "made")
    assert frame["error"].mean() < 5.0
    assert frame["inside"].mean() > 0.8


# The game


@pytest.fixture(scope="module")
def made(table: RealTable) -> Decided:
    return decide(InWorld(), table, "arxiv", BUDGETS[1], STEPS)


def test_what_is_decided_is_best_in_the_fit_and_survives_a_file(made: Decided) -> None:
    best = optimum(WORLD, WORLD.task("arxiv"), BUDGETS[1])
    assert made.utility["chosen"].value == pytest.approx(best.utility, abs=1e-4)
    assert all(best.utility >= each.value - 1e-9 for each in made.utility.values())
    first, last = made.shares["target-first"], made.shares["target-last"]
    np.testing.assert_allclose(first.sum(axis=0), last.sum(axis=0))
    assert made.utility["target-first"].value == pytest.approx(made.utility["target-last"].value)
    assert first[0].max() == 1.0 > first[-1].max()
    again = Decided.of(made.table())
    assert again.table() == made.table()


def test_the_game_in_a_world(made: Decided, lab: Lab, table: RealTable, tmp_path: Path) -> None:
    for seed in (0, 1):
        for method in made.utility:
            game.make(made, method, seed, lab, tmp_path)
    assert game.measured_in(tmp_path, made, [0, 1, 2]).keys() == {0, 1}
    measured = game.measured_in(tmp_path, made, [0, 1])
    effects = game.compare(made, measured)
    assert set(effects) < {claim.id for claim in CLAIMS}
    runs = list(measured.values())
    np.testing.assert_allclose(
        effects["chosen-above-uniform"], [100 * (r["chosen"] - r["uniform"]) for r in runs]
    )
    assert "the best of the table" in game.regret_line(made, measured, table)


def test_effects_of_the_game_are_those_of_made_up_runs() -> None:
    told = {"one-hot": 0.3, "uniform": 0.4, "task-static": 0.5, "chosen": 0.6}
    told["chosen-schedule"] = 0.7
    made = Decided(
        "arxiv",
        1,
        {m: np.zeros((1, 3)) for m in told},
        {m: Interval(np.array(v), np.array(v - 0.05), np.array(v + 0.05)) for m, v in told.items()},
    )
    good = {m: v + 0.01 for m, v in told.items()}
    bad = {m: 1.0 - v for m, v in told.items()}
    effects = game.compare(made, {0: good, 1: bad})
    np.testing.assert_allclose(effects["methods-rank"], [1.0, -1.0])
    np.testing.assert_allclose(effects["chosen-above-task-static"], [10.0, -10.0])
    np.testing.assert_allclose(effects["schedule-above-chosen"], [10.0, -10.0])
    np.testing.assert_allclose(effects["chosen-in-interval"], [0.08, 1 / 3 - 0.92])


def test_a_decision_is_made_once(made: Decided, tmp_path: Path, table: RealTable) -> None:
    save_facts(tmp_path / "decided.json", made.table())
    kept = game.decided_in(tmp_path, table, "made", "arxiv", BUDGETS[1])
    assert kept.table() == made.table()
    with pytest.raises(ConfigError, match="decided for arxiv"):
        game.decided_in(tmp_path, table, "made", "book", BUDGETS[1])

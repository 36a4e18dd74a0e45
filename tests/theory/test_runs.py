"""The statements on run logs: nested tests with the level they claim, real logs, bad logs."""

import json
from pathlib import Path

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError, RunLogError
from readsim.fitting.table import Options, read_run_table
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.runs.logs_for_fit import fit_table
from readsim.theory import PaperStatement, Result, Verdict, runs
from readsim.theory.all_checks import check_run_statements
from readsim.theory.orders import observed_order

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for name, settings in (("read", {"pool": 60}), ("random", {})):
        cell = Cell("gateway", "math", 2_000_000, 5, name, tuple(range(6)), settings)
        run_cell(cell, folder / cell.file_name)
    return folder


def test_logs_of_runs(logs: Path) -> None:
    read = runs.measured_runs(logs)
    assert len(read) == 12
    assert all(np.isclose(run.tokens[-1].sum(), 2e6) for run in read)
    first = read[0]
    expected = first.steps[-1].profile @ first.requirement
    assert first.utility[-1] == pytest.approx(expected)
    found = [*runs.check_gains(read, "logs"), runs.check_proxy(read, "logs")]
    found += runs.check_beliefs(read, "logs")
    names = [
        f"{PaperStatement.CONCAVE_GAINS}: adds up",
        f"{PaperStatement.CONCAVE_GAINS}: concave",
        f"{PaperStatement.CONCAVE_GAINS}: nondecreasing",
        PaperStatement.PROXY,
        f"{PaperStatement.CALIBRATED}: played",
        f"{PaperStatement.STEP_REGRET}: played",
    ]
    assert [r.statement for r in found] == names
    for r in found:
        assert np.isfinite(r.statistic)
        assert r.verdict in Verdict
        json.dumps(r.row())


def test_a_table_of_measurements(tmp_path: Path) -> None:
    """Additive scores are not refused, and a product of two sources is; an empty cell is left out."""
    rng = np.random.default_rng(2)
    shares, total = rng.dirichlet(np.ones(2), 40), rng.integers(1, 11, 40)
    b = shares * total[:, None] / 10
    y = 0.2 + 0.2 * np.sqrt(b) @ np.ones(2) + 0.002 * rng.normal(size=40)
    lines = ["share_a,share_b,tokens,score_sum,score_product"]
    for share, n, value, at in zip(shares, total, y, b, strict=True):
        cells = [*share.round(6), f"{n}M", value, value + 0.4 * at.prod()]
        lines.append(",".join(map(str, cells)))
    lines[5] = lines[5].rpartition(",")[0] + ","
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    read = runs.measured_runs(path)
    assert [len(run.utility) for run in read] == [1] * 79
    lacking: list[str] = []
    found = list(check_run_statements(read, "runs.csv", lacking.append))
    assert not lacking
    assert {r.subject for r in found} == {"runs.csv"}
    verdicts = {r.task: r.verdict for r in found if r.statement.endswith("adds up")}
    assert verdicts == {"score_sum": Verdict.HOLDS, "score_product": Verdict.FAILS}
    for part in ("concave", "nondecreasing"):
        tasks = [r.task for r in found if r.statement.endswith(part)]
        assert tasks == ["score_sum", "score_product"]


def parts_of(b: np.ndarray, y: np.ndarray) -> dict[str, Result]:
    """Each part on runs of one row each, by its name."""
    made = [
        runs.MeasuredRun("exam", t[None], np.array([u]), [], np.ones(1))
        for t, u in zip(b, y, strict=True)
    ]
    return {r.statement.rpartition(": ")[2]: r for r in runs.check_gains(made, "log")}


def test_a_test_that_could_not_have_failed_is_undecided() -> None:
    """Shares of one budget, and a noise in which a point is lost; the row says why, with its power."""
    rng = np.random.default_rng(0)
    b = rng.dirichlet(np.ones(3), 60)
    y = 0.2 + 0.2 * np.sqrt(b).sum(axis=1) + 0.01 * rng.normal(size=60)
    for result in parts_of(b, y).values():
        assert result.verdict is Verdict.UNDECIDED
        assert "no departure is in reach: nothing was tested" in result.finding
        assert "all runs have one budget" in result.advice
        assert np.isnan(result.row()["power"])
    b = b * rng.uniform(0.2, 1, (60, 1))
    weak = parts_of(b, np.sqrt(b).sum(axis=1) + 0.1 * rng.normal(size=60))["adds up"]
    assert weak.statistic > 0.05
    assert weak.verdict is Verdict.UNDECIDED
    assert weak.power is not None
    assert f"power {weak.power:.0%} against a departure of 1 point rms" in weak.finding
    assert "along the mixtures that these runs visited" in weak.finding
    assert "too low" in weak.advice
    rng = np.random.default_rng(3)
    sure = parts_of(b, 0.2 * np.sqrt(b).sum(axis=1) + 0.002 * rng.normal(size=60))["adds up"]
    assert sure.verdict is Verdict.HOLDS
    broken = parts_of(b, 0.4 * b[:, 0] * b[:, 1] + 0.002 * rng.normal(size=60))["adds up"]
    assert broken.verdict is Verdict.FAILS
    assert broken.advice.startswith("sources interact")


def test_a_power_below_four_fifths_holds_nothing() -> None:
    def verdict(p: float, power: float) -> Verdict:
        return Result(
            statement="x",
            subject="y",
            measure="p",
            statistic=p,
            bound=0.05,
            sense=">=",
            power=power,
        ).verdict

    assert verdict(0.5, 0.8) is Verdict.HOLDS
    assert verdict(0.5, 0.79) is verdict(1.0, np.nan) is Verdict.UNDECIDED
    assert verdict(0.01, 0.1) is Verdict.FAILS


def test_rows_of_one_run_do_not_lose_tokens(tmp_path: Path) -> None:
    """A source that falls under one name is refused with its cell, rows in any order are not."""
    path = tmp_path / "runs.csv"
    head = "run,tokens:a,tokens:b,exam"
    path.write_text(f"{head}\nr,1e6,1e6,.1\nr,3e6,2e6,.3\nr,2e6,2e6,.2\ns,1e6,2e6,.2\n")
    notes: list[str] = []
    read = runs.measured_runs(path, None, notes.append)
    assert [len(run.utility) for run in read] == [3, 1]
    assert any("line 4: 'r' has fewer tokens than in line 3" in note for note in notes)
    assert "sources (by their prefix): tokens:a, tokens:b; targets: exam" in notes
    path.write_text(f"{head}\nr,1e6,1e6,.1\nr,3e6,.5e6,.3\ns,1e6,2e6,.2\n")
    with pytest.raises(ConfigError, match=r"line 3, column 'tokens:b': 'r' has less of this"):
        runs.measured_runs(path)
    assert any("no stages of one run" in n for n in read_run_table(path, None, Options()).notes)


def test_beliefs_by_hand(logs: Path) -> None:
    read = runs.measured_runs(logs / "read.math.2000000.jsonl")
    inside = []
    for run in read:
        said = [row.report for row in run.steps]
        inside.append(
            np.mean([abs(r["reward"] - r["mu"]) <= r["kappa"] * r["sigma"] for r in said])
        )
    played, half = runs.check_beliefs(read, "read")
    assert played.statistic == pytest.approx(float(np.mean(inside)))
    assert half.statistic >= played.statistic


def test_what_logs_lack_is_said(logs: Path, tmp_path: Path) -> None:
    read = runs.measured_runs(logs / "random.math.2000000.jsonl")
    with pytest.raises(CapabilityMissingError, match=r"uncertainty\) needs mu, sigma, kappa"):
        runs.check_beliefs(read, "random")
    with pytest.raises(RunLogError, match="no run logs"):
        runs.measured_runs(tmp_path)
    lines = (logs / "random.math.2000000.jsonl").read_text().splitlines()
    (tmp_path / "start.jsonl").write_text(lines[0] + "\n")
    with pytest.raises(RunLogError, match="no decisions"):
        runs.measured_runs(tmp_path)
    header = json.loads(lines[0])
    header["config"].pop("requirement")
    header.pop("sha256")
    (tmp_path / "start.jsonl").write_text("\n".join([json.dumps(header), *lines[1:-1]]) + "\n")
    with pytest.raises(RunLogError, match="its config lacks requirement"):
        runs.measured_runs(tmp_path)


# ----------------------------------------------------------------- results and orders


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 3.0])
def test_orders_are_recovered(order: float) -> None:
    h = 0.5 ** np.arange(5)
    exact = observed_order(h, 3 * h**order)
    assert exact.value == pytest.approx(order)
    noisy = h[:, None] ** order * np.exp(0.05 * RNG.normal(size=(5, 20)))
    found = observed_order(h, noisy)
    assert found.low < order < found.high
    assert found.high - found.low < 0.1


def test_orders_of_nothing_and_refusals() -> None:
    h = np.array([1.0, 0.5, 0.25])
    assert observed_order(h, np.zeros(3)).value == np.inf
    assert observed_order(h, np.full(3, 1e-9), scale=1e6).value == np.inf
    for steps, residuals in ((h[:1], h[:1]), (h, h[:2]), (-h, h), (h, -h), (h, h * np.nan)):
        with pytest.raises(ConfigError):
            observed_order(steps, residuals)


def result(statistic: float, interval: tuple[float, float] | None, sense: str) -> Verdict:
    return Result(
        statement="x",
        subject="y",
        measure="z",
        statistic=statistic,
        interval=interval,
        bound=1.0,
        sense="<=" if sense == "<=" else ">=",
    ).verdict


def test_verdicts() -> None:
    assert result(1.0, None, "<=") is result(1.0, None, ">=") is Verdict.HOLDS
    assert result(1.1, None, "<=") is result(0.9, None, ">=") is Verdict.FAILS
    assert result(0.9, (0.8, 1.2), "<=") is result(1.1, (0.8, 1.2), ">=") is Verdict.UNDECIDED
    assert result(0.9, (0.8, 1.0), "<=") is result(1.1, (1.0, 1.2), ">=") is Verdict.HOLDS
    assert result(1.5, (1.1, 2.0), "<=") is result(0.5, (0.1, 0.9), ">=") is Verdict.FAILS
    assert result(float("nan"), None, "<=") is result(float("nan"), None, ">=") is Verdict.UNDECIDED


def test_a_run_in_memory_needs_no_pool() -> None:
    assert load_allocator("read", {"pool": 0}).needs == frozenset()
    assert DistillEnv("gateway", None, 1000, steps=2).episode.steps == 2


def test_an_unfinished_log_is_measured_as_far_as_it_is_and_said(logs: Path, tmp_path: Path) -> None:
    for path in (logs / "read.math.2000000.jsonl", logs / "random.math.2000000.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said: list[str] = []
    runs.measured_runs(tmp_path, said.append)
    assert said == []
    cut = tmp_path / "read.math.2000000.jsonl"
    cut.write_bytes(cut.read_bytes()[:-3000])
    runs.measured_runs(tmp_path, said.append)
    (line,) = said
    assert line.startswith("read.math.2000000.jsonl: unfinished, no final row of seeds ")
    table = fit_table(tmp_path)
    assert line in table.notes

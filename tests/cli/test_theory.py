"""`readsim theory`: the table, theory.csv and figures; what cannot be measured is said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from readsim.cli.app import app
from readsim.cli.theory import told_apart
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.theory.all_checks import world_budget
from readsim.theory.result import PaperStatement, Verdict
from readsim.worlds import load_world, save_world

RUN = CliRunner()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command says of two worlds and two runs, and where it wrote."""
    folder = tmp_path_factory.mktemp("theory")
    logs, out = folder / "logs", folder / "out"
    cell = Cell("gateway", "math", 2_000_000, 5, "uniform", (0, 1))
    (logs / "runs").mkdir(parents=True)
    run_cell(cell, logs / "runs" / cell.file_name)
    words = ["--worlds", "gateway,conflict,toy", "--seeds", "2", "--out", str(out)]
    done = RUN.invoke(app, ["theory", *words, "--runs", str(logs)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split()), out


@pytest.mark.slow
def test_controls_come_first_and_advice_is_printed(told: tuple[str, Path]) -> None:
    said, out = told
    table = pd.read_csv(out / "theory.csv")
    assert list(table["subject"][:2]) == ["control, true"] * 2
    assert said.index(" controls ┏") < said.index(" subjects ┏")  # not the bar
    assert "tested at 20M tokens: gateway (math: 1 of 3 tasks); conflict" in said
    assert "a schedule beats every constant split: plan over steps" in said
    assert "stop at 100" not in said
    assert table["size"].notna().mean() > 0.8


@pytest.mark.slow
def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    """No toy pair; all tasks, and at how many of them; names are not cut; anybody's rule."""
    words = ["--worlds", "from-scratch", "--tasks", "all", "--allocator", "linucb", "--seeds", "1"]
    done = RUN.invoke(app, ["theory", *words, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "toy, sgd" not in done.output
    assert "…" not in done.output
    assert ": 4 of 4 tasks)" in " ".join(done.output.split())
    table = pd.read_csv(tmp_path / "theory.csv")
    concave = table[table["statement"] == f"{PaperStatement.CONCAVE_GAINS}: concave"]
    assert set(concave[concave["subject"] == "from-scratch"]["task"]) == {
        *("average", "arxiv", "book", "stackexchange")
    }


@pytest.mark.slow
def test_the_command(told: tuple[str, Path]) -> None:
    said, out = told
    assert "not measured: logs: 2 runs: at least 5 are needed" in said
    assert "np." not in said
    assert (
        "not measured: logs: Assumption C.1 (calibrated uncertainty) needs mu, sigma, kappa" in said
    )
    assert (
        "not measured: gateway: Proposition 4.5 (marginal gains) needs gains of cumulative tokens alone"
        in said
    )
    table = pd.read_csv(out / "theory.csv")
    by = {(r.statement, r.subject): r.verdict for r in table.itertuples()}
    assert by[(PaperStatement.LINEAR_UPDATES, "toy, sgd")] == "holds"
    assert by[(PaperStatement.LINEAR_UPDATES, "toy, sign")] == "fails"
    assert by[(PaperStatement.LOCAL_READOUT, "toy, greedy accuracy")] == "fails"
    assert by[(f"{PaperStatement.CONCAVE_GAINS}: order-free", "gateway")] == "fails"
    assert by[(PaperStatement.MARGINAL_GAINS, "conflict")] == "holds"
    assert by[(PaperStatement.STATIC_DOMINANCE, "gateway")] == "fails"
    assert by[(PaperStatement.STATIC_DOMINANCE, "conflict")] == "holds"
    assert by[(f"{PaperStatement.STEP_REGRET}: any kappa", "gateway")] == "holds"
    assert {
        f"{PaperStatement.CONCAVE_GAINS}: adds up",
        PaperStatement.CALIBRATED,
        PaperStatement.STEP_REGRET,
        PaperStatement.ORDER_EFFECTS,
        PaperStatement.PROXY,
    } <= set(table["statement"])
    for name in ("orders", "coverage", "marginals", "regret"):
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert "Simulated world" in (out / f"{name}.svg").read_text()


def test_only_runs_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own statement beside one of the paper's: no rule is run, and no other row is written."""
    (tmp_path / "mine_only.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("readsim.theory.all_checks.watch", None)  # would raise
    words = ["--worlds", "ideal,toy", "--statements", "mine_only:NO_LOSS", "--out", str(tmp_path)]
    done = RUN.invoke(app, ["theory", *words, "--only", "own,one-hot-bound"])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "theory.csv")
    assert set(table["statement"]) == {"No loss", PaperStatement.ONE_HOT_BOUND}
    assert list(table["subject"]) == [*["control, true", "control, false"] * 2, "ideal", "ideal"]
    assert not (tmp_path / "marginals.png").exists()


def asked(*words: str) -> str:
    """What the command prints, on one line."""
    done = RUN.invoke(app, ["theory", *words])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_what_was_asked_for_and_has_no_test_is_said(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    said = asked("--worlds", "toy,ideal", "--only", "proxy", "--out", out)
    for subject, where in (("toy", "the toy network"), ("ideal", "worlds")):
        assert f"not measured: {subject}: {PaperStatement.PROXY}: no test on {where}" in said
    assert "nothing was measured, and nothing is written" in said
    assert not Path(out).exists()
    said = asked("--runs", str(table_of_runs(tmp_path)), "--only", "order-effects", "--out", out)
    assert f"runs.csv: {PaperStatement.ORDER_EFFECTS}: no test on a table of runs" in said


def test_worlds_are_tested_at_the_budget_asked_for(tmp_path: Path) -> None:
    words = ["--worlds", "ideal,conflict", "--only", "spillover", "--budget", "5M"]
    said = asked(*words, "--out", str(tmp_path))
    table = pd.read_csv(tmp_path / "theory.csv").query("not subject.str.startswith('control')")
    assert list(table["budget"]) == [5e6, 5e6]
    assert list(table["task"]) == ["a", load_world("conflict").task_names[0]]
    assert "tested at 5M tokens: ideal (a: 1 of 3 tasks); conflict (" in said
    for name, usual, asked_for in (
        ("ideal", 10**8, 5 * 10**6),
        ("gateway", 2 * 10**7, 5 * 10**6),
        ("nano-measured", 135_000, 135_000),
    ):
        assert world_budget(load_world(name)) == usual
        assert world_budget(load_world(name), 5e6) == asked_for


def table_of_runs(folder: Path) -> Path:
    """40 runs of two sources and two scores, of which the second is not additive."""
    rng = np.random.default_rng(0)
    b = rng.uniform(0, 1, (40, 2))
    table = pd.DataFrame(b * 1e6, columns=["tokens:web", "tokens:code"])
    table["exam"] = 0.3 * np.sqrt(b).sum(axis=1) + 0.002 * rng.normal(size=40)
    table["quiz"] = 0.1 + 0.5 * b.prod(axis=1) + 0.002 * rng.normal(size=40)
    table.to_csv(folder / "runs.csv", index=False)
    return folder / "runs.csv"


def test_runs_alone_are_tested_with_their_power_in_sight(tmp_path: Path) -> None:
    path, out = table_of_runs(tmp_path), tmp_path / "out"
    said = asked("--runs", str(path), "--targets", "exam", "--out", str(out))
    assert "sources (by their prefix): tokens:web, tokens:code; targets: exam" in said
    table = pd.read_csv(out / "theory.csv")
    assert set(table["subject"]) == {"control, true", "control, false", "runs.csv"}
    mine = table[table["subject"] == "runs.csv"]
    assert list(mine["task"]) == ["exam"] * 3
    assert mine["power"].between(0, 1).all()
    true, false = (table[table["subject"] == f"control, {w}"] for w in ("true", "false"))
    assert set(true["verdict"]) == {"holds"}
    assert set(false["verdict"]) == {"fails"}
    assert "p = " in said
    assert "power 100%" in said
    assert "tested at" not in said


def test_the_names_of_statements_are_listed() -> None:
    said = RUN.invoke(app, ["theory", "--only", "list"]).output
    assert "concave-gains      Assumption 4.4" in said
    assert "own " in said
    assert "vertices" not in said


OWN = """
from readsim.theory import Statement, Subject
from readsim.theory.controls import ideal_world, stateful_world

NO_LOSS = Statement(
    name="No loss",
    formula="U(b) >= U(0)",
    violation=lambda s, b: s.utility(0 * b) - s.utility(b),
    true=lambda: Subject.of(ideal_world(), {"a": 1.0}, 10_000_000),
    false=lambda: Subject.of(stateful_world(), {"c": 1.0}, 10_000_000),
)
"""


def test_worlds_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """A saved world, copied and edited, keeps its name: two subjects all the same."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    save_world(load_world("ideal"), first)
    second.write_text(first.read_text())
    told = told_apart([str(first), "conflict", str(second)])
    assert [w.name for w in told] == [str(first), "conflict", str(second)]
    assert told_apart([str(first), "conflict"])[0].name == "ideal"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--worlds", "nowhere"], "nowhere"),
        (["--seeds", "x"], "seeds"),
        (["--worlds", "gateway", "--tasks", "nowhere"], "nowhere"),
        (["--allocator", "nobody"], "nobody"),
        (["--statements", "nowhere:X"], "nowhere:X"),
        (["--only", "concave-gain"], "concave-gains"),
        (["--only", "own"], "--statements module:NAME"),
        (["--budget", "much"], "much"),
        (["--worlds", "gateway", "--targets", "exam"], "describe the table of --runs"),
        (["--runs", "missing", "--worlds", "gateway"], "missing"),
    ],
)
def test_wrong_input(options: list[str], said: str, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["theory", "--out", str(tmp_path), *options])
    assert done.exit_code != 0
    assert said in str(done.exception)


@pytest.mark.slow
def test_every_row_that_does_not_hold_has_advice(told: tuple[str, Path]) -> None:
    table = pd.read_csv(told[1] / "theory.csv", keep_default_na=False)
    found = table[table["subject"].str.startswith("toy, ")]
    assert found["subject"].nunique() == 7
    assert (found["advice"] != "").equals(found["verdict"] != Verdict.HOLDS)
    assert set(found["verdict"]) >= {Verdict.HOLDS, Verdict.FAILS}

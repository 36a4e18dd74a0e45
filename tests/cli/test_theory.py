"""`readsim theory`: the table, theory.csv and figures; what cannot be measured is said."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from readsim.cli.app import app
from readsim.cli.theory import told_apart
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
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
    assert said.index(" controls ") < said.index(" subjects ")
    assert "tasks measured: gateway 1 of" in said
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
    assert "tasks measured: from-scratch 4 of 4" in " ".join(done.output.split())
    table = pd.read_csv(tmp_path / "theory.csv")
    concave = table[table["statement"] == f"{PaperStatement.CONCAVE_GAINS}: concave"]
    assert set(concave[concave["subject"] == "from-scratch"]["task"]) == {
        *("average", "arxiv", "book", "stackexchange")
    }


@pytest.mark.slow
def test_the_command(told: tuple[str, Path]) -> None:
    said, out = told
    assert "not measured: logs: 2 runs: at least 5 are needed" in said
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
        (["--runs", "missing", "--worlds", "gateway"], "missing"),
    ],
)
def test_wrong_input(options: list[str], said: str, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["theory", "--out", str(tmp_path), *options])
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_every_row_that_does_not_hold_has_advice(told: tuple[str, Path]) -> None:
    table = pd.read_csv(told[1] / "theory.csv", keep_default_na=False)
    found = table[table["subject"].str.startswith("toy, ")]
    assert found["subject"].nunique() == 7
    assert (found["advice"] != "").equals(found["verdict"] != Verdict.HOLDS)
    assert set(found["verdict"]) >= {Verdict.HOLDS, Verdict.FAILS}

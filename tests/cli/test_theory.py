"""`readsim theory`: the table, theory.csv and figures; what cannot be measured is said."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from readsim.cli.app import app
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.theory.result import Statement, Verdict

RUN = CliRunner()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command says of two worlds and two runs, and where it wrote."""
    folder = tmp_path_factory.mktemp("theory")
    logs, out = folder / "logs", folder / "out"
    cell = Cell("gateway", "math", 2_000_000, 5, "uniform", (0, 1))
    (logs / "runs").mkdir(parents=True)
    run_cell(cell, logs / "runs" / cell.file_name)
    words = ["--worlds", "gateway,conflict", "--seeds", "2", "--out", str(out)]
    done = RUN.invoke(app, ["theory", *words, "--runs", str(logs)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split()), out


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
    assert by[(Statement.LINEAR_UPDATES, "toy, sgd")] == "holds"
    assert by[(Statement.LINEAR_UPDATES, "toy, sign")] == "fails"
    assert by[(Statement.LOCAL_READOUT, "toy, greedy accuracy")] == "fails"
    assert by[(f"{Statement.CONCAVE_GAINS}: order-free", "gateway")] == "fails"
    assert by[(Statement.MARGINAL_GAINS, "conflict")] == "holds"
    assert by[(Statement.STATIC_DOMINANCE, "gateway")] == "fails"
    assert by[(Statement.STATIC_DOMINANCE, "conflict")] == "holds"
    assert by[(f"{Statement.STEP_REGRET}: any kappa", "gateway")] == "holds"
    assert {
        f"{Statement.CONCAVE_GAINS}: adds up",
        Statement.CALIBRATED,
        Statement.STEP_REGRET,
        Statement.ORDER_EFFECTS,
        Statement.PROXY,
    } <= set(table["statement"])
    for name in ("orders", "coverage", "marginals"):
        assert (out / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--worlds", "nowhere"], "nowhere"),
        (["--seeds", "x"], "seeds"),
        (["--runs", "missing", "--worlds", "gateway"], "missing"),
    ],
)
def test_wrong_input(options: list[str], said: str, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["theory", "--out", str(tmp_path), *options])
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_every_toy_row_has_advice(told: tuple[str, Path]) -> None:
    table = pd.read_csv(told[1] / "theory.csv", keep_default_na=False)
    found = table[table["subject"].str.startswith("toy, ")]
    assert found["subject"].nunique() == 7
    assert found["advice"].all()
    assert set(found["verdict"]) >= {Verdict.HOLDS, Verdict.FAILS}

"""`readsim theory`: the table, theory.csv and figures; what cannot be measured is said."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from readsim.cli.app import app
from readsim.runs.cell import Cell
from readsim.runs.grid import run_cell
from readsim.theory import all_checks as survey
from readsim.theory.result import Statement, Verdict

RUN = CliRunner()


def test_the_command(tmp_path: Path) -> None:
    logs = tmp_path / "logs" / "runs"
    logs.mkdir(parents=True)
    cell = Cell("gateway", "math", 2_000_000, 5, "uniform", (0, 1))
    run_cell(cell, logs / cell.file_name)
    out = tmp_path / "out"
    done = RUN.invoke(
        app,
        [
            "theory",
            "--worlds",
            "gateway,conflict",
            "--seeds",
            "2",
            "--out",
            str(out),
            "--runs",
            str(tmp_path / "logs"),
        ],
    )
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
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


def test_every_toy_row_has_advice() -> None:
    found = list(survey.check_toy_statements())
    assert len({r.subject for r in found}) == 7
    assert all(r.advice for r in found)
    assert {r.verdict for r in found} >= {Verdict.HOLDS, Verdict.FAILS}

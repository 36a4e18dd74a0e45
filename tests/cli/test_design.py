"""`readsim design` from the command line, `fit --prior`, and columns that say more than a mixture."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.cli import fit as fit_commands
from readsim.errors import ReadsimError
from readsim.fitting import law
from readsim.fitting.cross_validation import first_choice
from readsim.fitting.predict import forecast
from readsim.fitting.table import Options, read_run_table
from readsim.worlds import load_world
from tests.cli.test_fit import run, scores_file
from tests.support.made_fits import mixtures, write_csv


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(runs, world) of one quick fit."""
    folder = tmp_path_factory.mktemp("design")
    runs, world = scores_file(folder), folder / "w.toml"
    with pytest.MonkeyPatch.context() as patch:
        _quick(patch)
        run("fit", runs, "-o", world, "--tokens", "1M", "--items", "1000,alpha=2000")
    return runs, world


def _quick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        law, "cross_validate", lambda data, _, **__: first_choice(data.x.shape[1], not data.logs)
    )
    patch.setattr(fit_commands, "RESAMPLES", 4)
    patch.setattr(fit_commands, "MEMBERS", 1)
    patch.setattr(fit_commands, "_draw", lambda *_: [])


@pytest.mark.slow
@pytest.mark.parametrize("purpose", ["fit", "decision"])
def test_a_design_is_a_table_that_predict_reads(
    tmp_path: Path, fitted: tuple[Path, Path], purpose: str
) -> None:
    out = tmp_path / "next.csv"
    said = run("design", fitted[1], "-n", 5, "--for", purpose, "--max-share", "beta=0.4", "-o", out)
    assert "->" in said
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["run", "share:alpha", "share:beta", "share:gamma", "tokens"]
    assert len(rows) == 5
    assert max(float(r["share:beta"]) for r in rows) <= 0.4 + 1e-6
    assert {r["tokens"] for r in rows} == {"1000000"}
    again = tmp_path / "again.csv"
    run("design", fitted[1], "-n", 5, "--for", purpose, "--max-share", "beta=0.4", "-o", again)
    assert again.read_bytes() == out.read_bytes()
    made = forecast(load_world(str(fitted[1])), out)
    assert len(made.label) == 5


def test_predict_adds_utility_and_says_where_the_average_is_missing(
    tmp_path: Path, fitted: tuple[Path, Path]
) -> None:
    runs, world = fitted
    out = tmp_path / "p.csv"
    said = run("predict", world, runs, "-o", out, "--task", "average", "--measured", runs)
    assert "in their 95 % interval" in said
    with out.open(newline="", encoding="utf-8") as file:
        rows = [{k: float(v) for k, v in r.items() if k != "run"} for r in csv.DictReader(file)]
    for row in rows:
        mean = 0.5 * (row["score:alpha"] + row["score:other"])
        assert row["utility"] == pytest.approx(mean)
        assert row["utility_low"] < mean < row["utility_high"]
    lone = tmp_path / "lone.toml"
    lone.write_bytes(world.read_bytes())
    said = run("predict", lone, runs, "-o", out)
    assert "is not there: the shared-curves law alone predicts" in " ".join(said.split())
    with out.open(newline="", encoding="utf-8") as file:
        assert "score:alpha_low" in next(csv.reader(file))


@pytest.mark.slow
def test_a_prior_is_trusted_as_far_as_it_goes(
    tmp_path: Path, fitted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    few = scores_file(tmp_path, n=10)
    said = run("fit", few, "-o", tmp_path / "w.toml", "--tokens", "1M", "--prior", fitted[1])
    assert "trust in the prior: alpha" in said.replace("\n", " ")
    assert "trust in the prior" in load_world(str(tmp_path / "w.toml")).provenance["average"]
    run("predict", tmp_path / "w.toml", few, "-o", tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trust": "0.5"}, "there is no --prior to trust"),
        ({"trust": "much", "prior": "gateway"}, "auto, or a number from 0 to 1"),
        ({"items": "many"}, "a number, or name=number"),
        ({"items": "0"}, "at least 1"),
        ({"items": "alhpa=5"}, "did you mean 'alpha'"),
        ({"items": "alpha=5"}, "not for 'score:other'"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, str], message: str) -> None:
    none = dict.fromkeys(("sources", "targets", "key", "lower_is_better", "size", "prior", "items"))
    given: dict[str, Any] = {
        **none,
        "tokens": "1M",
        "tolerance": 0.01,
        "trust": "auto",
        "seed": 0,
        **options,
    }
    with pytest.raises(ReadsimError, match=message):
        fit_commands.fit(scores_file(tmp_path), None, tmp_path / "w.toml", **given)


def test_columns_of_items_and_chosen_rows(tmp_path: Path) -> None:
    head = ("share:a", "share:b", "share:c", "score:x", "score:y", "items", "items:y", "chosen")
    rows = [
        (*np.round(s, 4), 50 + i, 60 - i, 100, 40 + i, i % 2) for i, s in enumerate(mixtures(6))
    ]
    runs = read_run_table(write_csv(tmp_path / "r.csv", head, rows), None, Options(budget=1e6))
    assert runs.capabilities == ("x", "y")
    assert runs.items is not None
    assert runs.chosen is not None
    assert runs.items.tolist() == [[100.0, 40.0 + i] for i in range(6)]
    assert runs.chosen.tolist() == [bool(i % 2) for i in range(6)]
    rows[2] = (*rows[2][:-1], "perhaps")
    with pytest.raises(ReadsimError, match=r"line 4.*'perhaps'"):
        read_run_table(write_csv(tmp_path / "r.csv", head, rows), None, Options(budget=1e6))


@pytest.mark.slow
def test_budgets_far_from_the_runs_are_refused_and_the_best_mixture_is_shown(
    tmp_path: Path, fitted: tuple[Path, Path]
) -> None:
    out = tmp_path / "next.csv"
    with pytest.raises(ReadsimError, match=r"--budgets 50 tokens: .* write 50M for 50 million"):
        run("design", fitted[1], "-n", 2, "--budgets", "50", "-o", out)
    assert not out.exists()
    said = " ".join(run("worlds", fitted[1], "--task", "average").split())
    assert "best mixture of 1M tokens for average" in said
    assert " uniform (" in said
    assert " nearest measured run (" in said

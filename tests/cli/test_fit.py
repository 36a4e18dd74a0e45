"""`readsim fit` and `readsim predict` from the command line, and what they leave on disk."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from readsim.allocators.registry import load_allocator
from readsim.cli import fit as fit_commands
from readsim.cli.app import app
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, ReadsimError
from readsim.fitting import law
from readsim.fitting.cross_validation import first_choice
from readsim.fitting.diagnostics import compare_columns
from readsim.fitting.law import fit_law
from readsim.fitting.write import Trained
from readsim.report.world.spread import held_out_error
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.logs_for_fit import fit_table
from readsim.runs.loop import rollout
from readsim.worlds import load_world
from tests.support.made_fits import known_world, mixtures, write_csv
from tests.support.paths import SHARED

CLI = CliRunner()


def quick(patch: pytest.MonkeyPatch) -> None:
    """One candidate, few resamples: what is chosen is tested in test_fit_law."""
    patch.setattr(
        law, "cross_validate", lambda data, _, **__: first_choice(data.x.shape[1], not data.logs)
    )
    patch.setattr(fit_commands, "RESAMPLES", 6)
    patch.setattr(fit_commands, "MEMBERS", 2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """(runs, world, what was said) of one fit, for all tests of this file."""
    folder = tmp_path_factory.mktemp("fit")
    runs, world = scores_file(folder), folder / "out" / "mine.toml"
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        return runs, world, run("fit", runs, "-o", world, "--tokens", "1M")


def scores_file(tmp_path: Path, n: int = 24, key: bool = True) -> Path:
    """Points of the known world, with a little noise."""
    shares, rng = mixtures(n), np.random.default_rng(2)
    profile = known_world(losses=False).profile_after([shares * 1e6])
    points = 100 * np.clip(profile + 0.005 * rng.standard_normal(profile.shape), 0, 1)
    rows = [
        (*((f"run{i}",) if key else ()), *np.round(s, 6), *np.round(p, 4))
        for i, (s, p) in enumerate(zip(shares, points, strict=True))
    ]
    head = (*(("run",) if key else ()), "share:alpha", "share:beta", "share:gamma")
    return write_csv(tmp_path / "runs.csv", (*head, "score:alpha", "score:other"), rows)


def run(*arguments: object) -> str:
    """The output of a command that must succeed."""
    done = CLI.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def table_of(path: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_report_of_a_fitted_world_has_its_errors_and_effects(
    tmp_path: Path, fitted: tuple[Path, Path, str]
) -> None:
    path = fitted[1]
    run("worlds", path, "--report", "--out", tmp_path, "--task", "average")
    page = (tmp_path / "sliders.html").read_text(encoding="utf-8")
    assert "the error that the fit made on runs it had not seen" in page
    told = [float(row["held_out_rmse"]) for row in table_of(path.parent / "mine.fit.csv")]
    error = held_out_error(load_world(path))
    assert error is not None
    assert 100 * error == pytest.approx(told, rel=0.5)  # of the page's law, beside the average's
    shown = table_of(tmp_path / "tables" / "report-effects.csv")
    for own, row in zip(shown, table_of(path.parent / "mine.effects.csv"), strict=True):
        assert (own["source"], own["capability"]) == (row["source"], row["capability"])
        numbers = [float(row[key]) for key in ("effect_of_1_percent", "low", "high")]
        told = [float(own[key]) for key in ("effect", "low", "high")]
        assert told == pytest.approx(numbers, abs=1e-6)


def test_fit_then_predict(tmp_path: Path, fitted: tuple[Path, Path, str]) -> None:
    runs, path, said = fitted
    assert "held out" in said
    assert f"mine-residuals.svg are in {path.parent.resolve()}" in " ".join(said.split())
    assert "the start of alpha, other is not identified" in said
    world = load_world(path)
    assert world.sources == ("alpha", "beta", "gamma")
    assert world.horizon == 1e6
    assert world.provenance["unit"] == "points"
    assert "runs.csv: 24 rows" in world.provenance["data"]
    made = sorted(p.name for p in path.parent.iterdir())
    assert made == [
        "mine-predicted.pdf",
        "mine-predicted.png",
        "mine-predicted.svg",
        "mine-residuals.pdf",
        "mine-residuals.png",
        "mine-residuals.svg",
        "mine.average.npz",
        "mine.effects.csv",
        "mine.fit.csv",
        "mine.toml",
    ]
    for name in ("predicted", "residuals"):
        assert "Rows of runs.csv." in (path.parent / f"mine-{name}.svg").read_text()
    rows = table_of(path.parent / "mine.fit.csv")
    assert all(float(r["held_out_r2"]) > 0.9 for r in rows)
    assert {r[c] for r in rows for c in ("start", "bound")} == {"not identified"}  # one budget
    assert world.provenance["not_identified"] == "start of alpha, other; ceiling of alpha, other"
    assert len(table_of(path.parent / "mine.effects.csv")) == 6

    out = tmp_path / "predictions.csv"
    said = run("predict", path, runs, "-o", out, "--measured", runs)
    assert "mean Spearman" in said
    predicted, measured = table_of(out), table_of(runs)
    ends = [f"score:{c}_{end}" for end in ("low", "high") for c in ("alpha", "other")]
    mixture = ["tokens", *(f"share_{source}" for source in world.sources)]
    assert list(predicted[0]) == ["run", *mixture, "score:alpha", "score:other", *ends]
    assert all(float(p["score:other_low"]) < float(p["score:other_high"]) for p in predicted)
    assert {float(p["tokens"]) for p in predicted} == {world.horizon}
    for p, m in zip(predicted, measured, strict=True):
        assert p["run"] == m["run"]
        assert float(p["score:other"]) == pytest.approx(float(m["score:other"]), abs=2.5)


def test_predict_goes_by_names(tmp_path: Path, fitted: tuple[Path, Path, str]) -> None:
    world = fitted[1]
    one = write_csv(tmp_path / "a.csv", ("alpha", "beta", "gamma"), [(0.2, 0.3, 0.5)])
    two = write_csv(
        tmp_path / "b.csv", ("share:gamma", "share:alpha", "share:beta"), [(0.5, 0.2, 0.3)]
    )
    results = []
    for path in (one, two):
        run("predict", world, path, "-o", tmp_path / "p.csv")
        results.append(table_of(tmp_path / "p.csv"))
    assert results[0] == results[1]
    assert results[0][0]["line"] == "2"
    said = run("predict", world, one, "-o", tmp_path / "p.csv", "--tokens", "50M")
    assert "WARNING: 1 of 1 rows have budgets" in said
    far = write_csv(tmp_path / "c.csv", ("alpha", "beta", "gamma"), [(1, 0, 0)])
    assert "shares outside" in run("predict", world, far, "-o", tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("alpha,beta,gama", (0.2, 0.3, 0.5), "no column for source 'gamma'; did you mean 'gama'"),
        ("alpha,beta,gamma,alhpa", (0.2, 0.3, 0.5, 0), "'alhpa'; did you mean 'alpha'"),
        ("alpha,beta,gamma,beta", (0.2, 0.3, 0.5, 0), "'beta' appears twice"),
        ("alpha,beta,gamma", (0.2, 0.3, 0.7), r"line 2.*sum to 1\.2"),
        ("alpha,beta,gamma,tokens", (0.2, 0.3, 0.5, "many"), "'many' is not a number of tokens"),
    ],
)
def test_mixtures_that_cannot_be_read(
    tmp_path: Path, header: str, row: tuple[object, ...], message: str
) -> None:
    from readsim.fitting.predict import forecast
    from readsim.worlds import save_world

    save_world(known_world(), tmp_path / "w.toml")
    path = write_csv(tmp_path / "m.csv", header.split(","), [row])
    with pytest.raises(ReadsimError, match=message):
        forecast(load_world(tmp_path / "w.toml"), path, 1e6)


@pytest.mark.slow
def test_a_handful_of_rows_is_fitted_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_commands, "_draw", lambda *_: [])
    said = run(
        "fit", scores_file(tmp_path, n=5, key=False), "-o", tmp_path / "w.toml", "--tokens", "1M"
    )
    assert "few" in said
    assert np.isfinite(load_world(tmp_path / "w.toml").start).all()


def test_settings_that_contradict(tmp_path: Path) -> None:
    runs = scores_file(tmp_path)
    none: dict[str, Any] = dict.fromkeys(
        ("sources", "targets", "key", "lower_is_better", "size", "tokens")
    )
    for path, out, more, message in (
        (runs, "w.txt", {}, "world file ends"),
        (runs, "w.toml", {"tokens": "lots"}, "number of tokens"),
        (runs, "w.toml", {"tolerance": 0.7}, "tolerance"),
        (tmp_path, "w.toml", {"key": "run"}, "run logs need no second file"),
        (tmp_path, "w.toml", {}, "no run logs"),
    ):
        settings: dict[str, Any] = {**none, "tolerance": 0.01, "seed": 0, **more}
        with pytest.raises(ReadsimError, match=message):
            fit_commands.fit(path, None, tmp_path / out, **settings)


@pytest.mark.slow
def test_a_world_fitted_to_its_own_logs(tmp_path: Path) -> None:
    world = "random:seed=3,capabilities=3"
    cells = make_cells(
        world,
        budgets=[20_000_000],
        steps=8,
        allocators=["random", "uniform"],
        seeds=(0, 1, 2),
    )
    for cell in cells:
        run_cell(cell, tmp_path / "runs" / cell.file_name)
    runs = fit_table(tmp_path)
    assert len(runs.tokens) == len(cells) * 3 * (8 + 1)
    assert len(set(runs.groups)) == 3 + 1  # the three runs of `uniform` are repeats of one mixture
    assert not runs.tokens[0].any()
    made = fit_law(
        runs.tokens,
        runs.profiles,
        sources=runs.sources,
        capabilities=runs.capabilities,
        scores=True,
        groups=runs.groups,
        folds=0,
        members=2,
    )
    truth = load_world(world)
    tokens = mixtures(30, 4, truth.shape[0]) * 2e7
    error = made.predict(tokens) - truth.profile_after([tokens])
    assert np.sqrt((error**2).mean()) < 0.04
    log = sorted((tmp_path / "runs").glob("*.jsonl"))[0]
    said = run("fit", log, "-o", tmp_path / "w.toml")
    assert "WARNING" in said


def test_a_rectangular_fit_goes_through_the_environment(fitted: tuple[Path, Path, str]) -> None:
    world = load_world(fitted[1])
    envs = [DistillEnv(world, "other", 1_000_000, steps=5) for _ in range(2)]
    rows, _ = rollout(envs, load_allocator("oracle-static"), [0, 1])
    best = max(r["utility"] for r in rows if r["kind"] == "final")
    rows, _ = rollout(envs, load_allocator("uniform"), [0, 1])
    assert best > max(r["utility"] for r in rows if r["kind"] == "final")


def test_quality_by_hand() -> None:
    predicted, measured = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [5.0]])
    [q] = compare_columns(predicted, measured, ("a",))
    assert q.rmse == pytest.approx((4 / 3) ** 0.5)
    assert q.spearman == pytest.approx(1.0)
    assert q.r2 == pytest.approx(1 - (4 / 3) / (26 / 9))


def test_aioli_graphs_come_back() -> None:
    from studies.aioli.graphs import FILE, TOKENS, fit, load

    path = SHARED / "aioli" / FILE.name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    graphs = load(path)
    matrix = fit(graphs).world.transfer_matrix(TOKENS)
    spread = graphs.drop.std(axis=0, ddof=1)
    assert (np.abs(matrix - graphs.drop.mean(axis=0)) < spread).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("token_range", v) for v in ("[null, 1]", "[2, 1]", "[1]", "7", "[NaN, 1]", "odd")),
        ("token_range", f"[1, {10**400}]"),
        *(("share_range", v) for v in ("[]", '[["a", "b"]]', "{}", "[" * 3000)),
        *(("error_rates", v) for v in ('["nothing"]', "[3]", "7")),
        ("unit", "furlongs"),
    ],
)
def test_odd_provenance_of_a_fitted_world_is_refused(
    fitted: tuple[Path, Path, str], key: str, value: str
) -> None:
    world = load_world(fitted[1])
    with pytest.raises(ConfigError, match=r"^provenance of world"):
        Trained.of_world(world.replace(provenance={**world.provenance, key: value}))

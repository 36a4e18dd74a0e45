"""The command line as a person meets it: output, files, and what a mistake gets."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.allocators.static import Uniform
from readsim.cli import app as cli
from readsim.worlds import load_world
from tests.support.made_logs import write_comparison
from tests.support.paths import ROOT

SMALL = ("--tasks", "skill_0", "--budgets", "1M", "--steps", "4", "--seeds", "2", "--jobs", "1")
CHEAP = ("--allocators", "uniform,task-static,random,oracle-static")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `readsim ARGUMENTS`."""
    before = sys.argv
    sys.argv = ["readsim", *arguments]
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.argv = before
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERMINAL_WIDTH", "140")
    monkeypatch.chdir(tmp_path)


def test_compare_writes_tables_logs_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "compare", "--world", "random", *SMALL, *CHEAP, "--out", "here")
    assert code == 0
    for name in ("uniform", "task-static", "random", "oracle-static"):
        assert name in out
    folder = Path("here")
    table = pd.read_csv(folder / "results.csv")
    assert len(table) == 8
    assert set(table["seed"]) == {0, 1}
    assert len(list((folder / "runs").glob("*.jsonl"))) == 4
    for figure in ("utility", "allocation", "spillover"):
        assert (folder / f"{figure}.png").stat().st_size > 5000
        assert (folder / f"{figure}.pdf").stat().st_size > 2000
    assert load_world(folder / "world.toml").name == load_world("random").name


def test_the_same_command_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    command = ("compare", "--world", "random", *SMALL, *CHEAP, "--out", "here")
    call(capsys, *command)
    names = ("results.csv", "timings.csv", "summary.csv")
    before = [(Path("here") / name).read_bytes() for name in names]
    code, _, _ = call(capsys, *command)
    assert code == 0
    assert [(Path("here") / name).read_bytes() for name in names] == before


@pytest.mark.slow
def test_results_do_not_depend_on_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    base = [a for a in SMALL if a not in ("--jobs", "1")]
    for jobs in ("1", "2"):
        call(capsys, "compare", "--world", "random", *base, *CHEAP, "--jobs", jobs, "--out", jobs)
    assert Path("1/results.csv").read_bytes() == Path("2/results.csv").read_bytes()


def test_a_folder_of_another_comparison_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "compare", "--world", "random", *SMALL, *CHEAP, "--out", "here")
    before = {p: p.read_bytes() for p in Path("here").rglob("*") if p.is_file()}
    code, _, err = call(
        capsys, "compare", "--world", "random", *SMALL, "--allocators", "uniform", "--out", "here"
    )
    assert code == 2
    assert "another comparison" in err
    code, _, err = call(
        capsys, "compare", "--world", "random:seed=9", *SMALL, *CHEAP, "--out", "here"
    )
    assert code == 2
    assert "another world" in err
    assert {p: p.read_bytes() for p in Path("here").rglob("*") if p.is_file()} == before


def test_an_effects_table_is_a_world(capsys: pytest.CaptureFixture[str]) -> None:
    Path("effects.csv").write_text(
        "# tokens = 1M\n# start = 0.4\n# ceiling = 0.9\n# unit = shares\n"
        "source,a,b\nx,0.1,-0.05\ny,0.0,0.2\nz,-0.1,0.1\n"
    )
    code, out, _ = call(
        capsys,
        *("compare", "--world", "effects.csv", "--budgets", "1M", "--steps", "4", "--seeds", "2"),
        *(*CHEAP, "--jobs", "1", "--out", "here"),
    )
    assert code == 0
    assert "oracle-static" in out


def test_what_an_effects_table_does_not_say_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bare.csv").write_text("source,a,b\nx,8,-2\ny,0,5\n", encoding="utf-8")
    for command in (("worlds", "bare.csv"), ("compare", "--world", "bare.csv")):
        code, _, err = call(capsys, *command)
        assert code == 2
        for option in ("--tokens", "--start", "--ceiling", "--unit"):
            assert option in err
    said = ("--tokens", "20M", "--start", "40,30", "--ceiling", "90", "--unit", "points")
    assert call(capsys, "worlds", "bare.csv", *said, "--save", "bare.toml")[0] == 0
    world = load_world("bare.toml")
    assert world.start.tolist() == [0.4, 0.3]
    assert world.transfer_matrix(20e6) == pytest.approx(np.array([[0.08, -0.02], [0.0, 0.05]]))
    for wrong, message in (
        (("worlds", "gateway", "--unit", "points"), "--unit is for a .csv of effects"),
        (("worlds", "--start", "0.4"), "--start needs the name of a world"),
        (("worlds", "bare.csv", "--start", "a"), "--start: 'a': expected numbers"),
    ):
        code, _, err = call(capsys, *wrong)
        assert code == 2
        assert message in err


def test_run_and_plot(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(
        capsys,
        *("run", "--world", "random", "--allocator", "uniform", "--budget", "2M", "--steps", "5"),
        *("--out", "logs/one.jsonl"),
    )
    assert code == 0
    assert "2M" in out
    assert Path("logs/one.jsonl").is_file()
    call(capsys, "compare", "--world", "random", *SMALL, *CHEAP, "--out", "here")
    Path("here/utility.png").unlink()
    assert call(capsys, "plot", "here")[0] == 0
    assert Path("here/utility.png").is_file()


def test_plot_draws_every_world_of_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for world in ("first", "second"):
        write_comparison(tmp_path / world, ("uniform", "task-static"), tasks=["math"])
    code, out, _ = call(capsys, "plot", str(tmp_path))
    assert code == 0
    for world in ("first", "second"):
        assert (tmp_path / world / "utility.png").is_file()
    assert len(out.split()) == 18  # three figures in three formats of each
    assert not (tmp_path / "utility.png").exists()


def test_worlds_writes_a_report_with_sliders(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(capsys, "worlds", "gateway", "--save", "mine.toml")[0] == 0
    command = ("worlds", "mine.toml", "--report", "--out", "page", "--budget", "1M")
    code, out, _ = call(capsys, *command, "--task", "average")
    assert code == 0
    assert "sliders.html" in out
    assert (tmp_path / "page" / "report.html").is_file()
    assert (tmp_path / "page" / "sliders.html").is_file()
    for wrong, said in (
        (("worlds", "gateway", "--out", "page"), "--out needs --report"),
        (("worlds", "--report"), "--report needs the name of a world"),
        (("worlds", "prior", "--report"), "--report is for a world, not for a prior"),
        ((*command, "--task", "averag"), "average"),
        ((*command, "--out", "mine.toml"), "is not a folder"),
        (("worlds", "nano-measured", "--report", "--budget", "1M"), "horizon"),
    ):
        code, _, err = call(capsys, *wrong)
        assert code == 2, wrong
        assert said in err
    assert not (tmp_path / "world-report").exists()


def test_worlds_lists_shows_and_saves(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "worlds")
    assert code == 0
    for name in ("read8-llama", "artifact-toy", "gateway", "hidden-safety"):
        assert name in out
    code, out, _ = call(capsys, "worlds", "read8-llama")
    assert code == 0
    for text in ("steerability", "one-hot effects of 20M", "best static", "not verified"):
        assert text in out
    assert "terms of real runs" not in out
    code, out, _ = call(capsys, "worlds", "real-run")
    shown = " ".join(out.replace("│", " ").split())
    for said in (
        "overtraining_tokens general 400M",
        "worked steps, within 1M",
        "cosine learning rate",
    ):
        assert said in shown, said
    assert call(capsys, "worlds", "random:seed=3", "--save", "mine.toml")[0] == 0
    assert load_world("mine.toml").name == "random-3"


def test_worlds_shows_the_prior_and_saves_a_copy_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "worlds", "prior")
    shown = " ".join(out.replace("│", " ").split())
    assert code == 0
    for text in (
        "transfer",
        "0.4 to 0.54",
        "share of the pairs that harm",
        "1,027",
        "of 30% of worlds",
    ):
        assert text in shown, text
    assert call(capsys, "worlds", "prior", "--save", "mine.toml")[0] == 0
    file = Path("mine.toml")
    file.write_text(file.read_text("utf-8").replace("harm = [0.40, 0.54]", "harm = 1"), "utf-8")
    code, out, _ = call(capsys, "worlds", "prior=mine.toml")
    assert code == 0
    assert "harm 1 share of the pairs" in " ".join(out.replace("│", " ").split())
    assert call(capsys, "worlds", "random:prior=mine.toml,seed=2", "--save", "w.toml")[0] == 0
    assert load_world("w.toml").name == "broad-2"
    for wrong, said in (("prior=brod", "did you mean 'broad'"), ("prior=no.toml", "no.toml")):
        code, _, error = call(capsys, "worlds", wrong)
        assert code == 2
        assert said in error
    assert call(capsys, "worlds", "prior", "--save", "mine.json")[0] == 2


def test_allocators_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "allocators")
    assert code == 0
    assert "oracle-static" in out
    code, out, _ = call(capsys, "allocators", "sb3")
    assert code == 0
    assert "sb3 (readsim_rl.sb3:Sb3)" in out
    assert "sb3+path=model.zip" in out
    code, out, _ = call(capsys, "allocators", "read")
    assert code == 0
    for text in ("2605.11290", "kappa_decay", "0.7", "code"):
        assert text in out


def test_help_is_whole_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer, no name of an option and no summary is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    _, out, _ = call(capsys, "--help")
    names = [line.split()[0] for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert {"compare", "run", "advise"} <= set(names)
    for command in [(), *((name,) for name in names)]:
        code, out, _ = call(capsys, *command, "--help")
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        assert "…" not in out
        assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["compare", "--sedes", "3"], ["No such option", "--seeds"]),
        (["compare", "--world", "read8-lama"], ["'read8-lama'", "did you mean 'read8-llama'"]),
        (["compare", "--world", "absent.toml"], ["absent.toml", "no such file"]),
        (["compare", "--world", "random:sead=1"], ["'sead'", "did you mean 'seed'"]),
        (["compare", "--tasks", "mth"], ["unknown task 'mth'", "did you mean 'math'"]),
        (["compare", "--tasks", "math,,code"], ["--tasks", "separated by commas"]),
        (["compare", "--budgets", "20X"], ["'20X'", "such as 20M"]),
        (["compare", "--budgets", "-5"], ["'-5'", ">= 1"]),
        (["compare", "--budgets", "20M,20M"], ["each may appear once"]),
        (["compare", "--steps", "0"], ["steps = 0"]),
        (["compare", "--steps", "many"], ["--steps", "valid integer"]),
        (["compare", "--seeds", "0"], ["--seeds", "at least one"]),
        (["compare", "--seeds", "a"], ["--seeds 'a'"]),
        (["compare", "--allocators", "uniform,raed"], ["'raed'", "did you mean 'read'"]),
        (["compare", "--allocators", "no.such:Thing"], ["cannot import 'no.such'"]),
        (["compare", "--jobs", "0"], ["jobs = 0"]),
        (["run", "--budgt", "1M"], ["No such option", "--budget"]),
        (["run", "--allocator", "gready"], ["did you mean 'greedy'"]),
        (["worlds", "gatway"], ["did you mean 'gateway'"]),
        (["worlds", "--save", "x.toml"], ["needs the name"]),
        (["worlds", "random", "--save", "x.yaml"], ["x.yaml", ".toml or .json"]),
        (["allocators", "orcale-static"], ["did you mean 'oracle-static'"]),
        (["plot", "nowhere"], ["nowhere", "no run logs"]),
        (["comprae"], ["No such command", "compare"]),
    ],
)
def test_a_mistake_is_one_clear_message(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fragments: list[str]
) -> None:
    code, out, err = call(capsys, *arguments)
    assert code == 2
    for fragment in fragments:
        assert fragment in err, err
    assert "Traceback" not in out + err
    assert not list(Path.cwd().iterdir())  # nothing was begun


def test_the_installed_module_runs_as_a_program(tmp_path: Path) -> None:
    root = ROOT
    result = subprocess.run(
        [sys.executable, "-m", "readsim", "allocators", "uniform"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert "1/S" in result.stdout


class Foreign(Uniform):
    """A rule that tells no settings."""

    def __init__(self, gamma=0.9, *, floor_of=2):  # type: ignore[no-untyped-def]
        self.gamma, self.floor_of = gamma, floor_of


def test_a_foreign_allocator_shows_what_its_constructor_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = call(capsys, "allocators", "tests.cli.test_app:Foreign+gamma=0.7")
    assert code == 0
    rows = [line.split("│")[1:4] for line in out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row[:2]] for row in rows] == [
        ["gamma", "0.7"],
        ["floor_of", "2"],
    ]


def test_a_world_from_a_table_says_its_weights_and_how_far_it_is_beyond_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("effects.csv").write_text(
        "# tokens = 30M\n# start = 40\n# ceiling = 90\n# unit = points\n"
        "source,logic,chess\nlogic,14,-3\nchess,4,12\n",
        encoding="utf-8",
    )
    code, shown, _ = call(capsys, "worlds", "effects.csv")
    assert code == 0
    code, out, _ = call(capsys, "worlds", "effects.csv", "--report", "--out", "page")
    assert code == 0
    for name in ("report", "sliders"):
        assert str(Path("page", f"{name}.html")) in out
    assert call(capsys, "worlds", "effects.csv", "--save", "mine.toml")[0] == 0
    assert load_world("mine.toml").name == "mine"
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    _, best, _ = call(capsys, "worlds", "effects.csv", "--task", "logic", "--budget", "150M")
    for text in (shown, page):
        assert "logic 60%, chess 40%" in text
        assert "weights of readsim" in " ".join(text.split())
    for text in (shown, page, best):
        assert "at 150M the assumed curves alone speak" in " ".join(text.split())

"""`readsim run`: on a world, and on anybody's backend, killed, interrupted, resumed, reported."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.cli.common import need_target
from readsim.report.provenance import backend_command
from readsim.runs.cell import log_place
from readsim.runs.log_schema import read_content
from readsim.runs.read_logs import read_log
from tests.cli.test_app import call
from tests.support.foreign import HOLD
from tests.support.paths import ROOT
from tests.support.processes import python, wait_for

LEARNER = "tests.support.foreign:Learner"


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.delenv(HOLD, raising=False)
    monkeypatch.chdir(tmp_path)


def command(out: str, *more: str, allocator: str = "exp3") -> tuple[str, ...]:
    return (
        *("run", "--backend", LEARNER, "--allocator", allocator, "--budget", "3000"),
        *("--steps", "4", "--out", out, *more),
    )


def log(out: str, name: str = "exp3.average.3000.seed0.jsonl") -> tuple[Any, Any]:
    content = read_content(Path(out, "runs", name))
    return content.header, content.rows


@pytest.mark.slow
def test_any_backend_gets_log_table_figures_and_report(capsys: pytest.CaptureFixture[str]) -> None:
    for allocator in ("uniform", "task-static", "exp3"):
        code, out, _ = call(
            capsys,
            *command("here", "--task", "a=0.7,b=0.3", "--seeds", "2", allocator=allocator),
        )
        assert code == 0
        assert out.count("log: here/runs/") == 2
    name = next(Path("here/runs").glob("uniform.*.seed1.jsonl")).name
    header, rows = log("here", name)
    config = header["config"]
    assert config["world"] == f"backend:{LEARNER}"
    assert config["requirement"] == pytest.approx([0.7, 0.3])
    assert config["weights"] == pytest.approx([0.7, 0.3, 0.0])
    assert (config["capabilities"], config["hidden"]) == (["a", "b", "c"], ["c"])
    assert config["backend"]["manifest"] == {"kind": "learner", "rate": 0.4}
    assert [row["kind"] for row in rows] == ["start", *["step"] * 4, "final"]
    assert rows[-1]["totals"]["student"] == 3000
    assert not list(Path("here/runs").glob("*.state"))
    for words in (("plot", "here"), ("report", "here")):
        code, _, err = call(capsys, *words)
        assert code == 0, err
    assert Path("here/utility.png").is_file()
    page = Path("here/report.html").read_text()
    assert f"backend:{LEARNER}" in page
    assert f"readsim run --backend {LEARNER} --task a=0.7,b=0.3 --budget 3K --steps 4" in page
    assert all(name in page for name in ("uniform", "task-static", "exp3"))


def test_the_command_of_a_report_makes_the_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *command("here", "--task", "a=0.7,b=0.3", "--seeds", "3,"))[0] == 0
    (path,) = Path("here/runs").iterdir()
    read = read_log(path)
    rows = read_content(path).rows
    words = shlex.split(backend_command(read.header))
    assert call(capsys, *words[1:])[0] == 0
    (again,) = Path("again/runs").iterdir()
    assert read_content(again).rows == rows
    assert [row["seed"] for row in rows[:1]] == [3]


@pytest.mark.parametrize(("seeds", "over"), [("2", "items, from each run's own"), ("3", "seeds")])
def test_scores_of_any_backend(capsys: pytest.CaptureFixture[str], seeds: str, over: str) -> None:
    for allocator in ("uniform", "exp3"):
        code, _, _ = call(capsys, *command("here", "--seeds", seeds, allocator=allocator))
        assert code == 0
    code, out, err = call(capsys, "scores", "here", "--reference", "uniform")
    assert code == 0, err
    assert f"{seeds} seed(s); intervals are over {over}" in " ".join(out.split())
    finals = {}
    for allocator in ("uniform", "exp3"):
        paths = sorted(Path("here/runs").glob(f"{allocator}.*"))
        finals[allocator] = np.mean([read_content(path).rows[-1]["utility"] for path in paths])
    assert f"{100 * finals['exp3']:.1f}" in out
    assert f"{100 * (finals['exp3'] - finals['uniform']):+.1f}" in out


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, *command("whole"))[0] == 0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with python("-m", "readsim", *command("run"), env={HOLD: "2"}, **quiet) as killed:
        logs = Path("run/runs")
        wait_for(
            lambda: any(p.read_bytes().count(b"\n") == 4 for p in logs.glob("*.jsonl")), killed
        )
    assert log("run")[1] == log("whole")[1][:3]
    code, _, err = call(capsys, *command("run"))
    assert code == 2
    assert "--resume" in err
    assert call(capsys, *command("run", "--resume"))[0] == 0
    assert log("run")[1] == log("whole")[1]
    before = Path("run/runs/exp3.average.3000.seed0.jsonl").read_bytes()
    assert call(capsys, *command("run", "--resume"))[0] == 0  # nothing is left to do
    assert Path("run/runs/exp3.average.3000.seed0.jsonl").read_bytes() == before


def test_ctrl_c_says_how_to_resume(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOLD, "stop 2")
    code, _, err = call(capsys, *command("run", "--seeds", "2"))
    assert code == 130
    assert "the same command with --resume resumes the run" in err
    monkeypatch.delenv(HOLD)
    code, out, _ = call(capsys, *command("run", "--seeds", "2", "--resume"))
    assert code == 0
    told = " ".join(out.split())
    assert "resumes after decision 2 of 4" in told
    assert "nothing to resume here" in told  # the run of the other seed had not begun
    _, out, _ = call(capsys, *command("run", "--seeds", "2", "--resume"))
    assert " ".join(out.split()).count("all 4 decisions are made already") == 2
    assert "resume" not in call(capsys, *command("whole", "--seeds", "2"))[1]
    for seed in (0, 1):
        name = f"exp3.average.3000.seed{seed}.jsonl"
        assert log("run", name)[1] == log("whole", name)[1]


@pytest.mark.parametrize(
    "left", [b"", b'{"kind":"hea', b'{"kind":"header","schema":1', "header alone"]
)
def test_a_log_that_was_killed_before_its_first_row_starts_again(
    capsys: pytest.CaptureFixture[str], left: bytes | str
) -> None:
    assert call(capsys, *command("run"))[0] == 0
    path = Path("run/runs/exp3.average.3000.seed0.jsonl")
    whole = path.read_bytes().split(b"\n", 1)
    path.write_bytes(whole[0] + b"\n" if isinstance(left, str) else left)
    assert call(capsys, *command("run", "--resume"))[0] == 0
    assert path.read_bytes().split(b"\n", 1)[1] == whole[1]


@pytest.mark.parametrize("text", ["my notes", "my notes\n", ""])
def test_a_file_that_is_no_log_is_left_alone(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("mine.jsonl").write_text(text)
    code, _, _ = call(capsys, *command("mine.jsonl", "--resume"))
    assert (code, Path("mine.jsonl").read_text()) == (2, text) if text else (code == 0)


def test_the_state_of_a_log_that_was_removed_is_not_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOLD, "stop 2")
    assert call(capsys, *command("run"))[0] == 130
    monkeypatch.delenv(HOLD)
    Path("run/runs/exp3.average.3000.seed0.jsonl").unlink()
    assert call(capsys, *command("run", "--resume"))[0] == 0
    assert call(capsys, *command("whole"))[0] == 0
    assert log("run")[1] == log("whole")[1]


def test_another_backend_is_not_continued(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOLD, "stop 2")
    assert call(capsys, *command("one.jsonl"))[0] == 130
    monkeypatch.delenv(HOLD)
    other = [w if w != LEARNER else f"{LEARNER}+rate=0.9" for w in command("one.jsonl", "--resume")]
    code, _, err = call(capsys, *other)
    assert code == 2
    assert "backend.manifest.rate is 0.4 in the log, 0.9 now" in err
    assert call(capsys, *command("one.jsonl", "--resume"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--backend", "tests.support.foreign:Larner"], ["Larner", "did you mean 'Learner'"]),
        (["--backend", "no.such:thing"], ["cannot import 'no.such'"]),
        (["--backend", "learner"], ["'learner'", "module:factory"]),
        (["--backend", "tests.support.foreign:nothing"], ["None", "a class or a function"]),
        (["--backend", "tests.support.foreign:Half"], ["Half", "run_interval", "final_eval"]),
        (["--backend", "builtins:dict"], ["dict", "a class without reset, run_interval"]),
        (["--backend", f"{LEARNER}+speed=2"], ["speed", "rate"]),
        (["--backend", LEARNER, "--world", "random"], ["--world 'random'", "--backend"]),
        (["--backend", LEARNER, "--task", "d"], ["unknown task 'd'"]),
        (["--backend", LEARNER, "--task", "a=x"], ["a=x", "CAPABILITY=SHARE"]),
        (["--backend", LEARNER, "--allocator", "oracle-static"], ["needs 'world'"]),
        (["--backend", LEARNER, "--out", "x.jsonl", "--seeds", "2"], ["x.jsonl", "a folder"]),
    ],
)
def test_a_mistake_is_one_clear_message(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fragments: list[str]
) -> None:
    code, out, err = call(capsys, "run", "--allocator", "uniform", *arguments)
    assert code == 2
    for fragment in fragments:
        assert fragment in err, err
    assert "Traceback" not in out + err
    assert not list(Path.cwd().iterdir())  # nothing was begun


def test_a_factory_in_the_current_folder_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """An installed command does not look there by itself."""
    Path("mine.py").write_text("from tests.support.foreign import Learner as Made\n")
    code = "import sys; sys.path.remove(''); sys.path.append(sys.argv.pop(1)); "
    code += "from readsim.cli.app import main; main()"
    words = ["run", "--backend", "mine:Made", "--allocator", "uniform", "--budget", "100"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), *words, "--out", "x.jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_content(Path("x.jsonl")).header["config"]["world"] == "backend:mine:Made"


def test_a_world_s_run_in_a_folder_is_plotted_and_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--world", "random", "--budget", "1M", "--steps", "3", "--seeds", "2", "--out", "here")
    for more in (("--allocator", "uniform"), ("--allocator", "task-static")):
        assert call(capsys, "run", *words, *more, "--task", "skill_0=2,skill_1=1")[0] == 0
    assert len(list(Path("here/runs").glob("*.jsonl"))) == 2
    assert call(capsys, "plot", "here")[0] == 0
    assert call(capsys, "report", "here")[0] == 0


def test_where_a_log_is(tmp_path: Path) -> None:
    assert log_place(Path("a/run.jsonl"), "x.jsonl") == Path("a/run.jsonl")
    assert log_place(Path("a/v1.2"), "x.jsonl") == Path("a/v1.2/runs/x.jsonl")
    (tmp_path / "old").write_text("")
    assert log_place(tmp_path / "old", "x.jsonl") == tmp_path / "old"


def test_no_file_appears_where_one_is_only_going_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waits for its shares would read an empty file."""
    target, opened = tmp_path / "new" / "shares.json", []
    to_open = Path.open

    def noting(path: Path, *arguments: Any, **settings: Any) -> Any:
        opened.append(path)
        return to_open(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", noting)
    need_target(target)
    assert target not in opened
    assert not target.parent.exists()
    target.parent.mkdir()
    target.write_text("kept")
    need_target(target)
    assert opened.count(target) > 0
    assert target.read_text() == "kept"
    assert [p.name for p in target.parent.iterdir()] == ["shares.json"]

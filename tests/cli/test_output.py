"""A console that lacks letters, a reader who leaves, a full disk: the files are there all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPT = Path(sys.executable).with_name("readsim")
COMPARE = (
    *("compare", "--world", "gateway", "--tasks", "math", "--budgets", "1M", "--steps", "1"),
    *("--seeds", "2", "--allocators", "uniform,task-static", "--jobs", "1", "--out", "o"),
)
WHOLE = {"results.csv", "summary.csv", "utility.svg"}
OWN = """
from readsim import Allocator
class Follow(Allocator):
    def init(self, setup): return setup.prior
    def select(self, state, context): return state
    def update(self, state, transition): return state
"""


def ran(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """The installed command, from a folder outside the clone."""
    if not SCRIPT.exists():
        pytest.skip("the console script is not installed beside this Python")
    command = [str(SCRIPT), *(arguments or COMPARE)]
    there = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | settings
    return subprocess.run(
        command,
        cwd=folder,
        env=there,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp437", "TERM": "dumb", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONSAFEPATH": "1"},
        {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "HOME": "/nope", "TMPDIR": "/nope"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_no_console_loses_a_comparison(settings: dict[str, str], tmp_path: Path) -> None:
    done = ran(tmp_path, **settings)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert {path.name for path in (tmp_path / "o").iterdir()} >= WHOLE


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell's words")
@pytest.mark.parametrize(
    ("end", "code"), [("| true", 0), ("2>&1 | true", 0), (">&-", 0), (">/dev/full", 2)]
)
def test_no_reader_loses_a_comparison(end: str, code: int, tmp_path: Path) -> None:
    if not SCRIPT.exists() or not Path("/dev/full").exists():
        pytest.skip("needs the console script and /dev/full")
    line = f"set -o pipefail; {SCRIPT} {' '.join(COMPARE)} {end}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert {path.name for path in (tmp_path / "o").iterdir()} >= WHOLE


@pytest.mark.slow
def test_the_script_and_its_workers_find_a_module_beside_them(tmp_path: Path) -> None:
    assert not tmp_path.is_relative_to(ROOT)
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    more = [{"1": "2", "uniform,task-static": "mine:Follow,uniform"}.get(p, p) for p in COMPARE]
    done = ran(tmp_path, *more, PYTHONSAFEPATH="1")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "o" / "runs").glob("*Follow*.jsonl"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a current folder")
def test_a_current_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"rmdir ../gone && {SCRIPT} worlds"
    done = subprocess.run(
        ["bash", "-c", line], cwd=gone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "the current folder no longer exists" in " ".join(done.stderr.split())

"""The tutorial of studies/README.md: every file and command of it, in order, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hf import NEEDS
from tests.support.paths import ROOT

TEXT = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")
SKIP = "<!-- not run by the test -->\n"
BLOCK = re.compile(r"```(\w+)(?: title=(\S+))?\n(.*?)```", flags=re.DOTALL)
STARTS = {  # what the parser of a shell would call
    "readsim": [sys.executable, "-m", "readsim"],
    "python": [sys.executable],
}


def blocks() -> list[tuple[str, str, str]]:
    """(language, title, text) of each block, but those that install."""
    shown = re.sub(SKIP + r"```.*?```", "", TEXT, flags=re.DOTALL)
    return [(m[1], m[2] or "", m[3]) for m in BLOCK.finditer(shown)]


def test_it_has_every_step() -> None:
    titles = {title for _, title, _ in blocks() if title}
    assert titles == {"mine.py", "test_mine.py", "effects.csv"}
    said = " ".join(text for language, _, text in blocks() if language == "sh")
    for command in ("compare", "worlds", "theory", "report", "distill"):
        assert f"readsim {command}" in said


@pytest.mark.extra(*NEEDS)
@pytest.mark.slow
def test_each_command_runs(tmp_path: Path) -> None:
    paths = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "adapters")))
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "", "COLUMNS": "120"}
    for language, title, text in blocks():
        if title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        elif language == "sh":
            for line in text.splitlines():
                first, *rest = shlex.split(line)
                done = subprocess.run(
                    [*STARTS[first], *rest],
                    cwd=tmp_path,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "second" / "report.html").stat().st_size > 10_000
    assert list((tmp_path / "real" / "runs").glob("*.jsonl"))

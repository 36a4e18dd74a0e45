"""The tutorials: every file and command of them, in order, as a reader would."""

from pathlib import Path

import pytest

from tests.support.hf import NEEDS
from tests.support.paths import ROOT
from tests.support.tutorial import blocks, run_tutorial

STUDIES = ROOT / "studies" / "README.md"


def test_it_has_every_step() -> None:
    assert {title for _, title, _ in blocks(STUDIES) if title} == {
        "mine.py",
        "test_mine.py",
        "effects.csv",
    }
    said = " ".join(text for language, _, text in blocks(STUDIES) if language == "sh")
    for command in ("compare", "worlds", "theory", "report", "distill"):
        assert f"readsim {command}" in said


@pytest.mark.extra(*NEEDS)
@pytest.mark.slow
def test_each_command_runs(tmp_path: Path) -> None:
    run_tutorial(STUDIES, tmp_path)
    assert (tmp_path / "second" / "report.html").stat().st_size > 10_000
    assert list((tmp_path / "real" / "runs").glob("*.jsonl"))


@pytest.mark.extra(*NEEDS, "accelerate", "datasets", "trl")
@pytest.mark.slow
def test_a_trl_script_asks_for_its_mixture(tmp_path: Path) -> None:
    said = run_tutorial(ROOT / "docs" / "tutorial-trl.md", tmp_path)
    assert "decision 10 at" in said
    assert said.count("tokens by source:") == 3
    assert (tmp_path / "advice" / "report.html").is_file()


@pytest.mark.slow
def test_a_job_that_polls_a_file(tmp_path: Path) -> None:
    said = run_tutorial(ROOT / "docs" / "watcher.md", tmp_path)
    assert "the run is over" in said
    assert "tokens by source:" in said

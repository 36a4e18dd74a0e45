"""The tutorials: every file and command of them, in order, as a reader would."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.hf import NEEDS
from tests.support.made_server import serving
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


@pytest.mark.extra(*NEEDS, "datasets", "regex")
@pytest.mark.slow
def test_data_and_evaluations_of_ones_own(tmp_path: Path) -> None:
    said = run_tutorial(ROOT / "docs" / "tutorial-data.md", tmp_path)
    assert "sums_items.jsonl: metric numeric" in said
    assert "asking the teacher 16 prompts of each capability (minus)" in said
    assert "metric mine:letters" in said
    assert "source,row" in said
    assert "is the best one on the dev split" in said
    page = (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "What was set and what trained" in page


@pytest.mark.extra(*NEEDS, "datasets", "openai", "pyarrow", "regex")
@pytest.mark.slow
def test_a_teacher_behind_a_server(tmp_path: Path) -> None:
    keys: list[str] = []

    def noting(number: int, body: dict[str, Any]) -> str:
        keys.append(fake.headers["authorization"])
        return ""

    with serving(noting) as fake:
        said = run_tutorial(
            ROOT / "docs" / "tutorial-vllm.md",
            tmp_path,
            {"TEACHER": fake.url, "OPENAI_API_KEY": ""},
        )
    texts = [body["messages"][-1]["content"] for body in fake.asked]
    assert set(texts) <= {f"{a}+{b}=" for a in range(10, 60) for b in range(10, 30)}
    sent = [(text, body.get("seed")) for text, body in zip(texts, fake.asked, strict=True)]
    assert len(set(sent)) == len(sent)  # nothing was paid for twice, whatever asked for it
    assert said.count("utility") == 3
    assert said.count("general") == 0  # what was not taught is not measured
    told = "Bearer abc123"
    assert told in keys
    assert keys.index(told) > 0  # those before the step about keys had none
    assert "sending $MY_KEY to" in " ".join(said.split())
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".said"]
    assert not any(b"abc123" in path.read_bytes() for path in kept)


@pytest.mark.extra(*NEEDS, "pyarrow")
@pytest.mark.slow
def test_a_teach_store(tmp_path: Path) -> None:
    said = run_tutorial(ROOT / "docs" / "teach-store.md", tmp_path)
    assert "1600 records are in results/for-distillkit" in said
    assert "the replies of a teach store" in " ".join(said.split())

"""README and docs: every file and command of each page, in order, as a reader would."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.hf import NEEDS
from tests.support.made_server import serving
from tests.support.paths import ROOT
from tests.support.tutorial import blocks, reader_settings, run_block, run_tutorial

DOCS = ROOT / "docs"
# Pages without assertions of their own: what of the extras they need, and what their commands say.
PAGES = {
    "tutorials/101-first-comparison.md": ((), "figures are in first"),
    "tutorials/102-your-allocator.md": ((), "mine:Follow"),
    "tutorials/103-your-world.md": ((), "saved mine to mine.toml"),
    "tutorials/201-train-a-policy.md": (("torch", "stable_baselines3"), "held-out worlds"),
    "tutorials/202-property-tests.md": ((), "fewer sources than capabilities"),
    "tutorials/301-real-run.md": (NEEDS, "test split, points"),
    "tutorials/401-a-study.md": ((), "uniform in conflict: fails (expected: fails)"),
    "guides/distillation.md": (NEEDS, "test split, points"),
    "guides/fitting.md": ((), "expected regret"),
    "guides/planning.md": (NEEDS, "H100"),
    "guides/worlds.md": ((), "oracle-static"),
    "reference/command-line.md": (NEEDS, "Usage: readsim distill"),
    "reference/equations.md": ((), "plain numpy and readsim agree"),
    "reference/run-log.md": ((), "0.4433"),
    "reference/world-file.md": ((), "saved effects to effects.toml"),
}
FOLLOWED_BELOW = {
    "tutorials/302-your-data.md",
    "tutorials/303-your-trainer.md",
    "guides/backends.md",
    "guides/servers.md",
    "guides/statistics.md",
    "guides/teach-store.md",
    "guides/theory.md",
    "guides/watcher.md",
}
SHORT = {  # long commands of the README, on fewer runs or tokens
    "compare": "--seeds 2 --steps 2",
    "distill": "--budget 600 --steps 2 --probe-items 4",
}


def test_each_page_with_commands_is_followed() -> None:
    """By the tests here; the Python of `statistics`, `theory` and `backends` by tests of their own."""
    with_commands = {
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if any(language in ("sh", "python") for language, _, _ in blocks(page))
    }
    assert with_commands <= {*PAGES, *FOLLOWED_BELOW}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.extra(*needs) if needs else [], id=page)
        for page, (needs, _) in PAGES.items()
    ],
)
@pytest.mark.slow
def test_what_a_page_does(page: str, tmp_path: Path) -> None:
    said = run_tutorial(DOCS / page, tmp_path)
    assert PAGES[page][1] in said


@pytest.mark.extra(*NEEDS)
@pytest.mark.slow
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    """Installation aside, which the test command makes; long commands get `SHORT` options."""
    settings = reader_settings(tmp_path)
    ran = []
    for language, title, text in blocks(ROOT / "README.md"):
        if title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        for command in (
            re.findall(r"(?m)(?:^|/| )(readsim (\w+)[^#&\n]*)", text) if language == "sh" else ()
        ):
            line, name = command
            run_block(["bash", "-euc", f"{line} {SHORT.get(name, '')}"], tmp_path, settings)
            ran.append(name)
    assert ran == ["compare", "compare", "report", "distill"]
    assert (tmp_path / "results/mine/report.html").is_file()


@pytest.mark.extra(*NEEDS, "accelerate", "datasets", "trl")
@pytest.mark.slow
def test_a_trl_script_asks_for_its_mixture(tmp_path: Path) -> None:
    said = run_tutorial(DOCS / "tutorials" / "303-your-trainer.md", tmp_path)
    assert "decision 10 at" in said
    assert said.count("tokens by source:") == 3
    assert (tmp_path / "advice" / "report.html").is_file()


@pytest.mark.slow
def test_a_job_that_polls_a_file(tmp_path: Path) -> None:
    said = run_tutorial(DOCS / "guides" / "watcher.md", tmp_path)
    assert "the run is over" in said
    assert "tokens by source:" in said


@pytest.mark.extra(*NEEDS, "datasets", "regex")
@pytest.mark.slow
def test_data_and_evaluations_of_ones_own(tmp_path: Path) -> None:
    said = run_tutorial(DOCS / "tutorials" / "302-your-data.md", tmp_path)
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
            DOCS / "guides" / "servers.md",
            tmp_path,
            {"TEACHER": fake.url, "OPENAI_API_KEY": ""},
        )
    texts = [body["messages"][-1]["content"] for body in fake.asked]
    assert set(texts) <= {f"{a}+{b}=" for a in range(10, 60) for b in range(10, 30)}
    sent = [(text, body.get("seed")) for text, body in zip(texts, fake.asked, strict=True)]
    assert len(set(sent)) == len(sent)  # nothing was paid for twice, whatever asked for it
    assert len(re.findall(r"utility \d", said)) == 3
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
    said = run_tutorial(DOCS / "guides" / "teach-store.md", tmp_path)
    assert "1600 records are in results/for-distillkit" in said
    assert "the replies of a teach store" in " ".join(said.split())

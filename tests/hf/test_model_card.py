"""The README.md of a saved student: valid, measured, the same after a resume, and without secrets."""

import json
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError
from readsim.runs.log_schema import read_content
from readsim.runs.read_logs import Log, read_log
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS, "peft")

SETTINGS: dict[str, Any] = {
    "budget": 400,
    "steps": 2,
    "allocator": "uniform",
    "probes": {"probe": 2, "dev": 2, "test": 6, "max_new_tokens": 8},
    "decoding": {"max_new_tokens": 12},
    "training": {"batch": 4, "learning_rate": 0.02},
    "data": {
        "group": 4,
        "capabilities": ["general", "math", "code"],
        "cache": "",
        "keep_cut": True,
    },
}


@dataclass(frozen=True)
class Run:
    """A finished run on the tiny pair."""

    folder: Path

    def file(self, suffix: str) -> Path:
        found = (self.folder / "runs").glob(f"*{suffix}")
        (one,) = (path for path in found if not path.name.endswith(".check.json"))
        return one

    @property
    def log(self) -> Log:
        return read_log(self.file(".jsonl"))

    @property
    def text(self) -> str:
        return (self.file(".student") / "README.md").read_text(encoding="utf-8")

    @property
    def card(self) -> Any:
        from huggingface_hub import ModelCard

        return ModelCard.load(str(self.file(".student") / "README.md"))


def made(folder: Path, **changes: Any) -> Run:
    """`changes` go over SETTINGS, table by table."""
    import readsim_hf.distill
    import readsim_hf.results

    table = {k: dict(v) if isinstance(v, dict) else v for k, v in SETTINGS.items()}
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readsim_hf.distill, "pair_of", lambda *_, **__: char_pair())
        patch.setattr(readsim_hf.results, "draw_profile", lambda *_: None)
        patch.setattr(readsim_hf.results, "save", lambda *_: None)
        readsim_hf.distill.distill(None, table, folder)
    return Run(folder)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("lora"), training={"lora": 2})


@pytest.fixture(params=["full", "lora"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def parts_of(run: Run, **changes: Any) -> tuple[Any, Any, Log]:
    """Settings, parts and log of a run, for a card of its own."""
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig

    config = RunConfig.of(tomllib.loads(run.file(".toml").read_text()))
    parts = build_components(config, char_pair())
    parts.suite.open_test()
    return replace(config, **changes), parts, run.log


def rendered(run: Run, prompts: Any = None, **changes: Any) -> str:
    from readsim_hf.model_card.card import model_card

    config, parts, log = parts_of(run, **changes)
    counts = json.loads(run.file(".json").read_text())["prompts"]
    return str(model_card(config, parts, log, counts, {}, prompts))


def undated(run: Run) -> str:
    """The card without the day on which its own log began."""
    created = run.log.header.created
    assert created is not None
    assert created[:10] in run.text
    return run.text.replace(created[:10], "DAY")


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def table_of(text: str) -> list[list[str]]:
    """The rows of the first Markdown table, without its head."""
    block = text[text.index("\n|") + 1 :].split("\n\n", maxsplit=1)[0]
    lines = block.splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_hub_reads_it_and_it_survives_being_written_again(run: Run) -> None:
    from huggingface_hub import ModelCard

    card, is_lora = run.card, run.file(".student").joinpath("adapter_config.json").exists()
    data = card.data
    assert data.library_name == ("peft" if is_lora else "transformers")
    assert data.pipeline_tag == "text-generation"
    assert data.base_model == "fill-in/nano-student"
    assert (data.license, data.license_name) == ("other", "fill-in-the-license")
    assert {"readsim", "distillation"} <= set(data.tags)
    assert ("lora" in data.tags) == is_lora
    assert "[More Information Needed]" not in run.text
    again: Any = ModelCard(str(card))
    assert (again.data.to_dict(), again.text) == (data.to_dict(), card.text)


def test_its_numbers_are_those_of_the_log(run: Run) -> None:
    log = run.log
    final, header = log.finals[-1], log.header
    results = {result.task_name: result for result in run.card.data.eval_results}
    assert list(results) == list(header.capabilities)
    for name, score in zip(header.capabilities, final.final_profile, strict=True):
        assert results[name].metric_value == pytest.approx(float(score), abs=1e-6)
    shown = {row[0]: row[1:] for row in table_of(section(run.text, "Scores"))}
    each = zip(
        header.capabilities,
        final.final_profile,
        final.final_change,
        final.final_change_sd,
        strict=True,
    )
    for name, score, change, sd in each:
        before, after, moved, _ = shown[name]
        assert float(after) == pytest.approx(100 * score, abs=0.051)
        assert float(before) == pytest.approx(100 * (score - change), abs=0.051)
        value, _, half = moved.partition(" ± ")
        assert float(value) == pytest.approx(100 * change, abs=0.051)
        assert float(half or 0) == pytest.approx(196 * sd, abs=0.051)
    kinds = {
        row[0].strip("`"): int(row[2].replace(",", ""))
        for row in table_of(section(run.text, "Budget"))
    }
    assert kinds == {kind: count for kind, count in final.totals.items() if count}
    shares = {row[0]: float(row[1]) for row in table_of(section(run.text, "Allocation"))}
    assert shares == pytest.approx(dict.fromkeys(header.sources, 100 / 3), abs=0.051)
    assert header.manifest is not None
    for fact in (
        header.manifest["teacher"],
        header.manifest["student"],
        "2 decisions",
        "`uniform`",
    ):
        assert fact in run.text


def test_the_terminal_shows_the_same_scores(full: Run) -> None:
    from io import StringIO

    from readsim.cli.output import Terminal
    from readsim_hf.results import show_results

    page = StringIO()
    show_results(Terminal(file=page, width=200), full.log)
    for name, before, after, change, _ in table_of(section(full.text, "Scores")):
        (line,) = [line for line in page.getvalue().splitlines() if f" {name} " in line]
        assert [cell.strip() for cell in line.strip("│").split("│")][1:4] == [before, after, change]


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's
def test_how_to_load_it_works(run: Run) -> None:
    """The code of the card, word for word, on the tiny student."""
    from peft import PeftModel
    from transformers import PreTrainedModel

    code = re.search(r"```python\n(.*?)```", section(run.text, "How to load it"), re.DOTALL)
    assert code is not None
    base = run.folder / "base"
    char_pair().student.save_pretrained(base)
    names: dict[str, Any] = {}
    text = code[1].replace("THIS-FOLDER", str(run.file(".student")))
    exec(text.replace("THE-BASE-MODEL", str(base)), names)
    wanted = PeftModel if "peft" in text else PreTrainedModel
    assert isinstance(names["model"], wanted)
    assert names["tokenizer"]("1+1").input_ids


def test_the_settings_of_the_card_repeat_the_run(full: Run, tmp_path: Path) -> None:
    text = section(full.text, "How to repeat it")
    toml = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert toml is not None
    table = tomllib.loads(toml[1])
    assert "cache" not in table["data"]
    again = made(tmp_path, **table)
    assert read_content(again.file(".jsonl")).rows == read_content(full.file(".jsonl")).rows
    assert undated(again) == undated(full)


def test_a_resumed_run_writes_the_same_card(full: Run, tmp_path: Path) -> None:
    from readsim_hf.training.student import Student

    train, calls = Student.train_window, []

    def until(self: Any, examples: Any, spent: float) -> Any:
        calls.append(spent)
        if spent > 0.6:
            raise KeyboardInterrupt
        return train(self, examples, spent)

    import readsim_hf.distill

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Student, "train_window", until)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path)
    assert not list(tmp_path.rglob("README.md"))
    drive = readsim_hf.distill.distill

    def resuming(file: Any, table: Any, out: Path) -> None:
        drive(file, table, out, resume=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readsim_hf.distill, "distill", resuming)
        resumed = made(tmp_path)
    assert undated(resumed) == undated(full)


def test_nothing_secret_is_in_it(full: Run) -> None:
    from readsim_hf.config import PairConfig

    key = "hf_" + "aB3" * 12
    pair = PairConfig(
        teacher=f"https://bob:pass-word@host:8000/v1?token={key}#org/model",
        student="/home/alice/tiny",
        teacher_tokenizer="/home/alice/tokenizer",
        teachers={"math": f"https://host/{key}/v1"},
    )
    text = rendered(full, pair=pair, allocator_settings={"path": "/home/alice/x", "k": key})
    for secret in (key, "pass-word", "bob", "alice"):
        assert secret not in text, secret
    assert "`https://host:8000/v1#org/model`" in text
    assert "`tiny`" in text
    assert "of a served model its name only" in text


@pytest.mark.parametrize(
    ("student", "base"),
    [
        ("org/student-1b", "org/student-1b"),
        ("gpt2", "gpt2"),
        ("./student", "fill-in/student"),
        ("nano/student", "fill-in/nano-student"),
    ],
)
def test_the_base_model_is_an_id_of_the_hub_or_to_be_filled_in(
    full: Run, student: str, base: str
) -> None:
    from huggingface_hub import ModelCard

    from readsim_hf.config import PairConfig

    text = rendered(full, pair=PairConfig(teacher="org/teacher", student=student))
    card: Any = ModelCard(text)
    assert card.data.base_model == base
    asked = "the base model's id on the hub" in section(text, "To fill in before it is published")
    assert asked == base.startswith("fill-in/")


def test_how_prompts_become_tokens_is_shown_where_it_is_known(full: Run) -> None:
    from huggingface_hub import ModelCard

    template = "{% for m in messages %}\n```\n{{ m }}{% endfor %}"
    prompts = {"chat template": template, "system prompt": "Be `brief`.", "start token": None}
    text = rendered(full, prompts)
    loading = section(text, "How to load it")
    assert f"````text\n{template}\n````" in loading
    assert "`system prompt`: `` 'Be `brief`.' ``" in loading
    assert "`start token`: `None`" in loading
    assert "no chat template" in section(rendered(full), "How to load it")
    ModelCard(text)


def test_a_negative_number_of_samples_is_refused() -> None:
    from readsim_hf.config import RunConfig

    with pytest.raises(ConfigError, match="samples = -1: expected a number of at least 0"):
        RunConfig.of({"probes": {"samples": -1}})

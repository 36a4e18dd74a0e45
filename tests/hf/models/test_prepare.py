"""GGUF files, and models that are prepared from a wheel: whole or not at all, and only the pinned one.

The wheel is a small fake that pip finds in a folder; its GGUF file is a tiny random model.
"""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.models import catalogue
from tests.support.made_models import CONTEXT, LAYERS, gguf_model, logits, write_gguf

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors", "gguf")

MEMBER = "tiny_weights/tiny.gguf"
TEXT = "Hello, hey: 17 + 25 = 42.\n"


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def wheel(gguf_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that would fail if it were imported, and cannot be installed with its dependencies."""
    path = tmp_path_factory.mktemp("wheels") / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    meta = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-there\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/__init__.py", "raise SystemExit('imported')\n")
        archive.write(gguf_file, MEMBER)
        archive.writestr(f"{info}/METADATA", meta)
        tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tag)
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def home(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder; `tiny` is in the catalogue and pip sees the wheel's folder only."""
    item = catalogue.ModelEntry(
        name="tiny",
        description="a tiny model",
        licence="MIT",
        requirement="tiny-weights==1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member=MEMBER,
        layers=LAYERS,
        teacher_bytes=1_000_000,
        student_bytes=1_000_000,
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", item)
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return tmp_path / "cache" / "tiny"


def prepare(layers: int = 2, name: str = "tiny", said: list[str] | None = None) -> Path:
    from readsim_hf.models.prepare import prepare as make

    return make(name, layers, (said if said is not None else []).append)


def change(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    from dataclasses import replace

    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", replace(catalogue.CATALOGUE["tiny"], **fields))


def left_in(folder: Path) -> set[str]:
    """What lies in a folder besides its lock."""
    return {path.name for path in folder.glob("*")} - {".lock"}


def test_a_gguf_file_is_the_model_it_was_written_from(gguf_file: Path, tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.loading import load_model, load_tokenizer, no_progress_bars

    model = load_model(str(gguf_file))
    torch.testing.assert_close(logits(model), logits(gguf_model()), atol=1e-6, rtol=1e-6)
    tokenizer = load_tokenizer(str(gguf_file))
    ids = tokenizer(TEXT)["input_ids"]
    assert tokenizer.decode(ids) == TEXT
    assert len(ids) == len(TEXT) - 1  # `he` in `hey` is one token
    assert tokenizer.eos_token == "<end>"
    # Without the cure transformers refuses both to save it and to train it.
    with no_progress_bars():
        model.save_pretrained(tmp_path)
    assert torch.equal(logits(load_model(str(tmp_path))), logits(model))
    assert "quantization" not in (tmp_path / "config.json").read_text()
    assert not getattr(model, "is_quantized", False)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    ids = torch.tensor([[3, 4, 5]])
    model(ids, labels=ids).loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_trainer_accepts_a_model_from_a_gguf_file(gguf_file: Path, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    from readsim_hf.models.loading import load_model

    settings = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    Trainer(load_model(str(gguf_file)), settings)


@pytest.mark.slow
def test_prepare_makes_a_teacher_and_a_student(
    home: Path, gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from readsim_hf.models.loading import load_model, load_tokenizer
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.models.prune import drop_layers, most_important

    before = torch.random.get_rng_state()
    said: list[str] = []
    assert prepare(said=said) == home
    assert torch.equal(before, torch.random.get_rng_state())
    assert left_in(home) == {"teacher", "student-2"}
    assert said[0] == "downloading tiny-weights==1.0 with pip"
    # The teacher is the file's model, rounded to bf16 and nothing else.
    teacher = load_model("tiny", precision="bf16")
    assert torch.equal(logits(teacher), logits(load_model(str(gguf_file), precision="bf16")))
    assert load_tokenizer("tiny")(TEXT) == load_tokenizer(str(gguf_file))(TEXT)
    note = json.loads((home / "student-2" / "readsim.json").read_text())
    assert note["keep"] == most_important(note["importance"], 2)
    assert (note["source"], note["licence"]) == ("tiny-weights==1.0", "MIT")
    student = load_model("tiny/student-2", precision="bf16")
    assert torch.equal(logits(student), logits(drop_layers(teacher, note["keep"])))

    # All of it is there now: pip is not asked again, not even for another student.
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    files = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    again: list[str] = []
    assert prepare(said=again) == home
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == files
    assert [line.split(":")[0] for line in again] == ["teacher", "student-2"]
    prepare(layers=1)
    assert left_in(home) == {"teacher", "student-1", "student-2"}

    monkeypatch.setattr("readsim_hf.models.pairs.NAMES", ("tiny",))
    pair = load_pair("tiny", layers=1)
    assert pair.student.config.num_hidden_layers == 1
    assert (pair.context, pair.vocabulary, pair.library_name) == (CONTEXT, 260, "text")


def test_a_prepared_model_is_listed(home: Path) -> None:
    from readsim_hf.models.prepare import list_models

    before = {item.name: item for item in list_models()}
    assert {"nano", "smollm2-135m", "tiny"} <= before.keys()
    assert (before["tiny"].parts, before["tiny"].bytes) == ((), 0)
    prepare()
    after = next(item for item in list_models() if item.name == "tiny")
    assert after.parts == ("student-2", "teacher")
    files = [path for part in after.parts for path in (home / part).glob("*")]
    assert after.bytes == sum(path.stat().st_size for path in files)


def test_another_wheel_is_refused(home: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = home / "teacher-notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    found = catalogue.CATALOGUE["tiny"].sha256
    change(monkeypatch, sha256="0" * 64)
    with pytest.raises(ConfigError, match=f"sha256 {found}, but .* has {'0' * 64}: .*not used"):
        prepare()
    assert left_in(home) == {mine.name}
    assert mine.read_text() == "mine"
    assert wheel.exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["fetch_wheel", "extract", "layer_importance", "drop_layers"])
def test_an_interrupted_prepare_leaves_nothing_half_made(
    step: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    where = "store" if step in {"fetch_wheel", "extract"} else "prepare"
    with monkeypatch.context() as patch:
        patch.setattr(f"readsim_hf.models.{where}.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare()
    # The teacher was whole when its student was stopped.
    assert left_in(home) == ({"teacher"} if step == "drop_layers" else set())
    with pytest.raises(ConfigError, match=r"not prepared.*readsim models prepare tiny --layers 2"):
        catalogue.named_folder("tiny/student-2")
    # What a process left that was killed, the next one removes.
    (home / ".making-killed" / "teacher").mkdir(parents=True)
    (home / ".making-killed" / "teacher" / "config.json").write_text("{}")
    prepare()
    assert left_in(home) == {"teacher", "student-2"}


def test_a_full_disk_is_said_before_the_download(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_500_000))
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    with pytest.raises(ConfigError, match=r"2 MB free and 2 MB are needed; .*READSIM_CACHE"):
        prepare()
    assert not home.exists()


@pytest.mark.slow
def test_what_pip_cannot_bring(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch, requirement="tiny-weights==2.0")
    with pytest.raises(
        ConfigError, match=r"could not download tiny-weights==2\.0: .*PIP_FIND_LINKS"
    ):
        prepare()
    change(monkeypatch, requirement="tiny-weights==1.0", member="tiny_weights/other.gguf")
    with pytest.raises(ConfigError, match=r"holds no tiny_weights/other\.gguf"):
        prepare()
    assert left_in(home) == set()


def test_a_cache_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.parent.parent.mkdir(exist_ok=True)
    home.parent.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"cannot write to .*READSIM_CACHE"):
        prepare()


def test_names_and_layers(home: Path) -> None:
    said: list[str] = []
    assert prepare(name="nano", said=said) == catalogue.NANO
    assert said == ["nano comes with readsim: nothing to prepare"]
    with pytest.raises(UnknownNameError, match="unknown model 'tinny'; did you mean 'tiny'"):
        prepare(name="tinny")
    for layers in (0, LAYERS):
        with pytest.raises(ConfigError, match=f"layers is {layers}; accepted: 1 to 3"):
            prepare(layers=layers)
    assert not home.exists()

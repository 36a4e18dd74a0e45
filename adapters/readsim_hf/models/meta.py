"""What a model is without its weights: its configuration, and its tokenizer where that is at hand."""

import json
import re
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models import catalogue
from readsim_hf.models.folder_checks import (
    check_causal,
    check_config_file,
    check_weights,
    first_line,
)
from readsim_hf.models.loading import load_tokenizer, locate, no_progress_bars

SOME_TEXT = "12 + 3, and some words."  # a tokenizer without its files reads no token of it
SHIPPED = Path(__file__).parent / "configs"  # public facts of models whose weights are far away


def shipped_names() -> list[str]:
    """Hugging Face ids whose configuration comes with readsim."""
    return sorted(path.stem.replace("--", "/", 1) for path in SHIPPED.glob("*.json"))


def _shipped(source: str) -> dict[str, Any] | None:
    """The configuration that comes with readsim, of a model whose weights are not here: one of
    `shipped_names`, or a name of `readsim models` that is not prepared."""
    name, _, part = source.partition("/")
    layers = None
    if name in (*catalogue.CATALOGUE, *catalogue.ALIASES) and (
        made := re.fullmatch(r"teacher|student-(\d+)|", part)
    ):
        entry = catalogue.entry(name)
        layers = int(made[1] or entry.layers)
        folder = (
            catalogue.student_folder(name, layers) if made[1] else catalogue.teacher_folder(name)
        )
        if catalogue.is_ready(folder) or not 1 <= layers <= entry.layers:
            return None
        source = entry.facts
    if source not in shipped_names() or Path(source).exists():
        return None
    path = SHIPPED / f"{source.replace('/', '--', 1)}.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table if layers is None else table | {"num_hidden_layers": layers}


def config_of(source: str) -> PreTrainedConfig:
    """The configuration of a source (see `load_model`): what comes with readsim, a folder's or GGUF
    file's own, or the hub's.

    Raises ConfigError where there is none or it cannot be reached.
    """
    named = _shipped(source)
    if named is not None:
        return AutoConfig.for_model(**named)
    at = locate(source)
    options: dict[str, Any] = {}
    if isinstance(at, Path) and at.is_dir():
        check_config_file(at)
        if any(at.glob("*.safetensors*")):  # a plan needs none
            check_weights(at)
    if isinstance(at, Path) and at.is_file():
        at, options = at.parent, {"gguf_file": at.name}
    try:
        with no_progress_bars():
            found: PreTrainedConfig = AutoConfig.from_pretrained(
                str(at), trust_remote_code=False, **options
            )
    except Exception as error:  # files of others: as in `load_model`
        raise ConfigError(
            f"the configuration of {source!r} cannot be read: {first_line(error)}; accepted: a folder with "
            "config.json, a .gguf file, an id that the hub has, or one that comes with readsim "
            f"({', '.join(shipped_names())})"
        ) from error
    check_causal(found, source)
    return found


def tokenizer_of(source: str) -> Tokenizer | None:
    """The tokenizer of a source; None where there is none: a folder without one, or one that reads
    nothing, and a shipped configuration whose tokenizer is not in the hub's cache here (the network is
    not asked)."""
    if _shipped(source) is None:
        at = locate(source)
        nano = isinstance(at, Path) and at.parent == catalogue.NANO.resolve()
        folder = isinstance(at, Path) and at.is_dir() and not nano
        if folder and not any(map(_is_tokenizer_file, Path(at).iterdir())):
            return None
        own = load_tokenizer(source)
        return own if own(SOME_TEXT)["input_ids"] else None
    try:
        with no_progress_bars():
            found: Tokenizer = AutoTokenizer.from_pretrained(
                source, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, RuntimeError, ImportError):
        return None
    return found


def _is_tokenizer_file(path: Path) -> bool:
    """By the names that tokenizers of transformers have for their files."""
    known = ("tokenizer", "vocab", "merges", "spiece", "sentencepiece", "tekken")
    return path.name.startswith(known) or path.suffix in (".model", ".tiktoken")

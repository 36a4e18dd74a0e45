"""What a model is without its weights: its configuration, and its tokenizer where that is at hand."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.models.folder_checks import (
    check_causal,
    check_config_file,
    check_weights,
    first_line,
)
from readsim_hf.models.loading import load_tokenizer, locate, no_progress_bars

SHIPPED = Path(__file__).parent / "configs"  # public facts of models whose weights are far away


def shipped_names() -> list[str]:
    """Hugging Face ids whose configuration comes with readsim."""
    return sorted(path.stem.replace("--", "/", 1) for path in SHIPPED.glob("*.json"))


def _shipped(source: str) -> Path | None:
    path = SHIPPED / f"{source.replace('/', '--', 1)}.json"
    return path if source in shipped_names() else None


def config_of(source: str) -> PreTrainedConfig:
    """The configuration of a source (see `load_model`): what comes with readsim, a folder's or GGUF
    file's own, or the hub's.

    Raises ConfigError where there is none or it cannot be reached.
    """
    named = _shipped(source)
    if named is not None and not Path(source).exists():
        table: dict[str, Any] = json.loads(named.read_text(encoding="utf-8"))
        return AutoConfig.for_model(**table)
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
            f"no configuration of {source!r}: {first_line(error)}; accepted: a folder with config.json, a "
            ".gguf file, an id that the hub has, or one that comes with readsim "
            f"({', '.join(shipped_names())})"
        ) from error
    check_causal(found, source)
    return found


def tokenizer_of(source: str) -> Tokenizer | None:
    """The tokenizer of a source; None where readsim brings the configuration alone and no tokenizer of
    that id is in the hub's cache here (the network is not asked)."""
    if _shipped(source) is None or Path(source).exists():
        return load_tokenizer(source)
    try:
        with no_progress_bars():
            found: Tokenizer = AutoTokenizer.from_pretrained(
                source, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, RuntimeError, ImportError):
        return None
    return found

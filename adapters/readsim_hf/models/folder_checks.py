"""What is wrong with a folder of a model, in one line: before anything is loaded from it."""

import json
from math import prod
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig

from readsim.errors import ConfigError, nearest

INDEX = "model.safetensors.index.json"
AGAIN = "fetch or copy the folder again"
_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


def check_config_file(folder: Path) -> None:
    """ConfigError unless `config.json` is there, is a table, and names a kind of model that needs no code."""
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(f"{folder} is no model folder: it has no config.json")
    table = _table(path)
    kind = table.get("model_type")
    if isinstance(kind, str) and kind in CONFIG_MAPPING:
        return
    if "auto_map" in table:
        raise ConfigError(
            f"{path}: the model {kind!r} needs code that comes with it (auto_map), and such code is never "
            "run; use a model that transformers knows"
        )
    if kind is None:
        raise ConfigError(f"{path} has no model_type: it is no configuration of a model; {AGAIN}")
    raise ConfigError(
        f"{path}: model_type = {kind!r} is unknown to transformers {transformers.__version__}"
        f"{nearest(str(kind), list(CONFIG_MAPPING))}; a newer transformers may know it"
    )


def check_weights(folder: Path) -> None:
    """ConfigError unless all files of weights that the folder speaks of are there and are whole."""
    index = folder / INDEX
    files = sorted(folder.glob("*.safetensors"))
    if index.is_file():
        listed = _table(index).get("weight_map")
        if not isinstance(listed, dict) or not listed:
            raise ConfigError(f"{index} is damaged: it has no weight_map; {AGAIN}")
        files = [folder / name for name in sorted(set(listed.values()))]
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise ConfigError(
                f"{folder} lacks {', '.join(missing[:3])}{' and more' if missing[3:] else ''}, which "
                f"{INDEX} names ({len(missing)} of {len(files)} files are missing); {AGAIN}"
            )
    if not files:
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        found = f" (it has {', '.join(pickled)}: pickled weights are never read)" if pickled else ""
        raise ConfigError(
            f"{folder} has no .safetensors weights{found}; "
            "save the model again with `save_pretrained`, which writes safetensors"
        )
    if not index.is_file() and not (folder / "model.safetensors").is_file() and len(files) > 1:
        raise ConfigError(
            f"{folder} has {len(files)} .safetensors files and no {INDEX}, which lists them; {AGAIN}"
        )
    for path in files:
        try:
            with safe_open(path, framework="pt") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            raise ConfigError(
                f"{path} is damaged or cut short ({path.stat().st_size} bytes): {first_line(error)}; {AGAIN}"
            ) from error


def stored_dtype(folder: Path) -> torch.dtype | None:
    """The type that most bytes of the folder's weights have."""
    held: dict[torch.dtype, int] = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # no mapping
                part = opened.get_slice(name)
                dtype = _DTYPES.get(part.get_dtype())
                if dtype is not None:
                    held[dtype] = held.get(dtype, 0) + prod(part.get_shape()) * dtype.itemsize
    return max(held, key=lambda dtype: held[dtype], default=None)


def check_tokenizer_files(folder: Path) -> None:
    """ConfigError where the folder has no tokenizer, or one that is no JSON."""
    there = [folder / name for name in TOKENIZERS if (folder / name).is_file()]
    if not there and not list(folder.glob("*.model")):
        raise ConfigError(
            f"{folder} has no tokenizer ({', '.join(TOKENIZERS[:2])}, ...): copy the tokenizer's files "
            "there, or save them with `tokenizer.save_pretrained`"
        )
    for path in (*there, folder / "tokenizer_config.json", folder / "config.json"):
        if path.suffix == ".json" and path.is_file():
            _table(path)


def check_causal(config: PreTrainedConfig, source: str) -> None:
    """ConfigError for a model that does not write text from left to right."""
    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(
            f"{source!r} is a {config.model_type}, an encoder with a decoder; accepted: models that write on "
            "from a prompt (causal language models)"
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f"{source!r} is a {config.model_type}, which is no causal language model in transformers"
        )


def first_line(error: BaseException) -> str:
    """Of its message, or its kind where it has none; two lines where the first one only announces."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in (lines[:2] if lines[0].endswith(":") else lines[:1]))


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is damaged: it is no JSON ({first_line(error)}); {AGAIN}"
        ) from error
    if not isinstance(table, dict):
        raise ConfigError(f"{path} is damaged: it is no JSON object; {AGAIN}")
    return table

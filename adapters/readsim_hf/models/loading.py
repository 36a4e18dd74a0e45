"""Models and tokenizers from a Hugging Face id, a folder, a GGUF file or a prepared name.

Code that comes with weights is never run, and pickled weights are never read.
"""

import copy
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError, ReadsimError, unknown
from readsim_hf.models import catalogue
from readsim_hf.models.digest import loaded_from
from readsim_hf.models.folder_checks import (
    check_causal,
    check_config_file,
    check_tokenizer_files,
    check_weights,
    first_line,
    stored_dtype,
)
from readsim_hf.models.memory import memory_for
from readsim_hf.models.quantised import QUANTISED, quantised_options
from readsim_hf.teachers.inference import without_plans

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LOADED = (
    "use pair.teacher_precision or pair.student_precision = 'nf4', pair.device_map for a teacher over "
    "several GPUs, or serve the teacher"
)
ROOM = 0.9  # of a GPU's free memory, for weights: the rest is for keys, values and logits
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
DeviceMap = str | dict[str, str]  # one of these, or module -> device; "" is the whole model
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def torch_dtype(precision: str) -> torch.dtype:
    """The type of `fp32`, `bf16` or `fp16`; of what is not quantised of `int8` and `nf4`."""
    if precision in QUANTISED:
        return torch.bfloat16
    if precision not in PRECISIONS:
        raise unknown("precision", precision, (*PRECISIONS, *QUANTISED))
    return PRECISIONS[precision]


def resolve_device(device: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:N`, or `auto` (CUDA where there is one); ConfigError for what is not here."""
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return torch.device("cuda" if found else "cpu")
    if device == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise ConfigError(f"device is {device!r}; accepted: 'cpu', 'cuda', 'cuda:N', 'auto'")
    if int(match[1] or 0) >= found:
        raise ConfigError(
            f"device is {device!r}, but PyTorch {torch.__version__} sees {found} CUDA device(s); "
            "use device 'cpu' or 'auto', or install a CUDA build of PyTorch"
        )
    return torch.device(device)


def check_device_map(device_map: DeviceMap) -> None:
    """ConfigError for a map that is none, or a device that is not here."""
    if isinstance(device_map, str):
        if device_map not in DEVICE_MAPS:
            raise unknown("device_map", device_map, (*DEVICE_MAPS, "a table module -> device"))
        return
    for module, device in device_map.items():
        if device == "auto":
            raise ConfigError(f"device_map.{module} is 'auto'; accepted: 'cpu', 'cuda', 'cuda:N'")
        resolve_device(device)


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Transformers draws no bars inside the block, and does not tell how it would share a model out."""
    log: Any = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    sharing = logging.getLogger("transformers.distributed.tensor_parallel")
    level = sharing.level
    log.disable_progress_bar()
    sharing.setLevel(logging.ERROR)
    try:
        yield
    finally:
        sharing.setLevel(level)
        if shown:
            log.enable_progress_bar()


@contextmanager
def _unreported() -> Iterator[None]:
    """Without transformers' table of what does not fit: it is said in one line."""
    logger = logging.getLogger("transformers.modeling_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def locate(source: str) -> Path | str:
    """A GGUF file or a folder as a path that exists; a Hugging Face id as it is.

    A prepared name comes before a folder of that name (write `./name` for the folder). ConfigError for
    a path that is not there.
    """
    named = catalogue.named_folder(source)
    path = named or Path(source).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
        return path.resolve()
    if path.exists():
        raise ConfigError(f"model source {source!r} is a file, but no .gguf file")
    if not _HUB_ID.fullmatch(source) or source.endswith(".gguf"):
        raise ConfigError(
            f"model source {source!r} does not exist; accepted: a folder with config.json and "
            ".safetensors weights, a .gguf file, a Hugging Face id, or a name of `readsim models`"
        )
    return source


def load_model(
    source: str,
    *,
    precision: str = "fp32",
    device: str = "cpu",
    device_map: DeviceMap | None = None,
    training: int = 0,
) -> PreTrainedModel:
    """A causal language model in evaluation mode on one device, or by `device_map` on several.

    source      Hugging Face id, folder, GGUF file, or prepared name; see `locate`
    precision   `fp32`, `bf16` or `fp16`: the type of the weights; `int8` or `nf4` with bitsandbytes
    device      see `resolve_device`
    device_map  one of DEVICE_MAPS (accelerate decides), or a table; it goes before `device`
    training    GPUs, from the first, on which other processes train: nothing is loaded there

    Weights are read from safetensors or GGUF only. ConfigError where they are missing, incomplete,
    pickled, need code of their own, or cannot be reached.
    """
    dtype, place = torch_dtype(precision), resolve_device(device)
    without_plans()
    at = locate(source)
    if isinstance(at, Path) and at.is_dir():
        check_config_file(at)
        check_causal(_call(AutoConfig.from_pretrained, source, at, {}), source)
        check_weights(at)
    options: dict[str, Any] = {
        "dtype": dtype,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # refused below, in one line
    }
    if precision in QUANTISED:
        if isinstance(at, Path) and at.is_file():
            raise ConfigError(f"precision = {precision!r}: {source!r} is a GGUF file; use a folder")
        options |= {**quantised_options(precision, source), "device_map": {"": str(place)}}
    if isinstance(at, Path) and at.is_file():
        options |= _gguf_options(at.name)
        # Packed weights train and save in no way: newer versions keep them unless told otherwise.
        if hasattr(transformers, "GgufConfig"):
            options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    else:
        options["use_safetensors"] = True
    options |= _spread(device_map, training, source)
    with memory_for(f"while {source!r} is loaded", LOADED):
        model, info = _call(AutoModelForCausalLM.from_pretrained, source, at, options)
    if info["missing_keys"]:
        raise ConfigError(
            f"the weights of {source!r} are incomplete: {len(info['missing_keys'])} tensors are "
            f"missing, the first is {min(info['missing_keys'])!r}"
        )
    if info["mismatched_keys"]:
        name, found, wanted = sorted(info["mismatched_keys"], key=str)[0]
        raise ConfigError(
            f"the weights of {source!r} do not fit its config.json: {name} is {list(found)}, and "
            f"{list(wanted)} by the configuration; one of the two is of another model"
        )
    if unused := info["unexpected_keys"]:
        warnings.warn(
            f"{len(unused)} tensors of {source!r} have no place in the model that its config.json describes, "
            f"and are left out; the first is {min(unused)!r}",
            stacklevel=2,
        )
    model.train(False)
    plain = _plain(model)
    if precision not in QUANTISED and (files := weight_files(at)):
        loaded_from(plain, files)
    if device_map is None and not training:
        with memory_for(f"while {source!r} is loaded", LOADED):
            return moved(plain, place)
    _check_covered(plain, device_map or "")
    return plain


def _spread(device_map: DeviceMap | None, training: int, source: str) -> dict[str, Any]:
    """How a model is spread over devices: as the map says, or over the GPUs from number `training` on.
    ConfigError where there is none, or a table says otherwise."""
    if device_map is not None:
        check_device_map(device_map)
    if not training:
        return {} if device_map is None else {"device_map": device_map}
    found = torch.cuda.device_count()
    if isinstance(device_map, dict):
        for module, device in device_map.items():
            if device != "cpu" and (torch.device(device).index or 0) < training:
                raise ConfigError(
                    f"device_map.{module} is {device!r}: a process of this run trains there; accepted: "
                    f"GPUs from cuda:{training} on"
                )
        return {"device_map": device_map}
    if found <= training:
        raise ConfigError(
            f"the teacher {source!r} is loaded here, and {training} processes train on the {found} GPU(s) of "
            "this machine: a teacher does not share a GPU with them; start fewer processes, or serve the "
            "teacher (pair.teacher = 'http://HOST:PORT/v1')"
        )
    room = {n: int(ROOM * torch.cuda.mem_get_info(n)[0]) for n in range(training, found)}
    return {"device_map": "sequential", "max_memory": room}


def weight_files(at: Path | str) -> list[Path]:
    """The files with the weights of a folder, or of a hub id in the hub's cache; none of a GGUF file."""
    if isinstance(at, str):
        found = try_to_load_from_cache(at, "config.json")
        if not isinstance(found, str):
            return []
        at = Path(found).parent
    return sorted(at.glob("*.safetensors")) if at.is_dir() else []


def _check_covered(model: PreTrainedModel, device_map: DeviceMap) -> None:
    """Raises for a table with a module that the model does not have, or with parts left out."""
    if isinstance(device_map, str) or "" in device_map:
        return
    modules = [name for name, _ in model.named_modules() if name]
    for name in device_map:
        if name not in modules:
            raise unknown("module in device_map", name, modules)
    for name, _ in model.named_parameters():
        if not any(name.startswith(f"{module}.") for module in device_map):
            raise ConfigError(f"device_map is {device_map!r}: it has no device for {name}")


def load_encoder(source: str) -> tuple[PreTrainedModel, Tokenizer]:
    """An encoder of sentences and its tokenizer, on the CPU, frozen. ConfigError as `load_model`."""
    at = locate(source)
    if isinstance(at, Path):
        check_config_file(at)
        check_weights(at)
    options = {"dtype": torch.float32, "use_safetensors": True}
    model: PreTrainedModel = _call(AutoModel.from_pretrained, source, at, options)
    model.train(False)
    model.requires_grad_(False)
    tokenizer: Tokenizer = _call(AutoTokenizer.from_pretrained, source, at, {})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def moved(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """The same model, its weights on that device; quantised ones stay where they were loaded."""
    module: nn.Module = model
    if not getattr(model, "is_quantized", False):
        module.to(device)
    return model


def copied_to(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """A copy of the model with its weights on that device, and nowhere else besides: no second one on the
    host on the way there."""
    if getattr(model, "is_quantized", False):
        return moved(copy.deepcopy(model), device)
    memo: dict[int, Any] = {}
    for one in (*model.parameters(), *model.buffers()):
        there = one.detach().to(device, copy=True)
        owned = isinstance(one, nn.Parameter)
        memo[id(one)] = nn.Parameter(there, one.requires_grad) if owned else there
    return copy.deepcopy(model, memo)


def load_tokenizer(source: str) -> Tokenizer:
    """The tokenizer of a source. It pads on the left, as generation needs, with the end token where
    it has no padding token: mask by position, never by the padding id. An end token that the model's
    generation config alone names is the tokenizer's too."""
    at = locate(source)
    if isinstance(at, Path) and at.parent == catalogue.NANO.resolve():
        from readsim_hf.models.char_tokenizer import char_tokenizer

        return char_tokenizer()
    options = _gguf_options(at.name) if isinstance(at, Path) and at.is_file() else {}
    if isinstance(at, Path) and at.is_dir():
        check_tokenizer_files(at)
    tokenizer: Tokenizer = _call(
        AutoTokenizer.from_pretrained, source, at, options, "the tokenizer of "
    )
    if tokenizer.eos_token is None:
        named = getattr(generation_config_of(source), "eos_token_id", None)
        end = named[0] if isinstance(named, list) and named else named
        if not isinstance(end, int):
            raise ConfigError(f"the tokenizer of {source!r} has no end token (eos_token)")
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_stored_tokenizer(folder: Path) -> Tokenizer:
    """A tokenizer that was saved alone: nothing is added to it. ConfigError where it cannot be read."""
    check_tokenizer_files(folder)
    made: Tokenizer = _call(
        AutoTokenizer.from_pretrained, str(folder), folder, {}, "the tokenizer of "
    )
    return made


def source_dtype(source: str) -> torch.dtype:
    """The floating type that a source's weights are stored in; float32 for a GGUF file, which has none."""
    at = locate(source)
    if isinstance(at, Path):
        return (stored_dtype(at) if at.is_dir() else None) or torch.float32
    return _call(AutoConfig.from_pretrained, source, at, {}).dtype or torch.float32


def generation_config_of(source: str) -> GenerationConfig | None:
    """What the model's files say about generation (end tokens); None where they say nothing."""
    at = locate(source)
    if isinstance(at, Path) and at.is_file():
        return None
    try:
        with no_progress_bars():
            return GenerationConfig.from_pretrained(str(at))
    except (OSError, ValueError):
        return None


def _gguf_options(name: str) -> dict[str, Any]:
    return {"gguf_file": name}


def _call(load: Any, source: str, at: Path | str, options: dict[str, Any], what: str = "") -> Any:
    """`load` with code execution off, and its errors as ConfigError."""
    origin = str(at.parent if isinstance(at, Path) and at.is_file() else at)
    try:
        with no_progress_bars(), _unreported():
            return load(origin, trust_remote_code=False, **options)
    except (
        Exception
    ) as error:  # files of others: libraries raise KeyError, TypeError and their own, too
        if isinstance(error, torch.OutOfMemoryError | MemoryError | ReadsimError):
            raise
        # What follows in such a message tells to allow code from the repository.
        reason = first_line(error)
        if not isinstance(error, OSError | ValueError | RuntimeError | ImportError):
            reason = f"{type(error).__name__}: {reason}"
        advice = ""
        if isinstance(at, str):
            advice = (
                "; only safetensors weights and models that transformers knows are loaded. Without a "
                f"network, fetch it first elsewhere (`hf download {source}`) and give the folder, "
                "or use a name of `readsim models`"
            )
        raise ConfigError(f"cannot load {what}{source!r}: {reason}{advice}") from error


def _plain(model: PreTrainedModel) -> PreTrainedModel:
    """Clear what marks a model from a GGUF file as quantised: its weights are unpacked by now.

    With the marks, transformers neither saves nor trains it.
    """
    if getattr(model, "quantization_method", None) != "gguf":
        return model
    vars(model)["hf_quantizer"] = None
    for mark in ("is_quantized", "quantization_method"):
        vars(model).pop(mark, None)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model

"""What a model is, as one short text: over configuration and weights, wherever these lie."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from readsim.tree_file import write_atomic
from readsim_hf.models import catalogue

# Where a model was loaded from and by which version, and what the weights tell themselves.
_NOT_CONTENT = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}
WORTH = 1 << 30  # bytes of weights: fewer are read again in about a second
ENDS = 512  # bytes at both ends of each tensor, by which weights that changed since are told
KEPT = "digests.json"  # in the folder of prepared models
_FILES: WeakKeyDictionary[nn.Module, list[list[Any]]] = WeakKeyDictionary()


def loaded_from(model: PreTrainedModel, files: list[Path]) -> None:
    """Note which files a model's weights were read from: their digest need not be made twice."""
    stats = [(file.resolve(), file.stat()) for file in files]
    _FILES[model] = [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def model_digest(model: PreTrainedModel) -> str:
    """SHA-256 (hex) over configuration and weights (names, types, shapes, bytes).

    Weights are read one tensor at a time, those that accelerate moved to host memory or to disk too.
    Of WORTH bytes and more, read from files, it is kept beside the prepared models: the same files
    (path, size, time of the last change) and the same ends of each tensor are taken to be the same.
    """
    config = {k: v for k, v in model.config.to_dict().items() if k not in _NOT_CONTENT}
    facts = json.dumps(config, sort_keys=True, default=str)
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    files = _FILES.get(model)
    if files is None or size < WORTH:
        return _digest(facts, model, None)
    key = f"{_digest(facts, model, ENDS)} {json.dumps(files)}"
    key = hashlib.sha256(key.encode()).hexdigest()
    path = catalogue.cache_root() / KEPT
    kept = _kept(path)
    if key not in kept:
        kept = {**_kept(path), key: _digest(facts, model, None)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(kept, indent=1).encode())
        except OSError:  # it is made again the next time
            pass
    return kept[key]


def _kept(path: Path) -> dict[str, str]:
    """Digests of earlier times; none where they cannot be read."""
    try:
        table = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    whole = isinstance(table, dict) and all(isinstance(v, str) for v in table.values())
    return table if whole else {}


def _digest(facts: str, model: PreTrainedModel, ends: int | None) -> str:
    """Over `facts` and the weights: their whole bytes, or `ends` at both ends of each."""
    digest = hashlib.sha256(facts.encode())
    for name, tensor in whole_tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        for part in (flat,) if ends is None else (flat[:ends], flat[-ends:]):
            digest.update(part.cpu().numpy().data)
    return digest.hexdigest()


def whole_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A model's tensors by name, in order of the names; what is offloaded is read from where it lies."""
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.device.type != "meta":
            yield name, tensor
            continue
        place, _, own = name.rpartition(".")
        yield name, _offloaded(model.get_submodule(place), own)


def _offloaded(module: nn.Module, name: str) -> Tensor:
    """The weight that accelerate holds for a module, whose own is empty."""
    hook: Any = getattr(module, "_hf_hook", None)
    for one in getattr(hook, "hooks", [hook]):
        held = getattr(one, "weights_map", None)
        if held is not None:
            value: Tensor = held[name]
            return value
    raise RuntimeError(f"the weight {name!r} of a {type(module).__name__} was not found")

"""Token ids, random numbers that depend on them alone, and what a model is as one short text."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from readsim.streams import generator

# Where a model was loaded from and by which version, and what the weights tell themselves.
_NOT_CONTENT = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}

Ids = Sequence[int] | NDArray[np.int32]


def content_generator(*parts: object) -> np.random.Generator:
    """A numpy generator that depends on what is given (numbers, names, token ids), nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return generator(int.from_bytes(digest.digest()), "data")


def as_ids(ids: Any) -> NDArray[np.int32]:
    """Token ids as int32, a copy."""
    return np.array(ids, dtype=np.int32)


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 (hex) over configuration, weights (names, types, shapes, bytes) and vocabulary.

    Models with equal fingerprints answer alike.

    Weights are read one tensor at a time. The same for a model saved and loaded again.
    """
    config = {k: v for k, v in model.config.to_dict().items() if k not in _NOT_CONTENT}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()

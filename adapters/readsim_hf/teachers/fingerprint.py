"""What a model is, as one short text: equal fingerprints answer alike."""

import hashlib
import json

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Where a model was loaded from and by which version, and what the weights tell themselves.
_NOT_CONTENT = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 (hex) over configuration, weights (names, types, shapes, bytes) and vocabulary.

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

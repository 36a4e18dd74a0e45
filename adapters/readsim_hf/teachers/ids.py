"""Token ids, random numbers that depend on them alone, and what a model is as one short text."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from readsim.streams import generator
from readsim_hf.models.digest import model_digest
from readsim_hf.models.tokens import TEXTS
from readsim_hf.teachers.encoding import bare_ids, end_ids, start_ids

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
    """SHA-256 (hex) over the model (see `model_digest`) and how it reads and ends a text (`prompt_facts`).

    Models with equal fingerprints answer alike. The same for a model saved and loaded again.
    """
    facts = {**prompt_facts(model, tokenizer), "vocabulary": sorted(tokenizer.get_vocab().items())}
    facts["texts"] = [bare_ids(tokenizer, text) for text in TEXTS]
    digest = hashlib.sha256(model_digest(model).encode())
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()


def prompt_facts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """How a prompt becomes ids and where a reply ends, as plain data: the chat template with all that is
    set in it, the ids before a text without one, the ids that end a reply, special tokens."""
    template = tokenizer.chat_template
    return {
        "chat_template": template,
        "start": start_ids(tokenizer) if template is None else [],
        "ends": list(end_ids(model, tokenizer)),
        "special": {name: str(value) for name, value in tokenizer.special_tokens_map.items()},
    }

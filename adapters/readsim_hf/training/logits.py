"""The student's losses on a batch: logits at supervised positions only, in pieces where V is large."""

from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from readsim_hf.objectives.base import Objective, weighted_sum
from readsim_hf.objectives.chunks import chunked_loss
from readsim_hf.teachers.inference import evaluating
from readsim_hf.training.batch import Batch

CHUNK_ENTRIES = 6_000_000  # logits held at a time: 24 MB in float32
_PLAIN: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def bare(model: nn.Module) -> PreTrainedModel:
    """The language model itself, without LoRA's wrapper."""
    inner: Any = model
    if hasattr(inner, "get_base_model"):
        inner = inner.get_base_model()
    assert isinstance(inner, PreTrainedModel)
    return inner


def is_plain_head(model: PreTrainedModel) -> bool:
    """Whether logits are the output embedding of the last hidden states and nothing more.

    Seen on one token: the head has to be given what the base model returns, and what it returns (here
    -50 to 50, whatever the weights) has to come out. Models that cap or scale their logits are asked
    for the logits themselves. Asked once of each model, while its weights are whole.
    """
    if model not in _PLAIN:
        head = _head(model)
        _PLAIN[model] = isinstance(head, nn.Linear) and _passes(model, head)
    return _PLAIN[model]


def _passes(model: PreTrainedModel, head: nn.Module) -> bool:
    seen: dict[str, Tensor] = {}

    def replaced(module: nn.Module, given: Any, out: Tensor) -> Tensor:
        seen["read"] = given[0]
        seen["said"] = torch.linspace(-50, 50, out.shape[-1]).to(out).expand_as(out)
        return seen["said"]

    ids = torch.zeros((1, 1), dtype=torch.int64, device=model.device)
    reads: dict[str, Any] = {"input_ids": ids, "use_cache": False}
    hook = head.register_forward_hook(replaced)
    try:
        with evaluating(model):
            hidden = cast(Any, model).base_model(**reads).last_hidden_state
            logits = cast(Any, model)(**reads).logits
    finally:
        hook.remove()
    read = seen.get("read")
    if read is None or not torch.equal(hidden.to(read), read):
        return False
    return torch.equal(logits.float(), seen["said"].float())


def _head(model: Any) -> nn.Module:
    head: nn.Module = model.get_output_embeddings()
    return head


def loss_sum(model: nn.Module, batch: Batch, objective: Objective) -> Tensor:
    """Weighted sum of the losses over the batch's N supervised positions, a scalar."""
    inner = bare(model)
    reads = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
    }
    head = _head(inner)
    if not is_plain_head(inner):
        keep = int(batch.input_ids.shape[1] - batch.columns.min())
        logits = inner(**reads, logits_to_keep=keep).logits
        offset = batch.input_ids.shape[1] - keep
        return weighted_sum(objective, logits[batch.rows, batch.columns - offset], batch.targets)
    hidden = inner.base_model(**reads).last_hidden_state[batch.rows, batch.columns]
    vocabulary = inner.config.get_text_config().vocab_size
    chunk = max(1, CHUNK_ENTRIES // vocabulary)
    if len(hidden) <= chunk:
        return weighted_sum(objective, head(hidden), batch.targets)
    total, _ = chunked_loss(hidden, head, objective, batch.targets, chunk)
    return total

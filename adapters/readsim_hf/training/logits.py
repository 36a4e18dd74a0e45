"""The student's losses on a batch: logits at supervised positions only, in pieces where V is large."""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from readsim_hf.objectives.base import Objective, weighted_sum
from readsim_hf.objectives.chunks import chunked_loss
from readsim_hf.training.batch import Batch

CHUNK_ENTRIES = 6_000_000  # logits held at a time: 24 MB in float32
# Models whose logits are more than head(hidden): they are asked for the logits themselves.
_SCALED = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


def bare(model: nn.Module) -> PreTrainedModel:
    """The language model itself, without LoRA's wrapper."""
    inner: Any = model
    if hasattr(inner, "get_base_model"):
        inner = inner.get_base_model()
    assert isinstance(inner, PreTrainedModel)
    return inner


def is_plain_head(model: PreTrainedModel) -> bool:
    """Whether logits are the output embedding of the last hidden states and nothing more."""
    scaled = any(getattr(model.config, name, None) not in (None, 1, 1.0) for name in _SCALED)
    return not scaled and isinstance(_head(model), nn.Linear)


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

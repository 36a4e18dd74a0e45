"""The student's losses on a batch: logits at supervised positions only, in pieces where V is large."""

from collections.abc import Iterator, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from readsim_hf.objectives.base import Objective, weighted_sum
from readsim_hf.objectives.chunks import chunked_loss
from readsim_hf.teachers.inference import evaluating, reading_device
from readsim_hf.training.batch import Batch
from readsim_hf.training.layer_pairs import LayerPairs

CHUNK_ENTRIES = 6_000_000  # logits held at a time on a CPU: 24 MB in float32, which its caches like
GPU_POSITIONS = (
    1024  # on a GPU: fewer would leave most of it idle; .5 GB in float32 for 128K tokens
)
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

    ids = torch.zeros((1, 1), dtype=torch.int64, device=reading_device(model))
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


def loss_sum(
    model: nn.Module, batch: Batch, objective: Objective, layers: LayerPairs | None = None
) -> Tensor:
    """Weighted sum of the losses over the batch's N supervised positions, a scalar; `layers` where the
    objective reads hidden states."""
    states, head, seen = _read(bare(model), batch, layers is not None)
    targets = batch.targets
    if layers is not None:
        targets = targets._replace(beside=layers(seen, batch))
    if head is None:
        return weighted_sum(objective, states, targets)
    chunk = _chunk(bare(model), states.device)
    if len(states) <= chunk:
        return weighted_sum(objective, head(states), targets)
    total, _ = chunked_loss(states, head, objective, targets, chunk)
    return total


@torch.no_grad()
def logits_in_pieces(model: nn.Module, batch: Batch) -> Iterator[tuple[slice, Tensor]]:
    """Float32 logits (n, V) at a few of the batch's N supervised positions at a time, and which these are."""
    states, head, _ = _read(bare(model), batch)
    chunk = _chunk(bare(model), states.device)
    for start in range(0, len(states), chunk):
        rows = slice(start, start + chunk)
        logits = states[rows] if head is None else head(states[rows])
        yield rows, logits.float()


def _read(
    inner: PreTrainedModel, batch: Batch, layers: bool = False
) -> tuple[Tensor, nn.Module | None, Sequence[Tensor]]:
    """States (N, D) at the supervised positions and the head that makes logits of them; logits (N, V) and
    None where the model makes its own. And, if asked for, all states (B, T, D), a layer each."""
    reads = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
        **({"output_hidden_states": True} if layers else {}),
    }
    rows = batch.rows if batch.attention_mask is not None else torch.zeros_like(batch.rows)
    if is_plain_head(inner):
        made = inner.base_model(**reads)
        states = made.last_hidden_state
        at = rows.to(states.device), batch.columns.to(states.device)
        return states[at], _head(inner), made.hidden_states if layers else ()
    keep = int(batch.input_ids.shape[1] - batch.columns.min())
    made = inner(**reads, logits_to_keep=keep)
    logits = made.logits[rows, batch.columns - (batch.input_ids.shape[1] - keep)]
    return logits, None, made.hidden_states if layers else ()


def _chunk(inner: PreTrainedModel, device: torch.device) -> int:
    return chunk_positions(inner.config.get_text_config().vocab_size, device.type)


def chunk_positions(vocabulary: int, device: str) -> int:
    """Positions whose logits are held at a time on a kind of device."""
    if device == "cpu":
        return max(1, CHUNK_ENTRIES // vocabulary)
    return GPU_POSITIONS

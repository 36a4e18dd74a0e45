"""Examples one after the other in one row: which models keep them apart, and what reads such a row fast."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers.utils.import_utils import is_flash_attn_2_available

from readsim.errors import ConfigError
from readsim_hf.teachers.inference import evaluating, reading_device
from readsim_hf.training.recipe import Recipe

_APART: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def keeps_apart(model: nn.Module) -> bool:
    """Whether sequences that stand in one row, each with positions from 0 and without a mask, are read as if
    each stood alone.

    transformers masks attention so (`masking_utils.find_packed_sequence_indices`); a recurrent state is
    carried on, and some models do not pass their positions on. Found out by reading one sequence alone and
    after two others: what differs between these is no rounding, whatever the type. Asked once of each model.
    """
    if model not in _APART:
        inner: Any = model
        device = reading_device(model)
        ids = torch.tensor(
            [[1, 2, 3, 4, 5, 3, 2, 1, 4], [5, 1, 4, 4, 2, 6, 2, 1, 4]], device=device
        )
        place = torch.tensor([[0, 1, 2, 3, 4, 0, 0, 1, 2]], device=device)
        with evaluating(model):
            one, other = (
                inner(input_ids=row[None], position_ids=place, use_cache=False).logits[0, -3:]
                for row in ids
            )
            alone = inner(input_ids=ids[:1, -3:], use_cache=False).logits[0]
        largest, eps = float(alone.abs().max()), torch.finfo(alone.dtype).eps
        near = bool((one - alone).abs().max() <= eps**0.5 * largest)
        moved = float((one - other).abs().max())
        _APART[model] = near and moved <= torch.finfo(torch.float32).eps ** 0.5 * largest
    return _APART[model]


def check_packing(model: nn.Module) -> None:
    """ConfigError for a model that does not keep the sequences of one row apart."""
    if not keeps_apart(model):
        inner: Any = model
        raise ConfigError(
            f"training.packing = True: a {inner.config.model_type} reads a sequence with what stands before "
            "it in its row (a recurrent state, or no positions); accepted: False, where sequences are padded"
        )


def packs(model: Any, recipe: Recipe) -> None:
    """Let a model read such rows: with attention that takes of a row what its sequences take, where there is
    one. ConfigError as `check_packing`."""
    check_packing(model)
    if model.device.type == "cuda" and recipe.precision == "bf16" and is_flash_attn_2_available():
        model.set_attn_implementation("flash_attention_2")

"""Several sequences in one row of a forward pass: which models keep them apart, and attention made for it."""

from typing import Any

from torch import nn
from transformers.utils.import_utils import is_flash_attn_2_available

from readsim.errors import ConfigError
from readsim_hf.teachers.inference import keeps_apart
from readsim_hf.training.logits import bare
from readsim_hf.training.recipe import Recipe


def check_packing(model: nn.Module) -> None:
    """ConfigError for a model that does not keep the sequences of one row apart."""
    if not keeps_apart(model):
        kind = bare(model).config.model_type
        raise ConfigError(
            f"training.packing = True: a {kind} reads a sequence with what stands before it in its row (a "
            "recurrent state, or no positions); accepted: False, where sequences are padded"
        )


def use_flash(model: Any, recipe: Recipe) -> None:
    """Attention that takes of a row what its sequences take, where there is one."""
    if model.device.type == "cuda" and recipe.precision == "bf16" and is_flash_attn_2_available():
        model.set_attn_implementation("flash_attention_2")

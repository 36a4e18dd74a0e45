"""Liger kernels: fused Triton kernels for a student's norms and feed-forward layers.

No test has run them: they need CUDA, which was not at hand. Tests check what is asked of the package.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from readsim.errors import ConfigError
from readsim_hf.training.logits import bare

_WHERE = "liger_kernel.transformers.monkey_patch"


def check_liger(model: nn.Module, device: torch.device) -> None:
    """ConfigError, saying what is missing, where Liger kernels cannot be applied to a student there."""
    _kernels_for(model, device)


def apply_liger(model: nn.Module) -> None:
    """Put Liger kernels into one model; others stay as they are.

    Its cross entropies stay off: objectives need logits. So does its rotary embedding, which would be
    replaced for every model of the family: the teacher's replies may not depend on the recipe.
    """
    of_instance: Any = _kernels_for(model, bare(model).device)._apply_liger_kernel_to_instance
    off = dict.fromkeys(("fused_linear_cross_entropy", "cross_entropy", "rope"), False)
    of_instance(model=bare(model), **off)


def _kernels_for(model: nn.Module, device: torch.device) -> Any:
    """The package's module, checked against the model."""
    inner = bare(model)
    if find_spec("liger_kernel") is None:
        raise ConfigError(
            "training.liger = True: the package liger-kernel is missing: pip install liger-kernel, "
            "or use liger = false"
        )
    if device.type != "cuda":
        raise ConfigError(
            f"training.liger = True: the student is on {device.type}, Liger kernels need "
            "device = 'cuda'; or use liger = false"
        )
    kernels: Any = import_module(_WHERE)
    known = kernels.MODEL_TYPE_TO_APPLY_LIGER_FN
    if inner.config.model_type not in known:
        raise ConfigError(
            f"training.liger = True: no kernels for the student's family {inner.config.model_type!r} "
            f"(known: {', '.join(sorted(known))}); use liger = false"
        )
    return kernels

"""LoRA: which layers of a student get adapters, and their dropout."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.pytorch_utils import Conv1D

from readsim.errors import ConfigError, unknown
from readsim_hf.training.batch import Example
from readsim_hf.training.recipe import Recipe

_TAKEN = (nn.Linear, Conv1D, nn.Embedding)


def with_lora(model: nn.Module, recipe: Recipe) -> nn.Module:
    """The model with LoRA adapters of the recipe (Hu et al. 2021); only they are trained.

    Raises ConfigError for a module that the model does not have, and for what PEFT refuses.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    _check_targets(model, recipe)
    known = ", ".join(_linear(model))
    alpha = 2 * recipe.lora if recipe.lora_alpha is None else recipe.lora_alpha
    targets = recipe.lora_targets
    config = LoraConfig(
        r=recipe.lora,
        lora_alpha=alpha,  # type: ignore[arg-type]  # a scale: PEFT divides it by the rank
        lora_dropout=recipe.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    with fixed_torch_seed(0), warnings.catch_warnings():
        # peft asks newer transformers for a property under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)  # Conv1D
        try:
            if getattr(
                model, "is_quantized", False
            ):  # norms and embeddings in float32, as QLoRA has them
                prepare: Any = prepare_model_for_kbit_training
                model = prepare(model, use_gradient_checkpointing=False)
            return get_peft_model(model, config)
        except (ValueError, TypeError, NotImplementedError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"training.lora_targets = {targets!r}: {reason} (layers here: {known})"
            ) from error


def check_lora(config: PreTrainedConfig, recipe: Recipe) -> None:
    """ConfigError for adapters that a model of that configuration does not take; no weights are made."""
    if recipe.lora:
        make: Any = AutoModelForCausalLM.from_config
        with torch.device("meta"):
            with_lora(make(config), recipe)


def _linear(model: nn.Module) -> list[str]:
    return sorted({n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, _TAKEN)})


def _check_targets(model: nn.Module, recipe: Recipe) -> None:
    """ConfigError for a target that no module's name ends with, and for one that is no linear layer or whose
    weight is another one's too."""
    if isinstance(recipe.lora_targets, str):
        return
    named: dict[str, Any] = {name: module for name, module in model.named_modules() if name}
    held = Counter(id(m.weight) for m in named.values() if isinstance(m, _TAKEN))
    shared = {weight for weight, modules in held.items() if modules > 1}
    for target in recipe.lora_targets:
        found = [m for name, m in named.items() if f".{name}".endswith(f".{target}")]
        if not found:
            raise unknown("module in training.lora_targets", target, _linear(model))
        other = next((m for m in found if not isinstance(m, _TAKEN)), None)
        if other is not None:
            raise ConfigError(
                f"training.lora_targets: {target!r} is a {type(other).__name__}; accepted: names of linear "
                "layers, or 'all-linear'"
            )
        if any(id(m.weight) in shared for m in found):
            raise ConfigError(
                f"training.lora_targets: {target!r} shares its weight with another layer (tied embeddings), "
                "which merged adapters would change too; use 'all-linear', which leaves it out, or a student "
                "with tie_word_embeddings = false"
            )


def dropouts_of(model: nn.Module) -> list[nn.Module]:
    """The dropout of its adapters."""
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Dropout) and ".lora_dropout." in f".{name}"
    ]


@contextmanager
def dropping(modules: Sequence[nn.Module], parts: Sequence[Sequence[Example]]) -> Iterator[None]:
    """These dropouts act inside, with masks that depend on the examples and their order alone: a run that is
    resumed draws the same again. Nothing happens without `modules`."""
    if not modules:
        yield
        return
    digest = hashlib.sha256()
    for record, tokens in (example for part in parts for example in part):
        digest.update(record.prompt_ids.tobytes() + record.completion_ids.tobytes())
        digest.update(f"{record.span[0]} {tokens}".encode())
    with fixed_torch_seed(int.from_bytes(digest.digest()[:8]) >> 1):
        for module in modules:
            module.train()
        try:
            yield
        finally:
            for module in modules:
                module.eval()


@contextmanager
def fixed_torch_seed(seed: int) -> Iterator[None]:
    """Torch's global generator at `seed` inside, as it was afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

"""Tiny random models, for tests and dry runs: real architectures, no weights to fetch."""

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from readsim.errors import ConfigError, unknown

FAMILIES = ("llama", "gpt2", "qwen2")
HEAD = 16  # width of an attention head


def tiny_model(
    family: str,
    vocab_size: int,
    layers: int,
    width: int,
    seed: int,
    *,
    context: int = 256,
    eos_token_id: int | None = None,
) -> PreTrainedModel:
    """A random causal language model in evaluation mode, fp32, on the CPU.

    family   `llama` and `qwen2` (grouped-query attention, tied embeddings) or `gpt2`
    width    hidden size, a multiple of 16
    seed     fixes every weight; PyTorch's global generator stays as it was

    Dropout is off. Without `eos_token_id` generation goes on to its length limit.
    """
    config = _config(family, vocab_size, layers, width, context, eos_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make: Any = AutoModelForCausalLM.from_config
        model: PreTrainedModel = make(config, dtype=torch.float32)
    model.train(False)
    return model


def _config(
    family: str, vocab_size: int, layers: int, width: int, context: int, eos: int | None
) -> PreTrainedConfig:
    if family not in FAMILIES:
        raise unknown("model family", family, FAMILIES)
    if width <= 0 or width % HEAD:
        raise ConfigError(f"width is {width}; accepted: positive multiples of {HEAD}")
    if vocab_size < 1 or layers < 1 or context < 1:
        raise ConfigError(
            f"vocab_size, layers and context are {vocab_size}, {layers}, {context}; each is at least 1"
        )
    ids: dict[str, Any] = {"bos_token_id": None, "eos_token_id": eos, "pad_token_id": eos}
    heads = width // HEAD
    if family == "gpt2":
        return GPT2Config(
            vocab_size=vocab_size,
            n_positions=context,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **ids,
        )
    kind = LlamaConfig if family == "llama" else Qwen2Config
    return kind(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2 if heads % 2 == 0 else heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        **ids,
    )

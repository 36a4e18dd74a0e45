"""The sizes of a language model that costs depend on, read from its configuration on the meta device."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from readsim.errors import ConfigError


@dataclass(frozen=True)
class ModelShape:
    """Sizes of one model.

    parameters    all weights, tied ones once
    body          weights of the layers' matrix products (embeddings and head left out)
    ends          sum of inputs and outputs of those that LoRA adapts: LoRA of rank r adds r * ends weights
    attending     layers with attention: all, or those of a hybrid that are not recurrent
    layers, hidden, feed   L, d, and the width inside a feed-forward layer (of one path)
    heads                  of a layer's queries
    queries, keys          widths of a layer's queries (heads x head size) and of its keys
    vocabulary    V, columns of the logits
    """

    parameters: int
    body: int
    ends: int
    layers: int
    hidden: int
    feed: int
    heads: int
    queries: int
    keys: int
    vocabulary: int
    attending: int

    @property
    def head(self) -> int:
        """Weights of the output layer's product, V d: used where logits are asked for only."""
        return self.vocabulary * self.hidden

    def adapters(self, rank: int) -> int:
        """Weights that LoRA of this rank adds (Hu et al. 2021)."""
        return rank * self.ends


def empty_model(config: PreTrainedConfig) -> PreTrainedModel:
    """The model on the meta device: names and shapes, no memory."""
    make: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        model: PreTrainedModel = make(config, dtype=torch.float32)
    return model


def shape_of(config: PreTrainedConfig, targets: tuple[str, ...] | str = "all-linear") -> ModelShape:
    """The sizes of the model that this configuration describes; `targets` are the layers with LoRA.

    Raises ConfigError for a configuration without layers, heads or widths (a mixture of experts, whose
    cost a token is not that of all its weights, is refused too).
    """
    text = config.get_text_config(decoder=True)
    for name in ("num_local_experts", "num_experts", "n_routed_experts"):
        if (experts := getattr(text, name, None)) not in (None, 0, 1):
            raise ConfigError(f"{name} = {experts!r}: costs are known for dense models only")
    layers, hidden = _size(text, "num_hidden_layers"), _size(text, "hidden_size")
    attending = _attending(text, layers)
    heads = _size(text, "num_attention_heads") if attending else 0
    width = (getattr(text, "head_dim", None) or hidden // heads) if attending else 0
    groups = getattr(text, "num_key_value_heads", None) or heads
    feed = getattr(text, "intermediate_size", None) or getattr(text, "n_inner", None) or 4 * hidden
    model: Any = empty_model(config)
    head = model.get_output_embeddings()
    matrices = {
        name: module.weight
        for name, module in model.named_modules()
        if module is not head
        and not isinstance(module, nn.Embedding)
        and getattr(getattr(module, "weight", None), "dim", int)() == 2
    }
    adapted = [
        matrix
        for name, matrix in matrices.items()
        if isinstance(targets, str) or any(f".{name}".endswith(f".{t}") for t in targets)
    ]
    return ModelShape(
        parameters=sum(p.numel() for p in model.parameters()),
        body=sum(m.numel() for m in matrices.values()),
        ends=sum(sum(m.shape) for m in adapted),
        layers=layers,
        hidden=hidden,
        feed=int(feed),
        heads=heads,
        queries=heads * width,
        keys=groups * width,
        vocabulary=_size(text, "vocab_size"),
        attending=attending,
    )


def _attending(text: Any, layers: int) -> int:
    """Layers that keep keys and values: of a hybrid those whose kind says so, none of a recurrent model."""
    if getattr(text, "num_attention_heads", None) is None:
        return 0 if getattr(text, "state_size", None) or text.model_type == "rwkv" else layers
    kinds = getattr(text, "layers_block_type", None) or getattr(text, "layer_types", None)
    if not kinds:
        return layers
    return sum("linear" not in k and ("attention" in k or k == "hybrid") for k in kinds)


def _size(config: Any, name: str) -> int:
    value = getattr(config, name, None)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} = {value!r} in the model's configuration: a whole number >= 1")
    return value

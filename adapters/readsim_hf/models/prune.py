"""Depth pruning: how much each layer of a model matters, and a copy that keeps the ones that do."""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div
from transformers import PreTrainedConfig, PreTrainedModel

from readsim.errors import CapabilityMissingError, ConfigError


def layer_list(model: PreTrainedModel) -> tuple[nn.Module, str]:
    """The module that holds the list of decoder layers, and the list's name in it.

    It is the outermost `ModuleList` with `num_hidden_layers` members (Llama and Qwen2: `model.layers`,
    GPT-2: `transformer.h`). CapabilityMissingError where there is none or more than one.
    """
    depth = _text(model).num_hidden_layers
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    outermost = min((name.count(".") for name in found), default=0)
    names = [name for name in found if name.count(".") == outermost]
    if len(names) != 1:
        raise CapabilityMissingError(
            f"{type(model).__name__} has {len(names)} lists of {depth} layers; "
            "a model with exactly one can be pruned"
        )
    parent, _, name = names[0].rpartition(".")
    return model.get_submodule(parent), name


@torch.no_grad()
def layer_importance(model: PreTrainedModel, batches: Sequence[Tensor]) -> list[float]:
    """What leaving out each layer costs, in nats a token.

    I_i = mean over positions of KL(p_full || p_without_i), p the next-token distribution. `batches` are
    (B, T) token ids without padding; each takes one pass, and one more for each layer. The model is as
    it was afterwards. ConfigError where a batch is empty or a result is not finite.
    """
    if not batches or any(ids.numel() == 0 for ids in batches):
        raise ConfigError("layer importance needs at least one token in each batch")
    depth = _text(model).num_hidden_layers
    total, positions = [0.0] * depth, 0
    training = model.training
    model.train(False)
    try:
        for ids in batches:
            full = _log_probabilities(model, ids)
            positions += ids.numel()
            for i in range(depth):
                with _only(model, [k for k in range(depth) if k != i]):
                    cut = _log_probabilities(model, ids)
                total[i] += kl_div(cut, full, log_target=True, reduction="sum").item()
    finally:
        model.train(training)
    importance = [value / positions for value in total]
    if not all(math.isfinite(value) for value in importance):
        raise ConfigError(f"layer importance is not finite: {importance}; measure it in fp32")
    return importance


def most_important(importance: Sequence[float], layers: int) -> list[int]:
    """The `layers` layers of greatest importance in ascending order; of equals, the earlier one."""
    if not 1 <= layers <= len(importance):
        raise ConfigError(f"layers is {layers}; the model has {len(importance)}")
    order = sorted(range(len(importance)), key=lambda i: (-importance[i], i))
    return sorted(order[:layers])


def drop_layers(model: PreTrainedModel, keep: Sequence[int]) -> PreTrainedModel:
    """A copy with the layers `keep` (ascending positions) and no others; `model` stays as it was.

    The layers count from 0 again (`layer_idx`: the key-value cache goes by it) and the configuration says
    how many there are, so that the copy saves, loads and generates like any model.
    """
    _check_keep(model, keep)
    with _only(model, keep):
        pruned: PreTrainedModel = copy.deepcopy(model)
    parent, name = layer_list(pruned)
    for new, layer in enumerate(getattr(parent, name)):
        for module in layer.modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = new
    return pruned


def _check_keep(model: PreTrainedModel, keep: Sequence[int]) -> None:
    config = _text(model)
    depth = config.num_hidden_layers
    if not keep or list(keep) != sorted(set(keep)) or not 0 <= keep[0] <= keep[-1] < depth:
        raise ConfigError(
            f"keep is {list(keep)}; accepted: one or more ascending layers of 0..{depth - 1}"
        )
    if getattr(config, "scale_attn_by_inverse_layer_idx", False):
        raise CapabilityMissingError(
            "scale_attn_by_inverse_layer_idx is set: a layer of this model computes something else "
            "at another position, so it cannot be pruned"
        )


def _text(model: PreTrainedModel) -> PreTrainedConfig:
    return model.config.get_text_config(decoder=True)


def _log_probabilities(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), fp32."""
    logits: Tensor = model(input_ids=ids.to(model.device), use_cache=False).logits
    return logits.float().log_softmax(-1)


@contextmanager
def _only(model: PreTrainedModel, keep: Sequence[int]) -> Iterator[None]:
    """The model has only the layers `keep` inside the block."""
    parent, name = layer_list(model)
    layers, config = getattr(parent, name), _text(model)
    depth = len(layers)
    lists = {
        key: value
        for key, value in vars(config).items()
        # `layer_types` and its like: one element a layer.
        if "layer" in key and isinstance(value, list | tuple) and len(value) == depth
    }
    setattr(parent, name, nn.ModuleList(layers[i] for i in keep))
    config.num_hidden_layers = len(keep)
    for key, value in lists.items():
        setattr(config, key, type(value)(value[i] for i in keep))
    try:
        yield
    finally:
        setattr(parent, name, layers)
        config.num_hidden_layers = depth
        for key, value in lists.items():
            setattr(config, key, value)


# On these the importance of layers is measured: a few prompts and replies of each kind.
TEXTS = (
    "Who wrote the play Hamlet? Hamlet was written by William Shakespeare around the year 1600.",
    "Name three metals. 1. Iron 2. Copper 3. Zinc",
    "Reply in one sentence that ends with an exclamation mark: the sea is wide and blue today!",
    "All roses are flowers, and some flowers fade quickly. Do all roses fade quickly? Not necessarily.",
    "If Ana is older than Ben, and Ben is older than Cleo, then the youngest of the three is Cleo.",
    "What is 17 + 25? First 17 + 20 = 37, then 37 + 5 = 42. Answer: 42",
    "A box holds 6 eggs. Four boxes hold 4 * 6 = 24 eggs. Answer: 24",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 3))  # 5",
    'Call a tool: {"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}',
    "The red key is in the kitchen. The blue key is in the garden. Where is the blue key? In the garden.",
    "¿Cuál es la capital de España? La capital de España es Madrid.",
    "Quelle est la couleur du ciel ? Le ciel est bleu. Wie heißt du? Ich heiße Anna.",
)

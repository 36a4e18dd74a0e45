"""Depth pruning: a pruned model is an ordinary model, and importance is what leaving out costs."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")

FAMILIES = ("llama", "gpt2", "qwen2")
LAYERS, VOCAB = 5, 37


def model_of(family: str, seed: int = 0) -> Any:
    """A tiny model whose layers matter: larger weights than at a usual start."""
    import torch

    from readsim_hf.models.tiny import tiny_model

    model = tiny_model(family, VOCAB, LAYERS, 32, seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "layers" in name + ".layers" * (".h." in name):
                weight.mul_(8.0)
    return model


def tokens(rows: int = 2, length: int = 9, seed: int = 0) -> Any:
    import torch

    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCAB, (rows, length)))


def logits(model: Any, ids: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(ids).logits


def built_with(model: Any, keep: list[int]) -> Any:
    """A model of that many layers made from the configuration, with the kept layers' weights."""
    import copy

    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(keep)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[i] for i in keep]
    make: Any = AutoModelForCausalLM.from_config
    made = make(config)
    weights = {}
    for name, value in model.state_dict().items():
        match = re.match(r"(.*\.(?:layers|h)\.)(\d+)(\..*)", name)
        if match is None:
            weights[name] = value
        elif int(match[2]) in keep:
            weights[f"{match[1]}{keep.index(int(match[2]))}{match[3]}"] = value
    made.load_state_dict(weights)
    return made.eval()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("keep", [[0], [1, 3, 4], [0, 1, 2, 3, 4]])
def test_dropping_layers_is_building_the_model_without_them(family: str, keep: list[int]) -> None:
    import torch

    from readsim_hf.models.prune import drop_layers

    model, ids = model_of(family), tokens()
    before = logits(model, ids)
    pruned = drop_layers(model, keep)
    assert torch.equal(logits(pruned, ids), logits(built_with(model, keep), ids))
    assert pruned.config.num_hidden_layers == len(keep)
    assert (len(keep) == LAYERS) == torch.equal(logits(pruned, ids), before)
    # The original is as it was, and shares nothing with the copy.
    assert model.config.num_hidden_layers == LAYERS
    with torch.no_grad():
        for weight in pruned.parameters():
            weight.zero_()
    assert torch.equal(logits(model, ids), before)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pruned_model_generates_with_its_cache(family: str) -> None:
    import torch

    from readsim_hf.models.prune import drop_layers
    from readsim_hf.teachers.inference import cache_word

    pruned = drop_layers(model_of(family), [1, 3, 4])
    ids = tokens(length=4)
    settings: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False}
    with_cache = pruned.generate(ids, use_cache=True, **settings)  # type: ignore[operator]
    without = pruned.generate(ids, use_cache=False, **settings)  # type: ignore[operator]
    assert torch.equal(with_cache, without)
    # One cache a layer, each filled: layers that share an index would fill one of them twice.
    word = cache_word(pruned)
    cache = pruned(ids, use_cache=True)[word]
    assert [cache.get_seq_length(i) for i in range(3)] == [4, 4, 4]
    one = pruned(with_cache[:, 4:5], **{word: cache}).logits[:, -1]
    torch.testing.assert_close(one, logits(pruned, with_cache[:, :5])[:, -1])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pruned_model_saves_and_loads(family: str, tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.loading import load_model, no_progress_bars
    from readsim_hf.models.prune import drop_layers

    pruned = drop_layers(model_of(family), [0, 2])
    with no_progress_bars():
        pruned.save_pretrained(tmp_path)
    again = load_model(str(tmp_path))
    assert torch.equal(logits(again, tokens()), logits(pruned, tokens()))
    assert again.config.num_hidden_layers == 2


def test_per_layer_lists_of_the_configuration_follow() -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from readsim_hf.models.prune import drop_layers

    kinds = ["sliding_attention", "full_attention"] * 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=VOCAB,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=4,
                num_attention_heads=2,
                num_key_value_heads=2,
                use_sliding_window=True,
                sliding_window=2,
                layer_types=kinds,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
    model.train(False)
    pruned = drop_layers(model, [0, 1, 2])
    assert pruned.config.layer_types == kinds[:3]
    assert drop_layers(model, [1, 2]).config.layer_types == kinds[1:3]
    assert model.config.layer_types == kinds
    ids = tokens()
    assert torch.equal(logits(pruned, ids), logits(built_with(model, [0, 1, 2]), ids))


def kl_in_numpy(full: Any, cut: Any) -> float:
    def log_softmax(x: Any) -> Any:
        x = x.double().numpy()
        x = x - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    p, q = log_softmax(full), log_softmax(cut)
    return float((np.exp(p) * (p - q)).sum(-1).mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_importance_is_the_divergence_without_the_layer(family: str) -> None:
    import torch

    from readsim_hf.models.prune import drop_layers, layer_importance

    model = model_of(family)
    batches = [tokens(2, 9, 1), tokens(1, 6, 2)]
    before = logits(model, batches[0])
    model.train()
    got = layer_importance(model, batches)
    assert model.training
    model.eval()
    assert torch.equal(logits(model, batches[0]), before)
    for i in range(LAYERS):
        pruned = drop_layers(model, [k for k in range(LAYERS) if k != i])
        each = [kl_in_numpy(logits(model, ids), logits(pruned, ids)) for ids in batches]
        assert got[i] == pytest.approx((18 * each[0] + 6 * each[1]) / 24, rel=1e-3)
    assert min(got) > 1e-4


def test_a_layer_that_adds_nothing_costs_nothing() -> None:
    import torch

    from readsim_hf.models.prune import layer_importance, most_important

    model = model_of("llama")
    with torch.no_grad():
        model.model.layers[2].self_attn.o_proj.weight.zero_()
        model.model.layers[2].mlp.down_proj.weight.zero_()
    importance = layer_importance(model, [tokens()])
    assert importance[2] == pytest.approx(0.0, abs=1e-6)
    assert 2 not in most_important(importance, LAYERS - 1)


def test_most_important_layers() -> None:
    from readsim_hf.models.prune import most_important

    assert most_important([3.0, 1.0, 2.0, 1.0], 2) == [0, 2]
    assert most_important([1.0, 5.0, 1.0, 1.0], 3) == [0, 1, 2]
    for layers in (0, 5):
        with pytest.raises(ConfigError, match=f"layers is {layers}; the model has 4"):
            most_important([1.0] * 4, layers)


@pytest.mark.parametrize("keep", [[], [2, 1], [1, 1], [-1, 2], [0, LAYERS]])
def test_what_can_be_kept(keep: list[int]) -> None:
    from readsim_hf.models.prune import drop_layers

    with pytest.raises(ConfigError, match=r"accepted: one or more ascending layers of 0\.\.4"):
        drop_layers(model_of("llama"), keep)


def test_what_cannot_be_pruned_or_measured() -> None:
    import torch
    from torch import nn
    from transformers import GPT2Config, GPT2LMHeadModel

    from readsim_hf.models.prune import drop_layers, layer_importance

    with torch.random.fork_rng(devices=[]):
        scaled = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCAB,
                n_embd=32,
                n_head=2,
                n_layer=2,
                scale_attn_by_inverse_layer_idx=True,
            )
        )
    with pytest.raises(CapabilityMissingError, match="another position"):
        drop_layers(scaled, [1])
    model = model_of("llama")
    with pytest.raises(ConfigError, match="at least one token"):
        layer_importance(model, [])
    model.model.twin = nn.ModuleList(nn.Identity() for _ in range(LAYERS))
    with pytest.raises(CapabilityMissingError, match="has 2 lists of 5 layers"):
        drop_layers(model, [1])
    del model.model.twin
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.fill_(math.nan)
    with pytest.raises(ConfigError, match="not finite"):
        layer_importance(model, [tokens()])

"""Costs of a run: formulas beside what PyTorch counts, allocates and keeps, and beside published numbers."""

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS, record

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from readsim_hf.training.recipe import Recipe

pytestmark = pytest.mark.extra(*NEEDS)

SEQUENCES, LENGTH = 3, 40


def llama(layers: int = 3, **settings: Any) -> "PreTrainedModel":
    """Grouped-query attention, an output layer of its own."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 6, **settings}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=99,
                num_hidden_layers=layers,
                num_key_value_heads=2,
                eos_token_id=1,
                **sizes,
            )
        )
    made: PreTrainedModel = model.eval()
    return made


def inputs() -> dict[str, Any]:
    import torch

    ids = torch.ones((SEQUENCES, LENGTH), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    return {"input_ids": ids, "attention_mask": mask, "use_cache": False}


def counted(work: Any) -> int:
    """FLOPs as PyTorch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def test_a_forward_pass_has_the_flops_that_pytorch_counts() -> None:
    import torch

    from readsim_hf.costs.flops import scoring_flops
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.models.tiny import tiny_model

    tokens = SEQUENCES * LENGTH
    others = [tiny_model(family, 60, 2, 32, 0) for family in ("gpt2", "qwen2")]
    for model in (llama(), *others):
        model.set_attn_implementation("eager")
        with torch.no_grad():
            found = counted(lambda model=model: model(**inputs()))
        expected = scoring_flops(shape_of(model.config), tokens, LENGTH, tokens)
        assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("lora", "again"), list(product((0, 4), (False, True))))
def test_a_training_step_has_the_flops_that_pytorch_counts(lora: int, again: bool) -> None:
    from readsim_hf.costs.flops import training_flops
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.batch import Example
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    model = llama(layers=8)
    model.set_attn_implementation("eager")
    recipe = Recipe(batch=4, micro_batch=4, lora=lora, gradient_checkpointing=again)
    student = Student(model, recipe, make_objective("sft"))
    reply = 9
    half = [Example(record([2] * (LENGTH + 1 - reply), [3] * reply), reply) for _ in range(4)]
    found = counted(lambda: student.train_window(half, 0.5))
    shape = shape_of(llama(layers=8).config)
    expected = training_flops(shape, 4 * LENGTH, LENGTH, 4 * reply, lora=lora, recomputed=again)
    # LoRA's first layer passes nothing back; PyTorch leaves a layer's last product out when it repeats
    if lora or again:
        assert 0.92 < found / expected <= 1.0
    else:
        assert found == pytest.approx(expected, rel=1e-3)


def test_generation_with_a_cache_has_the_flops_that_pytorch_counts() -> None:
    from readsim_hf.costs.flops import reading_flops, writing_flops
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.teachers.decoding import Decoding, generate
    from readsim_hf.teachers.inference import reads_padding

    model = llama()
    model.set_attn_implementation("eager")
    prompt, new = 20, 11
    decoding = Decoding(max_new_tokens=new, temperature=0.0)
    prompts = [np.full(prompt, 2, dtype=np.int32)] * 2
    reads_padding(model)  # asked once of each model, with a forward pass
    found = counted(lambda: generate(model, prompts, decoding, ends=[98], vocab=90))
    shape = shape_of(model.config)
    read = reading_flops(shape, 2 * prompt, prompt, 2)
    # the first token comes from reading the prompt
    assert found == pytest.approx(
        read + writing_flops(shape, 2 * (new - 1), prompt + new / 2), 1e-2
    )
    assert read + writing_flops(shape, 2 * new, prompt + new / 2) > found


def kept_bytes(model: "PreTrainedModel", recipe: "Recipe") -> int:
    """Bytes that a forward pass of the layers keeps for the backward pass, the weights left out."""
    import torch

    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.logits import bare
    from readsim_hf.training.student import Student

    student = Student(model, recipe, make_objective("sft"))
    own = {p.untyped_storage().data_ptr() for p in student.model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        student._recomputing(),
        student.autocast(),
    ):
        bare(student.model).base_model(**inputs())
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("lora", [0, 4])
def test_activations_are_what_autograd_keeps(precision: Any, lora: int) -> None:
    from readsim_hf.costs.memory import activation_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.training.recipe import Recipe

    recipe = Recipe(precision=precision, lora=lora)
    model = llama(layers=6, hidden_size=96, intermediate_size=256)
    expected = activation_bytes(shape_of(model.config), SEQUENCES, LENGTH, recipe, "cpu")
    assert kept_bytes(model, recipe) == pytest.approx(expected, rel=0.1)


def test_gradient_checkpointing_keeps_a_layers_input() -> None:
    from readsim_hf.costs.memory import activation_bytes, layer_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.training.recipe import Recipe

    recipe = Recipe(gradient_checkpointing=True)
    model = llama(layers=12)
    shape, tokens = shape_of(model.config), SEQUENCES * LENGTH
    expected = activation_bytes(shape, SEQUENCES, LENGTH, recipe, "cpu")
    one = layer_bytes(shape, LENGTH, recipe, "cpu") * tokens  # made again in the backward pass
    assert kept_bytes(model, recipe) == pytest.approx(expected - one, rel=0.1)


@pytest.mark.parametrize("lora", [0, 4])
def test_weights_and_the_optimiser_have_the_bytes_that_are_there(lora: int) -> None:
    from readsim_hf.costs.memory import optimiser_bytes, trained, weight_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.batch import Example
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    model = llama()
    shape = shape_of(model.config)
    assert weight_bytes(shape, "fp32") == sum(p.nbytes for p in model.parameters())
    student = Student(model, Recipe(lora=lora), make_objective("sft"))
    student.train_window([Example(record([2, 3], [4, 5]), 2)], 0.5)
    assert trained(shape, lora) == sum(p.numel() for p in student.parameters)
    moments = sum(t.nbytes for n, t in student.moments().items() if not n.endswith("/step"))
    assert optimiser_bytes(shape, lora) == (moments / 2, moments)


def test_the_cache_of_keys_and_values_has_the_bytes_that_are_there() -> None:
    from transformers import DynamicCache

    from readsim_hf.costs.memory import cache_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.teachers.inference import cache_word

    model = llama()
    cache = DynamicCache()
    model(**{**inputs(), "use_cache": True, cache_word(model): cache})
    layers: Any = cache.layers
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    assert cache_bytes(shape_of(model.config), SEQUENCES, LENGTH, "fp32") == held


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", 70.6),
        ("meta-llama/Llama-3.1-8B-Instruct", 8.03),
        ("Qwen/Qwen2.5-72B-Instruct", 72.7),
        ("Qwen/Qwen2.5-14B-Instruct", 14.8),
    ],
)
def test_shipped_configurations_have_the_published_number_of_weights(
    name: str, billions: float
) -> None:
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.models.meta import config_of, shipped_names

    assert name in shipped_names()
    assert float(f"{shape_of(config_of(name)).parameters / 1e9:.3g}") == billions


def test_what_costs_are_not_known_for_is_refused() -> None:
    from transformers import MixtralConfig

    from readsim_hf.costs.devices import DEVICES, compute_seconds
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.models.meta import config_of

    with pytest.raises(ConfigError, match="num_local_experts = 8: costs are known for dense"):
        shape_of(MixtralConfig())
    with pytest.raises(
        ConfigError, match=r"utilisation 0\.0: expected a number above 0, at most 1"
    ):
        compute_seconds(1.0, DEVICES[0], "bf16", 0.0)
    with pytest.raises(ConfigError, match="model source 'missing"):
        config_of("missing.gguf")


def test_devices_decode_no_faster_than_they_read_and_hold_what_their_memory_holds() -> None:
    from readsim_hf.costs.devices import DEVICES, USABLE, decoding_seconds, devices_needed

    device = DEVICES[0]
    assert decoding_seconds(3, device.bandwidth, device) == 3.0
    whole = USABLE * device.memory
    assert [devices_needed(x * whole, device) for x in (0.1, 1.0, 1.1, 2.5)] == [1, 1, 2, 3]
    assert device.peak("fp32") < device.peak("bf16") == device.peak("fp16")


def test_the_longest_reply_of_a_batch_is_what_draws_say() -> None:
    import numpy as np

    from readsim_hf.costs.decoding import batch_steps, expected_longest, refilled_steps

    rng = np.random.default_rng(0)
    lengths, weights = np.array([1.0, 5, 5, 7, 60]), np.array([3.0, 1, 1, 2, 0.05])
    draws = rng.choice(lengths, (40_000, 16), p=weights / weights.sum())
    assert expected_longest(lengths, 16, weights) == pytest.approx(draws.max(1).mean(), rel=0.01)
    assert expected_longest(lengths, 1, weights) == pytest.approx(
        float(lengths @ weights) / float(weights.sum())
    )
    assert expected_longest([7.0], 64) == 7.0
    assert batch_steps(640, 64, 47.0) == 470.0
    assert refilled_steps(448, 64, 20.0, 2) == 448 / 56 + 40


def test_a_plan_foretells_the_steps_that_generation_takes() -> None:
    """Decode steps of replies by a model that ends at random, beside the formula."""
    import numpy as np

    from readsim_hf.costs.decoding import expected_longest, refilled_steps
    from readsim_hf.teachers.decoding import Decoding, generate
    from tests.support.made_teachers import random_model

    ends = [0, *range(40, 55)]
    model = random_model(ends=ends)
    rng = np.random.default_rng(2)
    prompts = [rng.integers(60, 320, 8).tolist() for _ in range(160)]
    forwards = 0

    def count(_: Any, args: Any, kwargs: Any) -> None:
        nonlocal forwards
        forwards += kwargs["input_ids"].shape[1] == 1

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        replies = generate(model, prompts, Decoding(80, 0.7, 16), ends=ends, vocab=320)
    finally:
        hook.remove()
    lengths = np.array([len(reply) for reply in replies], dtype=float)
    planned = refilled_steps(lengths.sum(), 16, expected_longest(lengths, 16), 1)
    assert forwards == pytest.approx(planned, rel=0.2)

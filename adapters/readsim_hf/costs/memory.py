"""Bytes on the device: weights, optimiser, activations, logits, caches of keys and values.

What frees itself within one operation (temporaries, padding of allocators) is left out.
"""

from dataclasses import dataclass

from readsim_hf.costs.shape import ModelShape
from readsim_hf.training.logits import chunk_positions
from readsim_hf.training.recipe import Recipe

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
# A weight of a quantised layer. nf4: with double quantisation 4 + 8 / 64 + 32 / (64 * 256) bits (Dettmers et
# al. 2023, arXiv 2305.14314, section 3). What is not in layers (embeddings, head, norms) has 2 bytes.
QUANTISED_BYTES = {"int8": 1.0, "nf4": (4 + 8 / 64 + 32 / (64 * 256)) / 8}
LOSS_COPIES = (
    5  # of a chunk's logits in float32: themselves, log-softmax, its exponential, two gradients
)
LINEARS = 7  # of a layer: q, k, v, o, gate, up, down


def weight_bytes(shape: ModelShape, precision: str) -> float:
    """All parameters at a precision, or of 8 or 4 bits."""
    if precision in QUANTISED_BYTES:
        return QUANTISED_BYTES[precision] * shape.body + 2.0 * (shape.parameters - shape.body)
    return float(shape.parameters * BYTES[precision])


def frozen_bytes(shape: ModelShape, precision: str) -> float:
    """The student's weights: PEFT holds what is not quantised of 8 and 4 bits in float32."""
    more = 2.0 * (shape.parameters - shape.body) if precision in QUANTISED_BYTES else 0.0
    return weight_bytes(shape, precision) + more


def trained(shape: ModelShape, lora: int) -> int:
    """Weights that the optimiser sees: LoRA's, or all."""
    return shape.adapters(lora) if lora else shape.parameters


def optimiser_bytes(shape: ModelShape, lora: int) -> tuple[float, float]:
    """Gradients, and AdamW's two moments, in float32: 4 and 8 bytes a trained weight.

    Rajbhandari et al. 2020 (arXiv 1910.02054, section 3.1), without a second copy of the weights: they
    are float32 themselves here.
    """
    return 4.0 * trained(shape, lora), 8.0 * trained(shape, lora)


def layer_bytes(shape: ModelShape, length: int, recipe: Recipe, device: str = "cuda") -> float:
    """What one layer keeps of one token for its backward pass.

    Counted as Korthikanti et al. 2022 (arXiv 2205.05198, section 4.1) do, for a layer of Llama's kind
    without dropout and with fused attention (no T x T scores). In float32, whatever the precision: the
    inputs of both norms, 2 d, and their normalised values, 2 d more where the norms' weights train. At
    the computing precision, c bytes: inputs of the linear layers, 2 d (autocast makes a copy for each
    of the five that read them, 5 d; LoRA one more); queries, attention's result, and keys and values
    repeated for all heads, 4 d_q; gate before and after its activation, up, their product, 4 f; a row of
    the mask, T; r for each of LoRA's seven.

    One exception: on a GPU in float32, PyTorch has no fused attention for heads that share keys where no
    sequence is padded, and keeps T scores of each head. (Measured on an H200 with PyTorch 2.11, 2026-11-29:
    2.4 GB of the 7.7 that a Llama of 101M with 48 heads took for 16 x 255 tokens.)
    """
    c = BYTES[recipe.precision]
    norms = 2.0 if recipe.lora else 4.0
    inputs = (5.0 if recipe.precision != "fp32" else 2.0) * shape.hidden
    if recipe.lora and recipe.precision != "fp32":
        inputs += shape.hidden
    kept = inputs + 4.0 * shape.queries + 4.0 * shape.feed + length + LINEARS * recipe.lora
    if device == "cuda" and recipe.precision == "fp32" and shape.keys < shape.queries:
        kept += shape.heads * length
    return 4.0 * norms * shape.hidden + c * kept


def activation_bytes(
    shape: ModelShape, sequences: int, length: int, recipe: Recipe, device: str = "cuda"
) -> float:
    """What a forward pass of `sequences` x `length` tokens keeps for the backward pass.

    With gradient checkpointing a layer keeps its input, 4 d a token, and one layer at a time the rest
    (Chen et al. 2016, arXiv 1604.06174). Autocast keeps bfloat16 copies of the layers' weights too: of
    all of them, or of the one layer that is being computed again.
    """
    tokens = float(sequences * length)
    one = layer_bytes(shape, length, recipe, device) * tokens
    casts = 2.0 * (shape.body + shape.adapters(recipe.lora)) if recipe.precision != "fp32" else 0.0
    ends = 4.0 * 3.0 * shape.hidden * tokens  # embedding, last norm
    if recipe.gradient_checkpointing:
        return shape.layers * 4.0 * shape.hidden * tokens + one + casts / shape.layers + ends
    return shape.layers * one + casts + ends


def logit_bytes(shape: ModelShape, positions: float, recipe: Recipe, device: str = "cuda") -> float:
    """Logits and what the loss makes of them: LOSS_COPIES times V x 4 bytes a position, in pieces of
    `chunk_positions` of them on that kind of device; with pieces the head's gradient is held
    twice more, unless LoRA leaves it frozen."""
    chunk = chunk_positions(shape.vocabulary, device)
    held = 4.0 * LOSS_COPIES * shape.vocabulary * min(positions, chunk)
    cast = 2.0 * shape.head if recipe.precision != "fp32" else 0.0
    twice = 2.0 * 4.0 * shape.head if positions > chunk and not recipe.lora else 0.0
    return held + cast + twice


def cache_bytes(shape: ModelShape, sequences: int, length: float, precision: str) -> float:
    """Keys and values of all layers: 2 L d_k a token (Shazeer 2019, arXiv 1911.02150; Pope et al. 2022)."""
    return 2.0 * shape.attending * shape.keys * BYTES.get(precision, 2) * sequences * length


@dataclass(frozen=True)
class Memory:
    """Bytes by what holds them; the phases of a run do not overlap."""

    teacher: float
    student: float
    gradients: float
    moments: float
    activations: float
    logits: float
    teacher_cache: float
    student_cache: float

    @property
    def resident(self) -> float:
        """What is there all the time, from the first optimiser step on."""
        return self.teacher + self.student + self.moments

    @property
    def training(self) -> float:
        """At the end of a forward pass, with gradients of the micro-batches before."""
        return self.resident + self.gradients + self.activations + self.logits

    @property
    def generating(self) -> float:
        """While the teacher answers or the student is probed: its start is measured in its place."""
        return self.resident + max(self.teacher_cache, self.student_cache)

    @property
    def peak(self) -> float:
        return max(self.training, self.generating)

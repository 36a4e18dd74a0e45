"""The training recipe: everything that must be equal for compared runs, but pair and data."""

from dataclasses import dataclass, fields
from math import cos, pi
from typing import Literal

from readsim.errors import ConfigError, shown, unknown

Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["fp32", "bf16"]
MOST = 1_000_000  # examples, or the rank of adapters
SCHEDULES: tuple[Schedule, ...] = ("cosine", "linear", "constant")


def learning_rate(
    peak: float, spent: float, warmup: float = 0.03, schedule: Schedule = "cosine", end: float = 0.1
) -> float:
    """The rate at a spent fraction, in [0, 1], of the whole budget, not of a decision step.

    Rises linearly to `peak` over the first `warmup` of the budget, then falls to `end` * `peak` as a
    half cosine or a line, or stays.
    """
    if warmup > 0 and spent < warmup:
        return peak * max(spent / warmup, 0.01)
    if schedule == "constant":
        return peak
    done = min(max((spent - warmup) / (1 - warmup), 0.0), 1.0)
    fall = (1 + cos(pi * done)) / 2 if schedule == "cosine" else 1 - done
    return peak * (end + (1 - end) * fall)


@dataclass(frozen=True)
class Recipe:
    """How the student is trained. Steps are optimiser steps of `batch` examples.

    learning_rate   peak of AdamW's rate; `schedule` is over the whole budget
    warmup          share of the budget over which the rate rises
    batch           examples an optimiser step
    micro_batch     examples a forward pass; results do not depend on it
    micro_tokens    tokens a forward pass, padding included, unless one example has more: a batch of long
                    replies is cut where one of short replies is not; results do not depend on it.
                    Padded rows of T tokens need a mask of T^2 each, a long reply alone needs none
    packing         examples of a forward pass stand one after the other in one row, without padding; results
                    do not depend on it. With flash-attn (CUDA, bf16) a row takes what its examples take, else
                    its attention takes T^2: it pays where examples are short. Refused for a model that does
                    not keep them apart: one with a recurrent state, or that takes no positions (ALiBi)
    clip            largest gradient norm; 0 does not clip
    precision       fp32, or bf16: fp32 weights, autocast to bfloat16
    lora            rank of LoRA adapters; 0 trains every weight
    lora_targets    names of the layers that get them (such as ["q_proj", "v_proj"]); "all-linear": all
                    linear layers but the head
    lora_alpha      what they add is scaled by lora_alpha / lora; None: 2 lora
    lora_dropout    share of their inputs that is left out in training, never in probes
    gradient_checkpointing   recompute activations in the backward pass: less memory, slower
    liger           Liger kernels in the student's layers (CUDA, package liger-kernel)
    deterministic   deterministic algorithms in training on a GPU, where a resumed run then ends with the same
                    bits; slower (`gpu_check` measures by how much). Without it what is resumed there is
                    equal in distribution. A CPU needs none

    Raises ConfigError naming the field.
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012  # pydantic's own name

    learning_rate: float = 5e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    batch: int = 32
    micro_batch: int = 32
    micro_tokens: int = 8_192
    packing: bool = False
    weight_decay: float = 0.0
    beta2: float = 0.999
    clip: float = 1.0
    precision: Precision = "fp32"
    lora: int = 0
    lora_targets: tuple[str, ...] | str = "all-linear"
    lora_alpha: float | None = None
    lora_dropout: float = 0.0
    gradient_checkpointing: bool = False
    liger: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("learning_rate", 0.0, 1e9),
            ("warmup", 0.0, 0.99),
            ("weight_decay", 0.0, 1e6),
            ("beta2", 0.0, 0.9999999),
            ("clip", 0.0, 1e12),
            ("lora_dropout", 0.0, 0.99),
            ("lora_alpha", 1e-9, 1e9),
        ):
            value = getattr(self, name)
            if name == "lora_alpha" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name} = {value!r}: expected a number")
            if not low <= value <= high:
                raise ConfigError(
                    f"{name} = {value!r}: expected a number between {low:g} and {high:g}"
                )
        for name, least in (
            ("batch", 1),
            ("micro_batch", 1),
            ("micro_tokens", 1),
            ("lora", 0),
        ):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not least <= value <= MOST:
                raise ConfigError(
                    f"{name} = {shown(value)}: expected a whole number >= {least}, at most {MOST}"
                )
        self._check_lora()
        for name in ("packing", "gradient_checkpointing", "liger", "deterministic"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: expected true or false")
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        if self.precision not in ("fp32", "bf16"):
            raise unknown("precision", self.precision, ("fp32", "bf16"))

    def _check_lora(self) -> None:
        targets = self.lora_targets
        named = isinstance(targets, tuple) and all(isinstance(t, str) and t for t in targets)
        if targets != "all-linear" and not (named and targets):
            raise ConfigError(
                f"lora_targets = {targets!r}: expected names of layers, at least one, or 'all-linear'"
            )
        given = [f.name for f in fields(self) if f.name.startswith("lora_")]
        changed = [name for name in given if getattr(self, name) != getattr(type(self), name)]
        if changed and not self.lora:
            raise ConfigError(
                f"{changed[0]} = {getattr(self, changed[0])!r} with lora = 0, which trains every weight: "
                "give the rank, such as lora = 16"
            )

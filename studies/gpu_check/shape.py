"""Optimiser steps at a real model's widths and vocabulary, ragged lengths, the teacher resident."""

import time
from dataclasses import replace

import torch

from readsim_hf.costs.memory import (
    activation_bytes,
    cache_bytes,
    logit_bytes,
    optimiser_bytes,
    weight_bytes,
)
from readsim_hf.costs.shape import shape_of
from readsim_hf.objectives.table import make_objective
from readsim_hf.teachers.decoding import Decoding, generate
from readsim_hf.training.batch import length_of
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model, ragged

WINDOWS = 3


def checks(device: torch.device) -> list[Check]:
    """LoRA in bfloat16, as the shipped configurations have it, and all weights in float32."""
    out = []
    for name, recipe in (
        ("LoRA 16, bf16", Recipe(learning_rate=1e-4, lora=16, precision="bf16")),
        ("all weights, fp32", Recipe(learning_rate=1e-4)),
    ):
        out += _step(device, name, recipe)
    return out


def _step(device: torch.device, name: str, recipe: Recipe) -> list[Check]:
    on_gpu = device.type == "cuda"
    layers, count, longest = (4, 16, 256) if on_gpu else (2, 6, 24)
    recipe = replace(recipe, batch=count, micro_batch=max(2, count // 4))
    teacher = model(device, layers, 1, torch.bfloat16 if on_gpu else torch.float32)
    kept = torch.bfloat16 if recipe.lora and recipe.precision == "bf16" else torch.float32
    student = Student(model(device, layers, 0, kept), recipe, make_objective("fkl"))
    size, config = student.trained, teacher.config
    vocabulary, k = int(config.vocab_size), 64 if on_gpu else 8
    windows = [ragged(vocabulary, count, longest, k, seed) for seed in range(WINDOWS)]
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    prompts = [e.record.prompt_ids for e in windows[0]]
    generate(teacher, prompts, Decoding(8, 0.7, count), ends=[1], vocab=vocabulary)
    losses, clock = [], 0.0
    for n, window in enumerate([*windows, *windows]):
        start = time.perf_counter()
        losses.append(student.train_window(window, 0.5).loss)  # a number: the device has ended
        clock += (time.perf_counter() - start) * (n > 0)
    falls = sum(losses[WINDOWS:]) / sum(losses[:WINDOWS])
    tokens = sum(length_of(e) for n, w in enumerate([*windows, *windows]) for e in w if n)
    out = [
        Check(f"a step, {name}: loss of windows seen again over the first", falls, 0.9999),
        Check(
            f"a step, {name}: tokens/s", tokens / clock, note=f"{layers} layers, V = {vocabulary}"
        ),
    ]
    shape = shape_of(config)
    most = max(length_of(e) for w in windows for e in w)
    gradients, moments = optimiser_bytes(shape, recipe.lora)
    training = gradients + activation_bytes(shape, recipe.micro_batch, most, recipe, device.type)
    training += logit_bytes(shape, recipe.micro_batch * longest, recipe, device.type)
    planned = (
        weight_bytes(shape, "bf16")
        + weight_bytes(shape, "bf16" if recipe.lora else "fp32")
        + 4.0 * shape.adapters(recipe.lora)
        + moments
        + max(training, cache_bytes(shape, count, most, "bf16"))
    )
    del size
    if not on_gpu:
        return [*out, Check(f"a step, {name}: planned MB (a CPU counts none)", planned / 1e6)]
    held = torch.cuda.max_memory_allocated(device)
    note = f"{held / 1e9:.3g} GB for {planned / 1e9:.3g}, the teacher resident"
    return [
        *out,
        Check(f"a step, {name}: peak memory over the plan's", held / planned, 1.5, 0.5, note),
    ]

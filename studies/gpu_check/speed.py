"""Training tokens a second beside a bare loop, and peak memory beside the plan's formula."""

from contextlib import nullcontext
from dataclasses import replace

import torch

from readsim_hf.costs.memory import activation_bytes, logit_bytes, optimiser_bytes, weight_bytes
from readsim_hf.costs.shape import shape_of
from readsim_hf.models.loading import moved
from readsim_hf.objectives.table import make_objective
from readsim_hf.training.recipe import Precision, Recipe
from readsim_hf.training.student import Student
from studies.gpu_check.check import Check
from studies.speed_real.bare_loop import RATE, BareLoop
from studies.speed_real.sizes import NANO, Size, examples, records
from studies.speed_real.timing import in_turn, seconds

ON_GPU = Size("100M Llama (V = 49152)", 49152, 768, 12, 12, batch=16, length=256)
ON_CPU = replace(NANO, batch=4, length=32)
WINDOWS = 4


def size_for(device: torch.device) -> Size:
    """What is worth measuring there."""
    return ON_CPU if device.type == "cpu" else ON_GPU


def recipe_of(size: Size, precision: Precision) -> Recipe:
    """The bare loop's: whole windows, one rate."""
    return Recipe(
        learning_rate=RATE,
        warmup=0.0,
        schedule="constant",
        batch=size.batch,
        micro_batch=size.batch,
        precision=precision,
    )


def student_of(size: Size, precision: Precision, device: torch.device) -> Student:
    """The student of this size on that device; it is trained with forward KL."""
    model = moved(size.student(), device)
    return Student(model, recipe_of(size, precision), make_objective("fkl"))


def throughput(device: torch.device, precision: Precision, rounds: int = 7) -> list[Check]:
    """Ours and a loop without a framework, in turn, top-k targets."""
    size = size_for(device)
    windows = [records(size, "topk", seed) for seed in range(WINDOWS)]
    student, ready = student_of(size, precision, device), [examples(w) for w in windows]
    bare = BareLoop(size, windows, device=device)

    def theirs() -> None:
        half = precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
            for n in range(WINDOWS):
                bare.step(n)

    pair = in_turn(
        lambda: seconds(lambda: [student.train_window(w, 0.5) for w in ready]),
        lambda: seconds(theirs),
        rounds,
    )
    tokens = WINDOWS * size.batch * (size.length - 1)
    least = 0.8 if device.type == "cuda" else None  # on a CPU it is whatever else runs there
    return [
        Check(f"training, {size.name}, {precision}: tokens/s", tokens / pair.ours),
        Check(f"training, {size.name}, {precision}: beside a bare loop", pair.ratio, least=least),
    ]


def planned_bytes(size: Size, precision: Precision, device: str) -> float:
    """Of one optimiser step, by the plan's formulas: no teacher, no second student."""
    shape, recipe = shape_of(size.student().config), recipe_of(size, precision)
    gradients, moments = optimiser_bytes(shape, 0)
    positions = size.batch * size.half
    return (
        weight_bytes(shape, "fp32")
        + gradients
        + moments
        + activation_bytes(shape, size.batch, size.length - 1, recipe, device)
        + logit_bytes(shape, positions, recipe, device)
    )


def peak_bytes(size: Size, precision: Precision, device: torch.device) -> float | None:
    """Most that PyTorch held in three optimiser steps, None where it does not count (the CPU)."""
    student, ready = student_of(size, precision, device), examples(records(size, "topk", 0))
    counts = device.type == "cuda"
    if counts:
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if counts else 0
    own = sum(t.nbytes for t in student.weights().values())
    for _ in range(3):
        student.train_window(ready, 0.5)
    return torch.cuda.max_memory_allocated(device) - before + own if counts else None


def memory(device: torch.device, precision: Precision) -> list[Check]:
    """Measured over planned."""
    size = size_for(device)
    planned, held = planned_bytes(size, precision, device.type), peak_bytes(size, precision, device)
    name = f"peak memory, {size.name}, {precision}"
    if held is None:
        return [Check(f"{name}: planned MB (not measured on {device.type})", planned / 1e6)]
    note = f"{held / 1e6:.0f} MB for {planned / 1e6:.0f}"
    return [Check(f"{name}: measured over planned", held / planned, 1.5, 0.67, note)]


def checks(device: torch.device) -> list[Check]:
    """Memory and speed in both precisions."""
    out = []
    for precision in ("fp32", "bf16"):
        way: Precision = "bf16" if precision == "bf16" else "fp32"
        out += [
            *memory(device, way),
            *throughput(device, way, rounds=7 if device.type == "cuda" else 1),
        ]
    return out

"""What is put back gives the same steps: to the last bit with deterministic algorithms, near without."""

import copy
import time
from dataclasses import replace

import numpy as np
import psutil
import torch

from readsim_hf.models.loading import moved
from readsim_hf.objectives.table import make_objective
from readsim_hf.training.copies import bytes_of, copies
from readsim_hf.training.determinism import before_cuda
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student, checksum
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model, ragged

STEPS = 3
WAYS = {
    "all weights, fp32": Recipe(learning_rate=1e-3),
    "all weights, bf16": Recipe(learning_rate=1e-3, precision="bf16"),
    "LoRA 4, bf16": Recipe(learning_rate=1e-3, precision="bf16", lora=4),
    "checkpointing, bf16": Recipe(
        learning_rate=1e-3, precision="bf16", gradient_checkpointing=True
    ),
}


def determinism(device: torch.device) -> list[Check]:
    """Steps after a snapshot, and the same again after going back to it, moments and all."""
    out: list[Check] = []
    for name, way in WAYS.items():
        before_cuda(replace(way, deterministic=True))
        found = {on: _again(device, replace(way, deterministic=on)) for on in (True, False)}
        same, off, clock = found[True]
        out += [
            Check(f"resume, {name}, deterministic: same to the last bit", float(same), least=1.0),
            Check(f"resume, {name}, deterministic: time over without", clock / found[False][2]),
        ]
        near = found[False]
        least = None if device.type == "cuda" else 1.0  # a CPU's algorithms are deterministic
        out.append(
            Check(
                f"resume, {name}, not deterministic: same to the last bit",
                float(near[0]),
                None,
                least,
            )
        )
        out.append(
            Check(f"resume, {name}, not deterministic: losses apart", max(off, near[1]), 1e-2)
        )
    return out


def _again(device: torch.device, recipe: Recipe) -> tuple[bool, float, float]:
    """Whether weights and moments are equal, how far losses are apart, seconds of the second time."""
    student = _student(device, replace(recipe, micro_batch=3))
    vocabulary = int(student.model.config.vocab_size)  # type: ignore[union-attr, arg-type]
    windows = [ragged(vocabulary, 8, 24, 8, seed) for seed in range(2 * STEPS)]
    for window in windows[:STEPS]:
        student.train_window(window, 0.3)
    saved = copies(student.weights()), copies(student.moments())
    runs = []
    for _ in range(2):
        student.put_arrays(*saved)
        start = time.perf_counter()
        losses = [student.train_window(window, 0.5).loss for window in windows[STEPS:]]
        clock = time.perf_counter() - start
        sums = checksum(student.weights()), checksum(student.moments())
        runs.append((sums, np.array(losses), clock))
    (one, first, _), (two, second, clock) = runs
    return one == two, float(np.abs(second / first - 1.0).max()), clock


def _student(device: torch.device, recipe: Recipe) -> Student:
    toy = model(torch.device("cpu"), 2, 0, torch.float32)
    return Student(moved(copy.deepcopy(toy), device), recipe, make_objective("fkl"))


def _on_host(student: Student) -> dict[str, torch.Tensor]:
    """Weights and moments, copied without the function that is looked at."""
    return {
        name: torch.zeros_like(one, device="cpu").copy_(one.detach())
        for name, one in {**student.weights(), **student.moments()}.items()
    }


def snapshot(device: torch.device) -> list[Check]:
    """A copy of a full fine-tune goes straight to the host and comes back without another."""
    big = model(device, 2, 0, torch.float32)
    student = Student(big, Recipe(learning_rate=1e-4), make_objective("fkl"))
    vocabulary = int(big.config.vocab_size)
    student.train_window(ragged(vocabulary, 4, 24, 8, 0), 0.5)
    size = bytes_of(student.weights()) + bytes_of(student.moments())
    before = _on_host(student)
    process = psutil.Process()
    resident = process.memory_info().rss
    start = time.perf_counter()
    saved = copies(student.weights()), copies(student.moments())
    taken = time.perf_counter() - start
    grown = process.memory_info().rss - resident
    student.train_window(ragged(vocabulary, 4, 24, 8, 1), 0.5)
    there = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    student.put_arrays(*saved)
    back = time.perf_counter() - start
    now = {**student.weights(), **student.moments()}
    same = now.keys() == before.keys() and all(
        torch.equal(one, before[name].to(one.device)) for name, one in now.items()
    )
    out = [
        Check("snapshot: what is put back is equal to the last bit", float(same), least=1.0),
        Check("snapshot: GB/s to the host", size / taken / 1e9, note=f"{size / 1e9:.3g} GB"),
        Check("snapshot: GB/s back", size / back / 1e9),
    ]
    if device.type == "cuda":
        more = torch.cuda.max_memory_allocated(device) - there
        out.append(
            Check("snapshot: further device memory in going back, over it", more / size, 0.5)
        )
        out.append(Check("snapshot: host memory over its size", grown / size, 1.2))
    return out

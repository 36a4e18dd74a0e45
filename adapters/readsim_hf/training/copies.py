"""Copies of a student's tensors while something else is tried with it: in host memory, or in a file where
that does not suffice. Nothing is held twice on the way."""

import mmap
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from readsim.errors import TrainingError

_LINE = 64  # bytes that an array in a file begins at a multiple of
_SHARE = 0.9  # of what is free: the rest is for what the run itself still takes
PIECE = 1 << 23  # bytes of a piece on its way from or to a GPU
HANDS = min(8, os.cpu_count() or 1)  # threads that copy pieces
_GROUP = Path("/sys/fs/cgroup")
# The types that NumPy lacks, and one of the same width that holds their bits.
_BITS = {torch.bfloat16: torch.int16}


def as_tensor(array: np.ndarray[Any, Any], dtype: torch.dtype) -> Tensor:
    """An array of `copies` as a tensor of the type that it had; the memory is shared."""
    tensor = torch.from_numpy(array)
    return tensor.view(dtype) if _BITS.get(dtype) == tensor.dtype else tensor


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor on the host as an array of the same bits; the memory is shared."""
    array: np.ndarray[Any, Any] = tensor.view(_BITS.get(tensor.dtype, tensor.dtype)).numpy()
    return array


def outline(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same names, shapes and types, without asking for values that have to be gathered first."""
    found: Mapping[str, Tensor] = getattr(tensors, "held", tensors)
    return found


def bytes_of(tensors: Mapping[str, Tensor]) -> int:
    """Of all tensors together."""
    return sum(t.numel() * t.element_size() for t in outline(tensors).values())


def copies(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of tensors, wherever they are, as arrays (see `as_tensor`).

    Each goes straight to its place: host memory, or a file without a name, which is gone with its last
    array. TrainingError as `folder_for`.
    """
    plan = outline(tensors)
    folder = folder_for(bytes_of(tensors))
    if folder is None:
        made = {name: torch.empty(one.shape, dtype=one.dtype) for name, one in plan.items()}
    else:
        made = _in_file(plan, folder)
    for name, place in made.items():
        fill(place, tensors[name].detach())
    return {name: as_array(place) for name, place in made.items()}


def fill(target: Tensor, source: Tensor) -> None:
    """`target.copy_(source)`, which threads share between them where a large tensor goes from a GPU to the
    host or back: each has a page-locked piece of its own.

    New memory is then taken by all of them at once. One thread takes it at 1.3 GB/s; locking all of it as it
    is made, at 1.5, and PyTorch never gives locked memory back (measured on an H200, 2026-11-29).
    """
    alike = target.dtype == source.dtype and target.is_contiguous() and source.is_contiguous()
    if target.is_cuda == source.is_cuda or source.nbytes <= PIECE or not alike:
        target.copy_(source)
        return
    there = target.device if target.is_cuda else source.device
    torch.cuda.current_stream(there).synchronize()  # what is copied has been computed
    pairs = list(zip(_pieces(target), _pieces(source), strict=True))
    with ThreadPoolExecutor(HANDS) as pool:
        list(pool.map(lambda n: _carry(pairs[n::HANDS], there), range(HANDS)))


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    flat = tensor.detach().view(-1).view(torch.uint8)
    return [flat[at : at + PIECE] for at in range(0, len(flat), PIECE)]


def _carry(pairs: Sequence[tuple[Tensor, Tensor]], there: torch.device) -> None:
    """What one thread copies: target and source of each piece, one of them on the GPU."""
    stream = torch.cuda.Stream(there)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        box = torch.empty(PIECE, dtype=torch.uint8, pin_memory=True)
        for target, source in pairs:
            part = box[: len(target)]
            if target.is_cuda:
                np.copyto(part.numpy(), source.numpy())
                target.copy_(part, non_blocking=True)
                stream.synchronize()
            else:
                part.copy_(source, non_blocking=True)
                stream.synchronize()
                np.copyto(target.numpy(), part.numpy())


def _in_file(plan: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Tensors of these shapes in a file of that folder."""
    starts, at = {}, 0
    for name, one in plan.items():
        starts[name] = at
        at += -(-one.numel() * one.element_size() // _LINE) * _LINE
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(max(at, 1))
        memory = mmap.mmap(file.fileno(), 0)
    return {
        name: torch.frombuffer(
            memory, dtype=one.dtype, count=one.numel(), offset=starts[name]
        ).view(one.shape)
        if one.numel()
        else torch.empty(one.shape, dtype=one.dtype)
        for name, one in plan.items()
    }


def folder_for(size: int) -> Path | None:
    """Where copies of `size` bytes go: None for host memory, or the folder of temporary files.

    TrainingError, with both amounts, where neither has room.
    """
    memory = host_memory()
    if size <= _SHARE * memory:
        return None
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if size <= _SHARE * free:
        return folder
    raise TrainingError(
        f"a copy of the student, which trials and the tests go back to, takes {size / 1e9:.3g} GB: host "
        f"memory has {memory / 1e9:.3g} GB free and {folder} {free / 1e9:.3g} GB; set TMPDIR to a folder "
        "with room, train adapters (training.lora = 16), or take an allocator without trials"
    )


def host_memory() -> int:
    """Bytes of host memory that are free, as this process may use them: a container's limit counts."""
    free = int(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(free, int((_GROUP / limit).read_text()) - int((_GROUP / used).read_text()))
        except (OSError, ValueError):  # no such group, or no limit ("max")
            continue
    return max(0, free)

"""Copies of a student's tensors while something else is tried with it: in host memory, or in a file where
that does not suffice. Nothing is held twice on the way."""

import mmap
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from readsim.errors import TrainingError

_LINE = 64  # bytes that an array in a file begins at a multiple of
_SHARE = 0.9  # of what is free: the rest is for what the run itself still takes
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

    Each goes straight to its place: host memory, page-locked where it comes from a GPU and little is
    taken of what is free, or a file without a name, which is gone with its last array.
    TrainingError as `folder_for`.
    """
    plan, size = outline(tensors), bytes_of(tensors)
    folder = folder_for(size)
    if folder is None:
        locked = 4 * size < host_memory()
        made = {
            name: torch.empty(one.shape, dtype=one.dtype, pin_memory=locked and one.is_cuda)
            for name, one in plan.items()
        }
    else:
        made = _in_file(plan, folder)
    for name, place in made.items():
        place.copy_(tensors[name].detach())
    return {name: as_array(place) for name, place in made.items()}


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

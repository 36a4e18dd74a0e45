"""A student on disk: safetensors and a checkpoint tree, with a digest of each file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from readsim.errors import RunLogError
from readsim.tree_file import load_tree, save_tree, write_atomic
from readsim_hf.training.copies import outline

FILES = ("weights.safetensors", "moments.safetensors", "state.npz")

_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """RunLogError, naming the path, for what cannot be written inside (a full disk)."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunLogError(f"cannot write {path}: {error}") from error


def save_student(
    folder: Path,
    weights: Mapping[str, Tensor],
    moments: Mapping[str, Tensor],
    tree: dict[str, Any],
) -> None:
    """Write the three files, and `digests.json` last: a folder without it is not whole.

    Raises RunLogError, naming the file, if one cannot be written (a full disk).
    """
    for name, tensors in zip(FILES, (weights, moments), strict=False):
        with writing(folder / name):
            save_tensors(folder / name, tensors)
    save_tree(folder / FILES[2], tree)
    digests = {name: file_digest(folder / name) for name in FILES}
    write_atomic(folder / "digests.json", json.dumps(digests, indent=1).encode())


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file, one tensor at a time: its own writer wants all of them on the host at once.

    The format: the length of a header (8 bytes), the header as JSON with the type, shape and place of
    each tensor, the bytes of all.
    """
    header, at = {}, 0
    for name, one in outline(tensors).items():
        end = at + one.numel() * one.element_size()
        facts = {"dtype": _TYPES[one.dtype], "shape": list(one.shape), "data_offsets": [at, end]}
        header[name], at = facts, end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in header:
            flat = tensors[name].detach().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).cpu().numpy().data)


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of a safetensors file, read when they are asked for."""

    def __init__(self, path: Path) -> None:
        opened: Any = safe_open
        self._file = opened(path, framework="pt", device="cpu")
        self._names: list[str] = list(self._file.keys())

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def load_saved_student(
    folder: Path,
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor], dict[str, Any]]:
    """Weights, moments and tree of `save_student`; tensors are read when they are asked for.

    Raises RunLogError if a file is missing or is not what was written.
    """
    try:
        digests = json.loads((folder / "digests.json").read_text())
        for name in FILES:
            found = file_digest(folder / name)
            if found != digests[name]:
                raise RunLogError(
                    f"{folder / name} is damaged: SHA-256 {found[:16]}..., "
                    f"{digests[name][:16]}... was written"
                )
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, RunLogError):
            raise
        raise RunLogError(f"{folder} is not a whole checkpoint: {error!r}") from error
    weights, moments = (StoredTensors(folder / name) for name in FILES[:2])
    return weights, moments, load_tree(folder / FILES[2])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

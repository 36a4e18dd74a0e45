"""A student on disk: safetensors and a checkpoint tree, with a digest of each file."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from readsim.errors import RunLogError
from readsim.tree_file import load_tree, save_tree, write_atomic

FILES = ("weights.safetensors", "moments.safetensors", "state.npz")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """RunLogError, naming the path, for what cannot be written inside (a full disk)."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunLogError(f"cannot write {path}: {error}") from error


def save_student(
    folder: Path, weights: dict[str, Tensor], moments: dict[str, Tensor], tree: dict[str, Any]
) -> None:
    """Write the three files, and `digests.json` last: a folder without it is not whole.

    Raises RunLogError, naming the file, if one cannot be written (a full disk).
    """
    for name, tensors in zip(FILES, (weights, moments), strict=False):
        with writing(folder / name):
            save_file({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, folder / name)
    save_tree(folder / FILES[2], tree)
    digests = {name: file_digest(folder / name) for name in FILES}
    write_atomic(folder / "digests.json", json.dumps(digests, indent=1).encode())


def load_saved_student(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Weights, moments and tree of `save_student`, on the CPU.

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
    with torch.device("cpu"):
        weights, moments = (load_file(folder / name) for name in FILES[:2])
    return weights, moments, load_tree(folder / FILES[2])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

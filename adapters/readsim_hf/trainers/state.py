"""Tensors, and what trainers keep them in, as a tree of plain data and arrays, and back."""

from typing import Any

import numpy as np
import torch

_TENSOR = "tensor"


def to_tree(value: Any) -> Any:
    """A tree that `readsim.tree_file` writes; tensors are copied as bytes, so that every type has a place."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().copy()
        kind = str(value.dtype).removeprefix("torch.")
        return {_TENSOR: data, "dtype": kind, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {"items": [[to_tree(k), to_tree(v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return type(value)(to_tree(item) for item in value)
    return value


def from_tree(tree: Any) -> Any:
    """What `to_tree` was given, its tensors on the CPU."""
    if isinstance(tree, dict) and _TENSOR in tree:
        data = torch.from_numpy(np.array(tree[_TENSOR], dtype=np.uint8))
        return data.view(getattr(torch, tree["dtype"])).reshape(tree["shape"])
    if isinstance(tree, dict):
        return {from_tree(k): from_tree(v) for k, v in tree["items"]}
    if isinstance(tree, list | tuple):
        return type(tree)(from_tree(item) for item in tree)
    return tree

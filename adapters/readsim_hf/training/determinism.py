"""Deterministic algorithms: what must be said before a GPU is used, and where they are on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from readsim_hf.training.recipe import Recipe


def before_cuda(recipe: Recipe) -> None:
    """What cuBLAS reads of the environment when it is used first: deterministic products need it."""
    if recipe.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def with_determinism(on: bool) -> Iterator[None]:
    """Deterministic algorithms inside; a GPU wants `before_cuda` with them."""
    before = torch.are_deterministic_algorithms_enabled()
    if on:
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)

"""What generating and scoring share: a model left as it was found, batches of similar length."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from readsim.errors import ConfigError


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module goes back to the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def batches(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices in order of length (ties in order of index), cut into batches of at most `size`."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[i : i + size] for i in range(0, len(order), size)]


def require_finite(logits: Tensor) -> None:
    """ConfigError if a row of (N, V) logits has a NaN, an infinity, or nothing above -infinity."""
    if not len(logits):
        return
    finite = torch.isfinite(logits.amax(dim=-1))
    if not bool(finite.all()):
        bad = logits[int((~finite).nonzero()[0, 0])].amax().item()
        raise ConfigError(
            f"the teacher's largest logit is {bad}, at {int((~finite).sum())} of {len(finite)} "
            "positions: it must be finite; check the weights, or load the model in bfloat16 or float32"
        )

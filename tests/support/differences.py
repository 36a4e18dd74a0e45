"""The slope of a loss along its own gradient, by differences."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def norm_and_slope(
    loss: "Callable[[], Tensor]",
    parameters: "Sequence[Tensor]",
    measured: Callable[[], float] | None = None,
    step: float = 2e-3,
) -> tuple[float, float]:
    """The norm of the gradient of `loss`, and the slope of what is `measured` (the loss itself without it)
    between a step up along the gradient and one down; the parameters end as they were. Equal where the
    gradient is right."""
    import torch

    grads = torch.autograd.grad(loss(), parameters, allow_unused=True)
    norm = float(torch.stack([g.square().sum() for g in grads if g is not None]).sum().sqrt())
    ends = []
    for part in (step, -2 * step, step):
        with torch.no_grad():
            for p, g in zip(parameters, grads, strict=True):
                if g is not None:
                    p.add_(g, alpha=part / norm)
        ends.append(loss().item() if measured is None else measured())
    return norm, (ends[0] - ends[1]) / (2 * step)

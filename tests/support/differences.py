"""Slopes of a loss beside its gradient, by differences."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gradient_and_slopes(
    loss: "Callable[[], Tensor]",
    parameters: "Sequence[Tensor]",
    measured: Callable[[], float] | None = None,
    step: float = 2e-3,
) -> list[tuple[float, float]]:
    """What the gradient of `loss` says its slope is, and the slope of what is `measured` (the loss itself
    without it) between a step up and one down, in two directions; the parameters end as they were.

    The first is the gradient, where a wrong sign or size shows. In the second each tensor moves equally far,
    at random where its gradient is 0 or was not asked for: a part that is missing shows.
    """
    import torch

    found = torch.autograd.grad(loss(), parameters, allow_unused=True)
    grads = [
        torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)
    ]
    noise = torch.Generator().manual_seed(0)
    even = []
    for g in grads:
        way = g if g.any() else torch.randn(g.shape, generator=noise)
        even.append(way / way.norm())
    return [
        (
            float(sum((g * w).sum() for g, w in zip(grads, ways, strict=True))) / size,
            _slope(parameters, [w / size for w in ways], measured or (lambda: loss().item()), step),
        )
        for ways in (grads, even)
        for size in [float(torch.stack([w.square().sum() for w in ways]).sum().sqrt())]
    ]


def _slope(
    parameters: "Sequence[Tensor]",
    direction: "Sequence[Tensor]",
    measured: Callable[[], float],
    step: float,
) -> float:
    import torch

    ends = []
    for part in (step, -2 * step, step):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(d, alpha=part)
        ends.append(measured())
    return (ends[0] - ends[1]) / (2 * step)

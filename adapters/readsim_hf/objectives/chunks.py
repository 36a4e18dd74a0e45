"""The output layer and the loss, a few positions at a time."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective, Targets, weighted_sum
from readsim_hf.objectives.sums import terms_in


def chunked_loss(
    hidden: Tensor, head: nn.Module, objective: Objective, targets: Targets, chunk: int
) -> tuple[Tensor, int]:
    """Sum of the losses of N positions, a float32 scalar, and N.

    hidden   (N, D) states whose next token is supervised
    head     (n, D) -> logits (n, V); it must give each position the same whatever else is in the
             chunk (no dropout)
    targets  of the N positions
    chunk    positions whose logits exist at a time, at least 1; more where an objective needs whole
             replies and one is longer

    The gradient of each chunk is taken at once, so the memory is that of `chunk` positions instead of
    N, and nothing is computed twice. It can be differentiated once. Raises ConfigError.
    """
    if not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1:
        raise ConfigError(f"chunk is {chunk!r}: it must be an integer of at least 1")
    n = len(hidden)
    if len(targets.tokens) != n:
        raise ConfigError(f"there are {n} hidden states and {len(targets.tokens)} targets")
    parameters = [p for p in head.parameters() if p.requires_grad]
    cuts = cuts_of(n, chunk, targets.rows if needs_whole_replies(objective) else None)
    total: Tensor = _Chunked.apply(
        hidden, targets.beside, head, objective, targets, cuts, *parameters
    )  # type: ignore[no-untyped-call]
    return total, n


class _Chunked(torch.autograd.Function):
    """The sum and, where somebody may ask for it, its gradient for hidden states and head."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        beside: Tensor | None,
        head: nn.Module,
        objective: Objective,
        targets: Targets,
        cuts: list[slice],
        *parameters: Tensor,
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        of_hidden = torch.zeros_like(hidden) if wanted else None
        of_beside = None if beside is None else torch.zeros_like(beside)
        # In float32 whatever the weights are: a sum of many chunks.
        of_head = [torch.zeros_like(p, dtype=torch.float32) for p in parameters] if wanted else []
        total = hidden.new_zeros((), dtype=torch.float32)
        for rows in cuts:
            states = hidden[rows].detach()
            if of_hidden is None:
                total += weighted_sum(objective, head(states), targets_at(targets, rows))
                continue
            with torch.enable_grad():
                leaves = [states.requires_grad_()]
                some = targets_at(targets, rows)
                if beside is not None:
                    leaves.append(beside[rows].detach().requires_grad_())
                    some = some._replace(beside=leaves[1])
                loss = weighted_sum(objective, head(states), some)
            # An objective of hidden states alone does not look at the logits.
            found = torch.autograd.grad(loss, [*leaves, *parameters], materialize_grads=True)
            of_hidden[rows] = found[0]
            if of_beside is not None:
                of_beside[rows] = found[1]
            rest = found[len(leaves) :]
            for place, part in enumerate(rest):
                of_head[place] += part
            total += loss.detach()
        if of_hidden is not None:
            ctx.save_for_backward(of_hidden, of_beside, *of_head)
            ctx.types = [p.dtype for p in parameters]
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_beside, *of_head = ctx.saved_tensors
        scaled = ((g * grad.to(g.dtype)).to(t) for g, t in zip(of_head, ctx.types, strict=True))
        slope = None if of_beside is None else of_beside * grad
        return of_hidden * grad.to(of_hidden.dtype), slope, None, None, None, None, *scaled


def targets_at(targets: Targets, rows: slice) -> Targets:
    """Those of some positions."""
    soft = targets.soft
    if soft is not None:
        soft = soft._replace(ids=soft.ids[rows], logp=soft.logp[rows])
    others = (targets.weights, targets.own, targets.rows, targets.spans, targets.beside)
    weights, own, of, spans, beside = (None if t is None else t[rows] for t in others)
    constants = {name: values[rows] for name, values in targets.constants.items()}
    return Targets(targets.tokens[rows], soft, weights, own, of, spans, beside, constants)


def needs_whole_replies(objective: Objective) -> bool:
    """Whether a part of it does."""
    return any(getattr(part, "whole_replies", False) for part in terms_in(objective))


def cuts_of(n: int, chunk: int, rows: Tensor | None) -> list[slice]:
    """N positions in pieces of at most `chunk`; with `rows` (N,) no example is cut."""
    if rows is None:
        return [slice(start, start + chunk) for start in range(0, n, chunk)]
    ends, out, start = (
        torch.unique_consecutive(rows, return_counts=True)[1].cumsum(0).tolist(),
        [],
        0,
    )
    for end, later in pairwise([*ends, n + chunk + 1]):
        if later - start > chunk:
            out.append(slice(start, end))
            start = end
    return out

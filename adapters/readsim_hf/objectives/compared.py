"""Losses of the log-probabilities of whole replies, through one slope a token.

Such a loss compares replies that need not lie in one micro-batch, or in one process. It depends on the
weights through the log-probabilities l_t of the tokens alone, so that with s_t = dL / dl_t, taken once for a
window at its weights, L and sum_t [value_t + s_t (l_t - sg l_t)] have one value and one gradient. The second
is a loss a position like all others, and the window may be cut anywhere.

It takes one more reading of the window's examples, without a gradient. No dropout may act in training, since
the first reading has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.divergences import token_cross_entropy
from readsim_hf.objectives.sampling import constant


class ReadReply(NamedTuple):
    """One of a group: the student's log-probabilities of its tokens (L,) and their constants (L,) by name."""

    logp: Tensor
    constants: Mapping[str, Tensor]

    @property
    def mean(self) -> Tensor:
        """log pi(y) / |y|."""
        return self.logp.mean()

    def over(self, reference: str) -> Tensor:
        """log pi(y) - log pi_ref(y), of the whole reply."""
        return (self.logp - self.constants[reference]).sum()


@dataclass(frozen=True)
class ComparesReplies:
    """What these objectives share; each says what the loss of a group is."""

    def of_group(self, replies: Sequence[ReadReply]) -> Tensor:
        """The loss of one prompt's replies, the better ones first: a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define of_group(replies)")

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        logp = -token_cross_entropy(targets.tokens, logits)
        return constant(targets, "value") + constant(targets, "slope") * (logp - logp.detach())


def slopes(
    objective: ComparesReplies,
    logp: Sequence[NDArray[np.float32]],
    constants: Sequence[Mapping[str, NDArray[np.float32]]],
    scale: float = 1.0,
) -> list[dict[str, NDArray[np.float32]]]:
    """`value` and `slope` of each token of a group's replies, times `scale`; values add up to the loss.

    logp, constants   of each reply (L_i,), the better ones first
    """
    tensors = [torch.from_numpy(np.array(one, dtype=np.float64)).requires_grad_() for one in logp]
    replies = [
        ReadReply(one, {k: torch.from_numpy(np.array(v, dtype=np.float64)) for k, v in c.items()})
        for one, c in zip(tensors, constants, strict=True)
    ]
    loss = objective.of_group(replies)
    grads: Sequence[Tensor | None] = [None] * len(tensors)
    if loss.requires_grad:
        grads = torch.autograd.grad(loss, tensors, allow_unused=True)
    each = scale * float(loss.detach()) / sum(map(len, tensors))
    return [
        {
            "value": np.full(len(one), each, dtype=np.float32),
            "slope": np.zeros(len(one), dtype=np.float32)
            if g is None
            else (scale * g).numpy().astype(np.float32),
        }
        for one, g in zip(tensors, grads, strict=True)
    ]

"""Estimates of reverse KL, KL(q || p), from one token y that the student q drew: one number a position.

With d = log q(y) - log p(y), y ~ q (Schulman 2020; gradients: arXiv 2506.09477, 2510.01555):

    name  value                    E[value]          gradient for the logits                 E[gradient]
    k1    d                        KL(q || p)        d * grad log q(y), d held: a reward     grad KL(q || p)
    k2    d^2 / 2                  KL + O(d^3)       d * grad log q(y): the same             grad KL(q || p)
    k3    exp(-d) - 1 + d          KL(q || p)        (1 - exp(-d)) * grad log q(y)           grad KL(p || q)

So minimise k1 or k2, which differ in the value that is shown, for reverse KL. Where p and q are near, k2 and
k3 vary far less than k1 as numbers, and k3 is never below 0; but as a loss k3 follows *forward* KL (GRPO
adds it; TRL 1.16 multiplies it by pi / mu by default, which makes the mean gradient that of reverse KL), with
weights that grow with p / q. Differentiating d itself would have a mean gradient of 0. All of it is of each
position given the text before it: what a token does to later ones is left out.

The estimate from the k largest entries has no draw in it: that is `rkl` with soft.kind = "topk", whose
value is a lower bound of KL(q || p) and whose variance is 0.

Needs the student's own text drawn at temperature 1 (on_policy = 1, decoding.student_temperature = 1), as
fresh as training has it, and p "full" or "topk": with a top-k, a token outside of it is the outcome "the
rest", and all of the above holds for KL over k + 1 outcomes. log p counts as at least -87.3, -d as at most 20
in k3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.baselines import SoftObjective, soft_of
from readsim_hf.objectives.divergences import REVERSE_FLOOR, log_probs
from readsim_hf.objectives.sparse import outcomes


def token_log_probs(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """log p and log q of the tokens themselves (N,); a token outside of a top-k is the rest of the mass."""
    soft = soft_of(targets)
    at = targets.tokens
    if soft.kind == "topk":
        hit = soft.ids == targets.tokens[:, None]
        at = torch.where(hit.any(-1), hit.int().argmax(-1), soft.ids.shape[-1])
    logp, seen = outcomes(soft, logits)
    logp = logp.clamp_min(REVERSE_FLOOR).gather(-1, at[:, None])[:, 0]
    return logp, log_probs(seen).gather(-1, at[:, None])[:, 0]


@dataclass(frozen=True)
class K1(SoftObjective):
    """d as a reward: its value is k1, its gradient that of reverse KL."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        logp, logq = token_log_probs(logits, targets)
        d = (logq - logp).detach()
        return d * (1 + logq - logq.detach())


@dataclass(frozen=True)
class K2(SoftObjective):
    """d^2 / 2 as a loss."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        logp, logq = token_log_probs(logits, targets)
        return (logq - logp).square() / 2


@dataclass(frozen=True)
class K3(SoftObjective):
    """exp(-d) - 1 + d as a loss."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        logp, logq = token_log_probs(logits, targets)
        return (logp - logq).clamp_max(20.0).exp() - 1 + logq - logp

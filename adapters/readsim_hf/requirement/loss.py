"""Eq. (6): what the identifier minimises over the interventions of its auxiliary tasks."""

from typing import NamedTuple

import torch
from torch import Tensor


class Evidence(NamedTuple):
    """What N interventions did to M tasks: changes of the profile, Eq. (5), and of the utilities.

    The interventions are the same for all tasks: one short training is measured under every utility.
    """

    change: Tensor  # (N, K) Dp, from the probe split
    utility: Tensor  # (M, N) DU, from the dev split


def entropy(log_r: Tensor) -> Tensor:
    """H(r) in nats over (..., K) log-requirements."""
    return -(log_r.exp() * log_r).sum(-1)


def standardised(evidence: Evidence) -> Evidence:
    """Dp over its root mean square, DU over that of its task (D11): lambda_H means the same everywhere.

    One scale for all capabilities: a scale for each would turn slopes into contributions
    (`readsim.theory.lemmas.entropy.standardise`). Changes that are all 0 stay 0.
    """
    size = evidence.change.square().mean().sqrt()
    sizes = evidence.utility.square().mean(-1, keepdim=True).sqrt()
    tiny = torch.finfo(size.dtype).tiny
    return Evidence(
        evidence.change / size.clamp(min=tiny), evidence.utility / sizes.clamp(min=tiny)
    )


def standardised_loss(log_r: Tensor, evidence: Evidence, weight: float) -> Tensor:
    """mean over tasks of mean over n of (DU - s r . Dp)^2, + lambda_H H(r); evidence standardised (D11).

    The positive scale s of a task is what minimises its loss, [sum DU (r . Dp)]_+ / sum (r . Dp)^2; by
    the envelope theorem no gradient flows through it.
    """
    predicted = log_r.exp() @ evidence.change.T
    top = (predicted * evidence.utility).sum(-1, keepdim=True)
    below = predicted.square().sum(-1, keepdim=True).clamp(min=torch.finfo(predicted.dtype).tiny)
    scale = (top / below).clamp(min=0.0).detach()
    wrong = (evidence.utility - scale * predicted).square().mean(-1)
    return (wrong + weight * entropy(log_r)).mean()


def raw_loss(log_r: Tensor, evidence: Evidence, weight: float) -> Tensor:
    """Eq. (6) as printed: sum over tasks and interventions of (DU - r . Dp)^2, + lambda_H sum of H(r).

    Lemma L6: it finds a projection, not [g]_+ normalised, and its lambda_H depends on the units.
    """
    wrong = (evidence.utility - log_r.exp() @ evidence.change.T).square()
    return wrong.sum() + weight * entropy(log_r).sum()

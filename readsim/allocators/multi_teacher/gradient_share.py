"""Open-MOPD: target shares of the gradient in place of shares of the prompts."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import State, Transition
from readsim.allocators.configured import number
from readsim.allocators.multi_teacher.core import Signalled, towards
from readsim.arrays import Array


def gradient_factors(gradient: Array, target: Array, limit: float) -> Array:
    """clip(g_mean / g_d, 1 / limit, limit) (S,), g_mean = sum_d target_d g_d: shares in proportion to
    target x factor add gradients in proportion to `target` (S,), where nothing is clipped.

    gradient (S,) is the norm of a source's gradient if it had all tokens, nan where it is not known.
    """
    known = np.isfinite(gradient) & (target > 0)
    if not known.any():
        return np.full(len(gradient), np.nan)
    part = target[known] / target[known].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(gradient == 0, np.inf, float(part @ gradient[known]) / gradient)
    out: Array = np.clip(ratio, 1.0 / limit, limit)
    return out


@dataclass(frozen=True)
class GradientShare(Signalled):
    """Token shares whose gradients have the shares that the requirement asks for.

    From Open-MOPD (arXiv 2608.19098): prompts, tokens, losses and gradients of a domain are shared out
    differently where replies differ in length, and it is the gradient that trains. Its reward scale by domain
    is a share of tokens here; its conflict mask and its consensus of gradients are left out, since no backend
    shows whole gradients.

    limit   of a source's factor over its share of the requirement, and of one over it
    """

    limit: float = number(4.0, "ours", low=1.0)

    def reweighted(self, state: State, transition: Transition) -> State:
        gradient, _, _ = state["signals"]
        prior = transition.context.setup.prior
        factor = gradient_factors(gradient, prior, self.limit)
        return {**state, "weights": towards(prior, factor), "score": np.nan_to_num(factor, nan=1.0)}

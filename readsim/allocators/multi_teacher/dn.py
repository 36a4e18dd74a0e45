"""DN-MOPD: weights by the dispersion of log-ratios."""

from dataclasses import dataclass

import numpy as np

from readsim.allocators.base import State, Transition
from readsim.allocators.configured import number
from readsim.allocators.multi_teacher.core import Signalled, towards
from readsim.arrays import Array


def dispersion_factors(sigma: Array, mean: Array, shares: Array, limit: float) -> Array:
    """clip(sigma_all / sigma_d, 1 / limit, limit) of each source (S,), nan where sigma is.

    sigma, mean (S,) are those of log p_teacher - log p_student over a source's tokens; sigma_all is the
    deviation over all tokens, of which a source has its part of `shares` (S,).
    """
    known = np.isfinite(sigma) & np.isfinite(mean) & (shares > 0)
    if not known.any():
        return np.full(len(sigma), np.nan)
    part = shares[known] / shares[known].sum()
    middle = part @ mean[known]
    pooled = np.sqrt(part @ (sigma[known] ** 2 + (mean[known] - middle) ** 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(sigma > 0, pooled / sigma, np.where(sigma == 0, np.inf, np.nan))
    out: Array = np.clip(ratio, 1.0 / limit, limit)
    return out


@dataclass(frozen=True)
class DN(Signalled):
    """w_d in proportion to prior_d clip(sigma_all / sigma_d, 1/4, 4): domains with noisy log-ratios get less.

    From DN-MOPD (arXiv 2609.35347), whose factor multiplies the advantage log p_T - log p_S of a domain's
    tokens in every batch. Here it multiplies its share of the tokens at the next decision: a share and a
    weight move a gradient alike, a share also costs tokens. The mean log-ratio of a source is taken to be
    its KL.

    limit   of the factor and of one over it
    """

    limit: float = number(4.0, "paper", low=1.0)

    def reweighted(self, state: State, transition: Transition) -> State:
        _, kl, sigma = state["signals"]
        factor = dispersion_factors(sigma, kl, transition.allocation, self.limit)
        prior = transition.context.setup.prior
        return {**state, "weights": towards(prior, factor), "score": np.nan_to_num(factor, nan=1.0)}

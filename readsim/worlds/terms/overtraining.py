"""Overtraining: scores that peak and then fall, by drift from the start and by repetition of a pool.

Both are costs in score units that the latent sum of capability j loses after x (S,) scaled tokens:

    drift from the start   span_j (d - (1 - e^-d)),   d = (tokens of all sources) / overtraining_tokens_j
    repetition             sum_i help_ij repetition_harm_i (x_i - e_i)

span_j is ceiling - floor (negated losses: ceiling - start). The first starts with slope 0 and ends with
slope 1: what a student could do before is lost with its distance from where it started, whatever it is
trained on (scores against the distance from the first policy peak and fall: Gao et al. 2022, arXiv
2210.10760; 43 % of 342 public fine-tuning runs peak more than 2 points above their end). e_i of x_i is what
a pool's tokens are worth when they repeat (`readsim.worlds.token_repetition`), so x_i - e_i are the tokens
that repetition wasted: they bring nothing and are learnt by heart (Hernandez et al. 2022, arXiv
2205.10487). A source alone then peaks where u'(e) e' = repetition_harm (1 - e').

Tokens count by the run's efficiency and by the learning rate that they met, as they do for gains. Both costs
depend on cumulative tokens alone: a world with them stays order-free, its returns in z stay concave, and they
fall. Limits: overtraining_tokens -> infinity, repetition_harm -> 0, or endless pools.
"""

import numpy as np

from readsim.arrays import Array
from readsim.worlds.token_repetition import unique_slope


def drift_cost(distance: Array) -> Array:
    """d - (1 - e^-d) of distances d >= 0; 0 at 0 with slope 0."""
    return distance - (1.0 - np.exp(-distance))


def drift_slope(distance: Array) -> Array:
    """1 - e^-d."""
    return -np.expm1(-distance)


class Overtraining:
    """What x (..., S) costs. `per_token` (S,) is tokens per scaled token, `tokens` and `span` (K,).

    `brought` (S, K): what a wasted token costs, repetition_harm times help (through `feeds`, if any), or
    None without finite pools or without harm of repetition. `pool` (S,) is in the unit of x.
    """

    def __init__(
        self, tokens: Array, span: Array, per_token: Array, brought: Array | None, pool: Array
    ) -> None:
        # one distance where it is the same for all capabilities
        self.tokens = tokens[:1] if (tokens == tokens[0]).all() else tokens
        self.span, self.per_token, self.brought, self.pool = span, per_token, brought, pool

    def cost(self, x: Array, once: Array) -> Array:
        """(..., K) in score units; `once` (..., S) is what x is worth as it repeats."""
        distance = (x @ self.per_token)[..., None] / self.tokens
        out: Array = self.span * drift_cost(distance)
        if self.brought is not None:
            out += (x - once) @ self.brought
        return out

    def slope(self, x: Array) -> Array:
        """d cost_j / d x_i (..., S, K)."""
        distance = (x @ self.per_token)[..., None] / self.tokens
        each = self.span / self.tokens * drift_slope(distance)
        out: Array = self.per_token[:, None] * each[..., None, :]
        if self.brought is not None:
            out = out + (1.0 - unique_slope(x, self.pool))[..., None] * self.brought
        return out

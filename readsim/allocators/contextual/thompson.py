"""Linear Thompson sampling with one model for all allocations."""

from dataclasses import dataclass

from readsim.allocators.base import Context
from readsim.allocators.configured import number
from readsim.allocators.contextual.linear import LinearBandit
from readsim.allocators.contextual.ridge import Posterior
from readsim.arrays import Array
from readsim.streams import generator


@dataclass(frozen=True)
class Thompson(LinearBandit):
    """argmax over candidates of x . draw, draw ~ N(theta, v^2 V^-1), V = ridge I + sum x x'.

    Agrawal & Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs", arXiv 1209.3352,
    Algorithm 1: one draw a decision, shared by all candidates. Features, reward, `ridge`,
    `curvature`, `standardise` and `pool` are those of `linucb`; theirs has ridge = 1.

    v   width of the draws. Standardised, v = 1 is the posterior under noise as large as the rewards'
        deviation and a prior N(0, 1 / ridge) on coefficients. Their bound has R sqrt(9 d ln(t/delta)),
        R the noise: 25 R for S = 8, t = 20, delta .05, which never stops exploring in such a run

    The log's `bonus` is x . (draw - theta), of either sign.
    """

    v: float = number(1.0, "ours: the posterior itself; paper: of the bound, 25 R", low=0.0)

    def bonus(self, model: Posterior, x: Array, context: Context) -> Array:
        rng = generator(context.setup.seed, "allocator", context.step)
        moved: Array = x @ (model.draw(rng, self.v) - model.theta)
        return moved

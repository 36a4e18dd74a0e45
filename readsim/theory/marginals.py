"""Proposition 4.5 (weighted marginal gains): b is optimal iff one lambda separates the marginal gains.

For F(b) = sum_i h_i(b_i), h_i concave, over b >= 0, sum b = B: b* is optimal iff a lambda exists with
h_i'(b_i+) <= lambda <= h_i'(b_i-) where b_i > 0 and h_j'(0+) <= lambda where b_j = 0 (one-sided
derivatives, so kinks are cases; h_i = w_i g_i in the paper, with spillover `lemmas.spillover`'s). The paper's
"single-capability allocation is improved when" is an if and only if.

Not concave (S-shaped gains, a limit of interference): the conditions are necessary and not sufficient.
w_j > 0 with an infinite slope at 0: j is always active. All flat: lambda = 0 and the optimum is not unique.
Under a learning rate the tokens of a constant allocation count for its mean, and b is tokens times that.
"""

import numpy as np

from readsim.arrays import Array
from readsim.theory.result import Result, Statement, needs
from readsim.worlds.optimum import OrderFree, optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World

ACTIVE = 1e-9  # share of the budget from which a source counts as active
EDGE = 1e-7  # relative distance at which one-sided slopes are taken


def kkt_gap(right: Array, left: Array, b: Array) -> float:
    """max_j h_j'(b_j+) - min over active i of h_i'(b_i-): at most 0 iff a lambda exists.

    right, left (S,) are marginal gains per token (`left` is read where b_i > 0), b (S,) tokens.
    """
    active = b > ACTIVE * b.sum()
    return float(np.max(right) - np.min(left[active]))


def shift_gain(entering: float, leaving: float) -> float:
    """D = h_j'(0+) - h_i'(B-): above 0 iff moving tokens from a lone i to j improves it.

    At b = B e_i; with D <= 0 for all j the single-capability allocation is optimal.
    """
    return entering - leaving


def marginals(world: World, task: Task, tokens: Array) -> tuple[Array, Array]:
    """dU/db_i (S,) per token just above and just below `tokens` (S,), each at the peak of the learning rate.

    Raises CapabilityMissingError where U is not a function of cumulative tokens.
    """
    if not world.cumulative:
        needs(
            Statement.MARGINAL_GAINS,
            world,
            f"gains of cumulative tokens alone (dynamics {world.dynamics!r})",
        )

    peak = world if world.order_free else world.replace(schedule={})
    least = 1e-12 * max(float(tokens.sum()), 1.0)  # beside 0, where a slope may be infinite

    def slopes(b: Array) -> Array:
        profile, jacobian = OrderFree(peak, 1.0).jacobian(np.maximum(b, least))
        out: Array = jacobian @ task.gradient(profile)
        return out

    e = np.eye(len(tokens))
    step = EDGE * np.maximum(tokens, ACTIVE * max(float(tokens.sum()), 1.0))
    above = np.array([slopes(tokens + step[i] * e[i])[i] for i in range(len(tokens))])
    below = np.maximum(tokens - step[:, None] * e, 0.0)
    return above, np.array([slopes(below[i])[i] for i in range(len(tokens))])


def check(
    world: World, task: Task, budget: float, allocation: Array | None = None, subject: str = ""
) -> Result:
    """The KKT gap at an allocation (S,) of shares (None: the world's own optimum), over lambda."""
    best = optimum(world, task, budget)
    shares = best.allocation if allocation is None else np.asarray(allocation, dtype=np.float64)
    right, left = marginals(world, task, shares * budget * float(world.learning_rate.mean(0, 1)))
    scale = max(float(np.abs(right[shares > ACTIVE]).max()), 1e-300)
    return Result(
        statement=Statement.MARGINAL_GAINS,
        subject=subject or world.name,
        measure="KKT gap of the marginal gains over the largest active one",
        statistic=kkt_gap(right, left, shares) / scale,
        bound=1e-3 if best.method == "numeric" else 1e-5,
        sense="<=",
        advice="tokens moved to the source with the largest marginal gain raise utility",
        detail={"right": right, "left": left, "shares": shares, "lambda": best.multiplier},
    )

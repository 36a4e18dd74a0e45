"""Proposition 4.5 (weighted marginal gains): b is optimal iff one lambda separates the marginal gains.

For F(b) = sum_i h_i(b_i), h_i concave, over b >= 0, sum b = B: b* is optimal iff a lambda exists with
h_i'(b_i+) <= lambda <= h_i'(b_i-) where b_i > 0 and h_j'(0+) <= lambda where b_j = 0 (one-sided
derivatives, so kinks are cases; h_i = w_i g_i in the paper, with spillover `lemmas.spillover`'s). The paper's
"single-capability allocation is improved when" is an if and only if.

Not concave (S-shaped gains, a limit of interference): the conditions are necessary and not sufficient.
w_j > 0 with an infinite slope at 0: j is always active. All flat: lambda = 0 and the optimum is not unique.
Under a learning rate the tokens of a constant allocation count for its mean, and b is tokens times that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.theory.result import Effect, PaperStatement, Result, needs, points
from readsim.worlds.optimum import OrderFree, optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World

ACTIVE = 1e-9  # share of the budget from which a source counts as active
NO_LOSS = 1e-6  # score units that moving tokens could win at most and that count as none
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
            PaperStatement.MARGINAL_GAINS,
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
    world: World,
    task: Task,
    budget: float,
    allocation: Array | None = None,
    subject: str = "",
    *,
    among: Sequence[str] | None = None,
) -> Result:
    """The KKT gap at an allocation (S,) of shares (None: the world's own optimum), over lambda.

    `among` names the sources of Eq. (14)'s set S: the others get nothing and have no conditions; None is all.
    The gap times the budget bounds the utility that moving tokens could win where gains are concave; below
    1e-6 score units it counts as none, for where all slopes are near 0 their ratio says nothing.

    Raises UnknownNameError for a source the world lacks, ConfigError for an allocation outside `among`.
    """
    inside = _columns(world, among)
    if allocation is None:
        shares, multiplier, method = _best(world, task, budget, inside)
    else:
        shares, multiplier = np.asarray(allocation, dtype=np.float64), np.nan
        method = "given" if world.link == "identity" and task.kind == "linear" else "numeric"
        if float(np.delete(shares, inside).sum()) > ACTIVE:
            raise ConfigError(f"allocation {shares.tolist()}: shares outside {list(among or ())}")
    right, left = marginals(world, task, shares * budget * float(world.learning_rate.mean(0, 1)))
    right, left = right[inside], left[inside]
    scale = max(float(np.abs(right[shares[inside] > ACTIVE]).max()), 1e-300)
    gap = kkt_gap(right, left, shares[inside])
    return Result(
        statement=PaperStatement.MARGINAL_GAINS,
        subject=subject or world.name,
        measure="KKT gap of the marginal gains over the largest active one",
        statistic=gap / scale,
        bound=1e-3 if method == "numeric" else 1e-5,
        sense="<=",
        effect=Effect(
            100 * max(gap, 0.0) * budget,
            "points, most that moving tokens wins",
            f"to {world.sources[inside[int(np.argmax(right))]]}",
            negligible=100 * NO_LOSS,
        ),
        advice="tokens moved to the source with the largest marginal gain raise utility",
        detail={"right": right, "left": left, "shares": shares, "lambda": multiplier},
    )


def _columns(world: World, among: Sequence[str] | None) -> list[int]:
    for name in among or ():
        if name not in world.sources:
            raise unknown("source", name, world.sources)
    return [i for i, n in enumerate(world.sources) if among is None or n in among]


def _best(world: World, task: Task, budget: float, inside: list[int]) -> tuple[Array, float, str]:
    """Shares (S,), lambda and method of the best split over the sources `inside`."""
    if len(inside) == len(world.sources):
        best = optimum(world, task, budget)
        return best.allocation, best.multiplier, best.method
    if not world.cumulative:
        marginals(world, task, np.zeros(len(world.sources)))  # refuses

    from scipy.optimize import minimize

    place = np.eye(len(world.sources))[inside]
    problem = OrderFree(world, budget)

    def loss(part: Any) -> tuple[float, Array]:
        profile, jacobian = problem.jacobian(part @ place)
        slope = (jacobian @ task.gradient(profile))[inside]
        return -float(task.utility(profile)), -slope

    n = len(inside)
    ends: list[tuple[float, Array]] = []
    for start in [np.full(n, 1 / n), *(0.9 * np.eye(n) + 0.1 / n)]:
        done = minimize(  # type: ignore[call-overload]  # its stubs know no list of constraints
            loss,
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * n,
            constraints=[{"type": "eq", "fun": lambda x: float(x.sum()) - 1.0}],
            options={"ftol": 1e-15, "maxiter": 500},
        )
        ends.append((float(done.fun), np.maximum(done.x, 0.0) / np.maximum(done.x, 0.0).sum()))
    part = min(ends, key=lambda end: end[0])[1]
    part = np.where(part > 1e-7, part, 0.0)
    return part / part.sum() @ place, np.nan, "numeric"


def check_moreover(world: World, task: Task, budget: float) -> Result:
    """The clause on single capabilities: moving some tokens of B e_i to j pays iff h_j'(0+) > h_i'(B-).

    For all pairs, by utilities: the largest gain of any move where the rule says that none pays, or the
    slope's promise where it says that a small move does and none did. Fails where gains are not concave.
    """
    s, rate = len(world.sources), float(world.learning_rate.mean(0, 1))
    moved = 0.5 ** np.arange(0, 31)
    worst, where = 0.0, "nowhere"
    for i in range(s):
        alone = np.eye(s)[i]
        right, left = marginals(world, task, alone * budget * rate)
        before = float(task.utility(world.static_profile(alone, budget)))
        for j in [j for j in range(s) if j != i]:
            promised = shift_gain(float(right[j]), float(left[i]))
            splits = alone + moved[:, None] * (np.eye(s)[j] - alone)
            gain = task.utility(world.static_profile(splits, budget)) - before
            broken = float(gain.max()) if promised <= 0 else promised * budget * NO_LOSS
            if promised > 0 and (gain.max() > 0 or promised * budget < NO_LOSS):
                broken = 0.0
            if broken > worst:
                worst, where = broken, f"{world.sources[i]} to {world.sources[j]}"
    return Result(
        statement=f"{PaperStatement.MARGINAL_GAINS}: moreover",
        subject=world.name,
        measure="utility won against the rule for leaving a single source, score units",
        statistic=worst,
        bound=1e-7,
        sense="<=",
        effect=points(worst, where),
        advice="gains start slowly: a small move loses where a large one wins, so compare whole allocations",
    )

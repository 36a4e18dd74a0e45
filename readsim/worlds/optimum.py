"""The best static allocation of a world: closed form where there is one, numeric elsewhere.

In order-free worlds no policy, adaptive or not, can end higher (static dominance).
"""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.flow import Flow
from readsim.worlds.search import LEAST, AllocationProblem, best_shares
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.validation import check_budget
from readsim.worlds.waterfill import water_fill
from readsim.worlds.world import STEPS, World

DIFFERENCE = 1e-5  # step of central differences in shares of the budget


@dataclass(frozen=True, eq=False)
class Optimum:
    """`allocation` (S,) sums to `spent`, 1 unless stopping early is better and was allowed.

    `multiplier` is dU/d(budget) per token; `method` is `water-filling` or `numeric`.
    """

    allocation: Array
    utility: float
    multiplier: float
    method: str

    @property
    def spent(self) -> float:
        """The share of the budget that is spent."""
        return float(self.allocation.sum())


def optimum(
    world: AnyWorld,
    task: AnyTask,
    budget: AnyBudget,
    *,
    steps: int = STEPS,
    spend_all: bool = True,
) -> Optimum:
    """The constant allocation with the highest noise-free utility of `task` after `budget` tokens.

    `world`, `task` and `budget` are what `DistillEnv` takes; a budget may be any number above 0.

    `steps` matters in `flow` and `artifact` worlds only. With `spend_all=False` tokens may be left
    unspent, which can be better where training harms.

    Raises ConfigError for a budget that is not positive or passes the world's horizon.
    """
    world = load_world(world)
    task = world.task(task)
    if isinstance(budget, str):
        budget = parse_tokens(budget)
    if not (np.isfinite(budget) and budget > 0):
        raise ConfigError(f"budget = {budget!r}: expected a number of tokens > 0")
    check_budget(world, budget)
    additive = world.order_free and world.link == "identity" and world.intake is None
    if additive and task.kind == "linear":
        return _closed_form(world, task, budget, spend_all)
    problem: AllocationProblem = (
        OrderFree(world, budget) if world.order_free else Simulated(world, budget, steps)
    )
    # the recursion behind gates has to be stepped through: a coarse one is good enough to start
    rough = Simulated(world.replace(substeps=1), budget, steps) if world.gates else problem
    concave = world.order_free and (
        world.link in ("identity", "exponential")
        or (world.link == "saturating" and not world.harm.any())
    )
    shares = best_shares(
        problem, rough, task, len(world.sources), spend_all=spend_all, concave=concave
    )
    profile, slopes = problem.jacobian(np.maximum(shares, LEAST))
    used = float(shares.sum())
    value = float(task.utility(problem.profiles(shares[None])[0]))
    marginal = float(shares @ (slopes @ task.gradient(profile)))
    return Optimum(shares, value, marginal / used / budget if used > 0 else 0.0, "numeric")


def _closed_form(world: World, task: Task, budget: float, spend_all: bool) -> Optimum:
    """Additive worlds: U = U_0 + sum_i h_i(b_i) with concave h_i (Assumption 4.4 with spillover)."""
    weight = world.potential.through_gain @ task.weights
    cost = world.harm @ task.weights
    b, multiplier = water_fill(
        world.gains, weight, cost, world.scale_tokens, budget, spend_all=spend_all
    )
    profile = world.start + world.potential.latent(b / world.scale_tokens)
    return Optimum(b / budget, float(task.utility(profile)), multiplier, "water-filling")


class OrderFree:
    """`AllocationProblem` of a potential world, with exact derivatives; tokens `spent` (S,) come before."""

    def __init__(self, world: World, budget: float, spent: Array | float = 0.0) -> None:
        self.rate = budget * world.rate()
        self.spent = spent * world.rate()
        self.model = world.potential

    def profiles(self, shares: Array) -> Array:
        return self.model.link.value(self.model.latent(self.spent + shares * self.rate))

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        x = self.spent + shares * self.rate
        z = self.model.latent(x)
        slopes = self.model.latent_slope(x) * self.model.link.slope(z) * self.rate[:, None]
        return self.model.link.value(z), slopes


class Simulated:
    """`AllocationProblem` of any world, with central differences."""

    def __init__(self, world: World, budget: float, steps: int) -> None:
        self.world, self.budget, self.steps = world, budget, steps

    def profiles(self, shares: Array) -> Array:
        model = self.world.model
        if isinstance(model, Flow):
            substeps = self.steps * self.world.substeps
            return model.constant(self.world.rate(), shares * self.budget, substeps)
        return self.world.static_profile(shares, self.budget, self.steps)

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        s = len(shares)
        moves = DIFFERENCE * np.eye(s)
        # at the edge of the simplex the backward move is cut to 0: divide by the real distance
        width = DIFFERENCE + np.minimum(shares, DIFFERENCE)
        batch = np.concatenate([shares[None], shares + moves, np.maximum(shares - moves, 0.0)])
        profiles = self.profiles(batch)
        return profiles[0], (profiles[1 : s + 1] - profiles[s + 1 :]) / width[:, None]

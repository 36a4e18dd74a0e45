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
from readsim.worlds.paced import Paced
from readsim.worlds.search import LEAST, AllocationProblem, best_shares
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.validation import check_budget
from readsim.worlds.waterfill import water_fill
from readsim.worlds.world import STEPS, World

DIFFERENCE = 1e-5  # step of central differences in shares of the budget
TURNS = (-DIFFERENCE, DIFFERENCE)


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

    `steps` matters in `flow` and `artifact` worlds only; under a learning rate a run that leaves tokens
    unspent stops before the end of its schedule. With `spend_all=False` tokens may be left
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
    additive = world.cumulative and world.link == "identity" and world.intake is None
    constant = world.learning_rate.is_constant
    if additive and task.kind == "linear" and (constant or spend_all):
        return _closed_form(world, task, budget, spend_all)

    def problem_of(tokens: float) -> AllocationProblem:
        return OrderFree(world, tokens) if world.cumulative else Simulated(world, tokens, steps)

    problem = problem_of(budget)
    # the recursion behind gates has to be stepped through: a coarse one is good enough to start
    rough = Simulated(world.replace(substeps=1), budget, steps) if world.gates else problem
    falls = bool(world.harm.any()) or world.overtrains
    concave = (
        world.cumulative
        and (constant or spend_all)
        and "interference limit" not in world.terms
        and (
            world.link in ("identity", "exponential") or (world.link == "saturating" and not falls)
        )
    )
    shares = best_shares(
        problem, rough, task, len(world.sources), spend_all=spend_all, concave=concave
    )
    profile, slopes = problem.jacobian(np.maximum(shares, LEAST))
    used = float(shares.sum())
    value = float(task.utility(problem.profiles(shares[None])[0]))
    marginal = float(shares @ (slopes @ task.gradient(profile)))
    if not constant:  # a longer budget stretches the schedule too
        ends = [problem_of(budget * (1.0 + d)).profiles(shares[None])[0] for d in TURNS]
        marginal = float(task.utility(ends[1]) - task.utility(ends[0])) / (TURNS[1] - TURNS[0])
    return Optimum(shares, value, marginal / used / budget if used > 0 else 0.0, "numeric")


def _closed_form(world: World, task: Task, budget: float, spend_all: bool) -> Optimum:
    """Additive worlds: U = U_0 + sum_i h_i(b_i) with concave h_i (Assumption 4.4 with spillover).

    Under a learning rate b are tokens times the rate that they meet, of which a run has its mean rate's
    part of the budget, and a longer budget that part of each token more.
    """
    weight = world.potential.through_gain @ task.weights
    cost = world.harm @ task.weights
    pace = float(world.learning_rate.mean(0.0, 1.0))
    counted = budget * pace
    b, multiplier = water_fill(
        world.gains, weight, cost, world.scale_tokens, counted, spend_all=spend_all
    )
    profile = world.start + world.potential.latent(b / world.scale_tokens)
    return Optimum(b / counted, float(task.utility(profile)), multiplier * pace, "water-filling")


class OrderFree:
    """`AllocationProblem` of a cumulative world, with exact derivatives; tokens `spent` (S,) come before.

    Under a learning rate a constant allocation trains the first sum(shares) of the budget, so that its
    tokens count for the mean rate there; `spent` are then tokens times the rate that they met.
    """

    def __init__(self, world: World, budget: float, spent: Array | float = 0.0) -> None:
        self.rate = budget * world.rate()
        self.spent = spent * world.rate()
        self.model, self.learning_rate = world.potential, world.learning_rate

    def _pace(self, shares: Array) -> Array | float:
        if self.learning_rate.is_constant:
            return 1.0
        return self.learning_rate.mean(0.0, shares.sum(axis=-1, keepdims=True))

    def profiles(self, shares: Array) -> Array:
        x = self.spent + shares * self.rate * self._pace(shares)
        return self.model.link.value(self.model.latent(x))

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        pace = self._pace(shares)
        x = self.spent + shares * self.rate * pace
        z = self.model.latent(x)
        by_x = self.model.latent_slope(x) * self.model.link.slope(z)
        slopes = by_x * (self.rate * pace)[:, None]
        if not self.learning_rate.is_constant:  # a token more moves all others in the schedule
            total = shares.sum()
            turn = (self.learning_rate.rate(total) - pace) / max(float(total), LEAST)
            slopes = slopes + (shares * self.rate * turn) @ by_x
        return self.model.link.value(z), slopes


class Simulated:
    """`AllocationProblem` of any world, with central differences."""

    def __init__(self, world: World, budget: float, steps: int) -> None:
        self.world, self.budget, self.steps = world, budget, steps

    def profiles(self, shares: Array) -> Array:
        model, world, pace = self.world.model, self.world, None
        if isinstance(model, Paced) and isinstance(model.equations, Flow):
            edges = np.arange(self.steps + 1.0) / self.steps
            at = edges.reshape(-1, *[1] * shares.ndim) * shares.sum(axis=-1, keepdims=True)
            means = model.learning_rate.mean(at[:-1], at[1:])
            model, pace = model.equations, np.repeat(means, world.substeps, axis=0)
        if isinstance(model, Flow):
            substeps = self.steps * world.substeps
            return model.constant(world.rate(), shares * self.budget, substeps, pace)
        return world.static_profile(shares, self.budget, self.steps)

    def jacobian(self, shares: Array) -> tuple[Array, Array]:
        s = len(shares)
        moves = DIFFERENCE * np.eye(s)
        # at the edge of the simplex the backward move is cut to 0: divide by the real distance
        width = DIFFERENCE + np.minimum(shares, DIFFERENCE)
        batch = np.concatenate([shares[None], shares + moves, np.maximum(shares - moves, 0.0)])
        profiles = self.profiles(batch)
        return profiles[0], (profiles[1 : s + 1] - profiles[s + 1 :]) / width[:, None]

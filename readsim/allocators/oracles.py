"""The best constant allocation, next step and schedule of a world: declared exceptions to the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State
from readsim.allocators.configured import Configured, whole
from readsim.arrays import Array
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.errors import CapabilityMissingError
from readsim.worlds.optimum import optimum
from readsim.worlds.schedule import PHASES, Schedule, best_schedule

UNKNOWNS = 160  # phases x S of a plan that is found in a second or two


class OracleStatic(Allocator):
    """alpha = argmax over constant allocations of the noise-free final utility.

    In order-free worlds without run-to-run variation nothing can end higher (static dominance).
    """

    needs = frozenset({"world"})

    def init(self, setup: Setup) -> Any:
        if setup.world is None or setup.task is None:
            raise CapabilityMissingError("the oracle needs a simulated world")
        best = optimum(setup.world, setup.task, setup.budget, steps=setup.steps)
        return {"allocation": best.allocation}

    def select(self, state: Any, context: Context) -> Array:
        allocation: Array = state["allocation"]
        return allocation


class OracleGreedy(Allocator):
    """The candidate with the highest reward of the next step, Eq. (9), known exactly.

    What is known is the noise-free change from the true student of this run, so that it is `read` without
    its estimates: the candidates, the requirement and the prices are the same. Compared with
    `oracle-planning` it tells what looking one step ahead costs; compared with `read`, what estimating does.
    It is no bound: gates and forgetting punish it, and a requirement that is not the task's misleads it.
    """

    needs = frozenset({"outlook"})

    def select(self, state: State, context: Context) -> Array:
        setup = context.setup
        if setup.outlook is None:
            raise CapabilityMissingError(
                "the greedy oracle needs a backend that knows its next step"
            )
        tokens = setup.budget / setup.steps
        change = setup.outlook(context.candidates, tokens)
        prices = spill_prices(setup.requirement, setup.reward)
        cost = setup.reward.cost / setup.steps
        q = proxy_reward(change, setup.requirement, prices, cost)
        best: Array = context.candidates[int(np.argmax(q))]
        return best


@dataclass(frozen=True)
class OraclePlanning(Configured):
    """alpha_t = the t-th allocation of the schedule with the highest noise-free final utility.

    Never below oracle-static, and equal to it in order-free worlds (static dominance). Where order matters
    (gates, drift, forgetting) the difference is what planning is worth; the search is local, so that
    what it finds is a lower bound of that. It does not react to noise of the training process.

    phases   blocks of equal allocations; at most T, and fewer above 16 sources (2 from 80 on)
    """

    needs = frozenset({"world"})

    phases: int = whole(PHASES, "ours: 20 gained under 0.002 in every preset", low=1, high=10_000)

    def init(self, setup: Setup) -> State:
        return self.init_many([setup])[0]

    def init_many(self, setups: Sequence[Setup]) -> list[State]:
        """Runs of one world, task, budget and number of steps share one plan."""
        plans: dict[tuple[object, ...], Schedule] = {}
        states = []
        for setup in setups:
            if setup.world is None or setup.task is None:
                raise CapabilityMissingError("the oracle needs a simulated world")
            task = setup.task
            key = (setup.world, task.weights.tobytes(), task.kind, setup.budget, setup.steps)
            if key not in plans:
                fit = max(2, UNKNOWNS // len(setup.sources))
                phases = min(self.phases, setup.steps, fit)
                plans[key] = best_schedule(setup.world, task, setup.budget, setup.steps, phases)
            states.append({"plan": plans[key].by_decision})
        return states

    def select(self, state: State, context: Context) -> Array:
        allocation: Array = state["plan"][context.step]
        return allocation
